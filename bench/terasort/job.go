package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/bench/internal/processes"
	"github.com/lambdapool/lambdapool/mapreduce"
	"github.com/lambdapool/lambdapool/splits"
)

// byKey emits each record by its key.
var byKey = mapreduce.Register("bench.terasort", func(ctx context.Context, s splits.Split, emit func(string, []byte)) error {
	record := make([]byte, size)
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return err
		}
		if len(line) != size-1 {
			return fmt.Errorf("a record of %d bytes", len(line)+1)
		}
		record[copy(record, line)] = '\n'
		emit(string(record[:key]), record)
	}
	return nil
}, mapreduce.Concat)

// Two environment variables make this program sort in one way, and print what that took.
const (
	wayEnv  = "TERASORT_WAY"
	fileEnv = "TERASORT_FILE"
)

// said is what such a process prints.
type said struct {
	Measure measure
	Order   order
}

// inChild sorts in a process of its own.
func inChild(ctx context.Context, way, file string) (m measure, got order, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, got, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
	cmd.Env, cmd.Stderr = append(os.Environ(), wayEnv+"="+way, fileEnv+"="+file), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, got, err
	}
	var all said
	err = json.Unmarshal(bytes.TrimSpace(out), &all)
	return all.Measure, all.Order, err
}

// child sorts if this process is one of inChild's.
func child() bool {
	way := os.Getenv(wayEnv)
	if way == "" {
		return false
	}
	var all said
	err := all.sort(context.Background(), way, os.Getenv(fileEnv))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func open(way string) (lambdapool.Backend, error) {
	if way == "inproc" {
		return inproc.New(), nil
	}
	return local.New(local.WithConcurrency(runtime.NumCPU()))
}

// inputSize is how large splits are: an object of a mapper for each, and of those no more pieces than a reducer merges at once.
const inputSize = 32 << 20

func (a *said) sort(ctx context.Context, way, file string) (err error) {
	began := time.Now()
	b, err := open(way)
	if err != nil {
		return err
	}
	pool, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	inputs := splits.Files([]string{file}, splits.Size(inputSize))
	bounds, err := byKey.Bounds(ctx, pool, inputs, 16)
	if err != nil {
		return err
	}
	for _, err := range byKey.RunTo(ctx, pool, inputs, "sorted/", mapreduce.Ranges(bounds...), mapreduce.As(mapreduce.Raw), mapreduce.Memory(2*inputSize)) {
		if err != nil {
			return err
		}
	}
	stats := pool.Stats()
	a.Measure = measure{Took: time.Since(began), CPU: processes.CPU(), Through: stats.Sent + stats.Received, Client: processes.Peak(os.Getpid())}
	if way != "inproc" {
		agents, err := processes.Below(os.Getpid())
		if err != nil {
			return err
		}
		a.Measure.CPU += agents.CPU
		a.Measure.Peak = agents.Peak
	}
	for s, err := range splits.Stored(ctx, pool.Store(), "sorted/", splits.Whole()) {
		if err != nil {
			return err
		}
		if err := a.check(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// check reads what was stored. It does not count.
func (a *said) check(ctx context.Context, s splits.Split) error {
	body, err := s.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(a.Order.read(body), body.Close())
}
