// Client measures what one invocation costs the client, for four clients side
// by side in one run: the AWS SDK as it comes, the SDK tuned by hand,
// awslambda's backend alone, and the whole of lambdapool (executor, codec,
// futures) on top of it.
//
//	go run ./bench/client -latency 20ms -inflight 256
//
// The other side is a process of its own on loopback: TLS, HTTP/1.1, an agent
// that runs a trivial function, and a latency that stands for network and
// service. It shares the machine's cores, so only the ratios mean something.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	if os.Getenv(serverEnv) != "" {
		serve(os.Stdin, os.Stdout)
		return
	}
	var p params
	flag.DurationVar(&p.latency, "latency", 20*time.Millisecond, "time that the server takes for each call")
	flag.IntVar(&p.inflight, "inflight", 256, "calls in flight")
	flag.DurationVar(&p.slice, "time", time.Second, "time for each client in each round")
	flag.IntVar(&p.rounds, "rounds", 5, "rounds; the table shows medians")
	flag.Parse()
	if err := run(context.Background(), p, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

type params struct {
	latency  time.Duration
	slice    time.Duration
	inflight int
	rounds   int
}

func run(ctx context.Context, p params, out io.Writer) error {
	if p.inflight < 1 || p.rounds < 1 || p.slice <= 0 || p.latency < 0 {
		return errors.New("-inflight, -rounds and -time must be above zero, -latency not below")
	}
	server, err := startServer(ctx, p.latency)
	if err != nil {
		return err
	}
	defer server.stop()
	clients, err := newClients(ctx, server, p.inflight)
	if err != nil {
		return err
	}
	for _, c := range clients {
		defer c.close()
	}
	samples := make([][]sample, len(clients))
	for round := range p.rounds + 1 {
		for i, c := range clients {
			s, err := measure(ctx, c.call, p)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 { // the first one opens connections
				samples[i] = append(samples[i], s)
			}
		}
	}
	return table(out, p, clients, samples)
}

// A sample is what one client did in one round.
type sample struct {
	rate float64       // calls per second
	cpu  time.Duration // of this process, per call
}

// measure keeps p.inflight calls in flight for p.slice.
func measure(ctx context.Context, call func(context.Context) error, p params) (sample, error) {
	var (
		calls   atomic.Int64
		failed  atomic.Pointer[error]
		workers sync.WaitGroup
	)
	start, cpu := time.Now(), cpuTime()
	for range p.inflight {
		workers.Go(func() {
			for time.Since(start) < p.slice && failed.Load() == nil {
				if err := call(ctx); err != nil {
					failed.Store(&err)
					return
				}
				calls.Add(1)
			}
		})
	}
	workers.Wait()
	wall, used := time.Since(start), cpuTime()-cpu
	if err := failed.Load(); err != nil {
		return sample{}, *err
	}
	n := calls.Load()
	return sample{rate: float64(n) / wall.Seconds(), cpu: used / time.Duration(n)}, nil
}

func table(out io.Writer, p params, clients []client, samples [][]sample) error {
	base := median(samples[0])
	tuned := median(samples[1])
	var text strings.Builder
	fmt.Fprintf(&text, "%d in flight, %v latency, TLS, %d rounds of %v, medians\n\n", p.inflight, p.latency, p.rounds, p.slice)
	text.WriteString("| client | calls/s | CPU per call | calls/s, SDK = 1 | calls/s, tuned = 1 | CPU, tuned = 1 |\n")
	text.WriteString("|---|---:|---:|---:|---:|---:|\n")
	for i, c := range clients {
		m := median(samples[i])
		fmt.Fprintf(&text, "| %s | %.0f | %.0f µs | %.2f | %.2f | %.2f |\n", c.name, m.rate,
			float64(m.cpu)/float64(time.Microsecond), m.rate/base.rate, m.rate/tuned.rate, float64(m.cpu)/float64(tuned.cpu))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func median(samples []sample) sample {
	var rates []float64
	var cpus []time.Duration
	for _, s := range samples {
		rates, cpus = append(rates, s.rate), append(cpus, s.cpu)
	}
	slices.Sort(rates)
	slices.Sort(cpus)
	return sample{rate: rates[len(rates)/2], cpu: cpus[len(cpus)/2]}
}
