// Wordcount makes a table of the words in a bucket, or in files of this machine, by package mapreduce:
//
//	go run ./examples/wordcount docs/*.md
//	go run ./examples/wordcount -backend 'lambda://words?bucket=logs' -prefix 2026/
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/interrupt"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

var count = mapreduce.Register("wordcount", func(ctx context.Context, s splits.Split, emit func(string, int)) error {
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return err
		}
		for word := range strings.FieldsSeq(strings.ToLower(string(line))) {
			emit(word, 1)
		}
	}
	return nil
}, mapreduce.Sum[string, int], mapreduce.Combine(mapreduce.Add[int]))

func main() {
	agent.Main() // when this process is an agent, it serves here and never returns
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run prints the table: parts of it by a hash of the word, and sorted within each.
func run(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("wordcount", flag.ExitOnError)
	where := flags.String("backend", "local:", "where the agents run")
	prefix := flags.String("prefix", "wordcount-input/", "count objects whose keys begin so; files that are named are stored there first, and counted alone")
	_ = flags.Parse(args) // it exits with what is wrong
	pool, err := backend.NewExecutor(ctx, *where)
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, stop := interrupt.Context(ctx, pool, os.Stderr) // the first Ctrl-C lets what runs come to its end
	defer stop()
	inputs := splits.Stored(ctx, pool.Store(), *prefix)
	if flags.NArg() > 0 {
		inputs = splits.Upload(ctx, pool.Store(), *prefix, flags.Args())
	}
	words := 0
	for kv, err := range count.Run(ctx, pool, inputs, mapreduce.Partitions(4)) {
		if err != nil {
			return err
		}
		words++
		fmt.Fprintf(w, "%s\t%d\n", kv.Key, kv.Value)
	}
	if words == 0 {
		return fmt.Errorf("no words: nothing is stored below %s, or it is empty; name files to count theirs", *prefix)
	}
	return nil
}
