// Kmers counts the substrings of k bases in files of reads, a sequence to a line as in FASTA, and prints those that are
// there at least so many times:
//
//	go run ./examples/kmers -k 21 -min 100 reads.fa
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/interrupt"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// reads is what a mapper gets: agents have no flags, so k travels.
type reads struct {
	Split splits.Split
	K     int
}

var count = mapreduce.Register("kmers", func(ctx context.Context, r reads, emit func(string, int)) error {
	for line, err := range r.Split.Lines(ctx) {
		if err != nil {
			return err
		}
		for i := 0; i+r.K <= len(line) && line[0] != '>'; i++ {
			emit(string(line[i:i+r.K]), 1)
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

func run(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("kmers", flag.ExitOnError)
	where := flags.String("backend", "local:", "where the agents run")
	k, least := flags.Int("k", 21, "bases, at least 1"), flags.Int("min", 2, "print what is there so many times")
	_ = flags.Parse(args) // it exits with what is wrong
	pool, err := backend.NewExecutor(ctx, *where)
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, stop := interrupt.Context(ctx, pool, os.Stderr) // the first Ctrl-C lets what runs come to its end
	defer stop()
	inputs := func(yield func(reads, error) bool) {
		splits.Upload(ctx, pool.Store(), "kmers-input/", flags.Args())(func(s splits.Split, err error) bool {
			return yield(reads{s, max(*k, 1)}, err)
		})
	}
	for kv, err := range count.Run(ctx, pool, inputs) {
		if err != nil {
			return err
		}
		if kv.Value >= *least {
			fmt.Fprintf(w, "%s\t%d\n", kv.Key, kv.Value)
		}
	}
	return nil
}
