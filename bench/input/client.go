package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/bench/internal/processes"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// ways are what agents do with an input.
var ways = []struct {
	name, what string
	run        func(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[splits.Split, error]) (count, error)
}{
	{"stream", "count lines in a stream", stream},
	{"job", "count lines by level in a job", job},
}

var lines = lambdapool.Register("bench.input.lines", func(ctx context.Context, s splits.Split) (c count, _ error) {
	for line, err := range s.Lines(ctx) {
		if err == nil {
			err = c.line(line)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}, lambdapool.Idempotent())

func stream(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[splits.Split, error]) (all count, _ error) {
	for c, err := range lambdapool.StreamFrom(ctx, pool, lines, inputs) {
		if err != nil {
			return all, err
		}
		all.add(c)
	}
	return all, nil
}

var byLevel = mapreduce.Register("bench.input.levels",
	func(ctx context.Context, s splits.Split, emit func(string, count)) error {
		for line, err := range s.Lines(ctx) {
			var c count
			if err == nil {
				err = c.line(line)
			}
			if err != nil {
				return err
			}
			emit(string(line[digits+1:digits+9]), c)
		}
		return nil
	},
	func(_ context.Context, _ string, counts iter.Seq[count]) (all count, _ error) {
		for c := range counts {
			all.add(c)
		}
		return all, nil
	},
	mapreduce.Combine(func(a, b count) count {
		a.add(b)
		return a
	}))

func job(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[splits.Split, error]) (all count, _ error) {
	found := 0
	for kv, err := range byLevel.Run(ctx, pool, inputs) {
		if err != nil {
			return all, err
		}
		found++
		all.add(kv.Value)
	}
	if found != levels {
		return all, fmt.Errorf("%d levels, there are %d", found, levels)
	}
	return all, nil
}

// Three environment variables make this program a client.
const (
	wayEnv   = "INPUT_WAY"
	urlEnv   = "INPUT_URL"
	splitEnv = "INPUT_SPLIT"
)

// A measure is what a client took, and what it has seen.
type measure struct {
	Size, Splits  int64
	Client, Agent int64 // peak resident sizes, in bytes
	Through       int64 // the client, in bytes
	Took, CPU     time.Duration
	Seen          count
}

// inChild runs a client as a process of its own.
func inChild(ctx context.Context, way, url string, split int64) (m measure, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
	cmd.Env, cmd.Stderr = append(os.Environ(), wayEnv+"="+way, urlEnv+"="+url, splitEnv+"="+strconv.FormatInt(split, 10)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(out, &m)
}

// child is a client if this process is one of inChild's.
func child() bool {
	name := os.Getenv(wayEnv)
	for _, way := range ways {
		if way.name != name {
			continue
		}
		split, err := strconv.ParseInt(os.Getenv(splitEnv), 10, 64)
		var m measure
		if err == nil {
			m, err = client(way.run, os.Getenv(urlEnv), split)
		}
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(m)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return true
	}
	return false
}

func client(run func(context.Context, *lambdapool.Executor, iter.Seq2[splits.Split, error]) (count, error), url string, split int64) (m measure, err error) {
	ctx, began := context.Background(), time.Now()
	b, err := local.New(local.WithConcurrency(runtime.NumCPU()))
	if err != nil {
		return m, err
	}
	pool, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	inputs := func(yield func(splits.Split, error) bool) {
		for s, err := range splits.URLs(ctx, []string{url}, splits.Size(split)) {
			m.Splits++
			if !yield(s, err) {
				return
			}
		}
	}
	if m.Seen, err = run(ctx, pool, inputs); err != nil {
		return m, err
	}
	agents, err := processes.Below(os.Getpid())
	if err != nil {
		return m, err
	}
	stats := pool.Stats()
	m.Client, m.Agent, m.Through = processes.Peak(os.Getpid()), agents.Peak, stats.Sent+stats.Received
	m.Took, m.CPU = time.Since(began), processes.CPU()+agents.CPU
	return m, nil
}
