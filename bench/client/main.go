// Client measures what one invocation costs the client, for four clients side
// by side in one run: the AWS SDK as it comes, the SDK tuned by hand,
// awslambda's backend alone, and the whole of lambdapool (executor, codec,
// futures) on top of it.
//
//	go -C bench run ./client -latency 20ms -inflight 256
//
// The other side is a process of its own on loopback: TLS with a chain of two
// certificates and RSA keys of 2048 bits, HTTP/1.1, an agent that runs a trivial
// function. It shares the machine's cores, so only the ratios mean something.
//
// The latency is in one of two places. On the wire, as with a service that is
// far away and fast, every byte takes half of it each way, and a new connection
// takes three times as long to answer as one that is open: TCP and TLS have a
// round trip each. In the server, as with one that is near and slow, opening a
// connection costs CPU only. Both bound the rate at inflight/latency.
//
// The SDK as it comes keeps ten idle connections: of calls that end together, more
// than ten at a time, the rest lose theirs. How often that is depends on how
// bunched the calls are, which any pause of the machine changes for seconds, so its
// rate differs from run to run far more than the others'; the share of calls that
// had to open a connection, and the range of the rates, tell why and how much.
package main

import (
	"cmp"
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
	flag.DurationVar(&p.latency, "latency", 20*time.Millisecond, "of each call, on the wire or in the server")
	flag.IntVar(&p.inflight, "inflight", 256, "calls in flight")
	flag.DurationVar(&p.slice, "time", time.Second, "time for each client in each round")
	flag.IntVar(&p.rounds, "rounds", 9, "rounds; the table shows medians")
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
	if _, err := fmt.Fprintf(out, "%d in flight, TLS, %d rounds of %v, medians.\n", p.inflight, p.rounds, p.slice); err != nil {
		return err
	}
	for _, s := range []struct {
		setting
		about string
	}{
		{setting{Wire: p.latency / 2}, "%v on the wire, half of it each way; a new connection takes two round trips more:"},
		{setting{Think: p.latency}, "%v in the server; a new connection costs nothing but CPU:"},
	} {
		if _, err := fmt.Fprintf(out, "\n"+s.about+"\n\n", p.latency); err != nil {
			return err
		}
		if err := compare(ctx, p, s.setting, out); err != nil {
			return err
		}
	}
	return nil
}

// compare has the clients take turns at a server of their own.
func compare(ctx context.Context, p params, where setting, out io.Writer) error {
	server, err := startServer(ctx, where)
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
			before := server.opened.Load()
			s, err := measure(ctx, c.call, p)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			s.opened = float64(server.opened.Load()-before) / s.calls
			if round > 0 { // the first one opens connections
				samples[i] = append(samples[i], s)
			}
		}
	}
	return table(out, clients, samples)
}

// A sample is what one client did in one round.
type sample struct {
	calls  float64
	rate   float64       // calls per second
	cpu    time.Duration // of this process, per call
	opened float64       // connections, per call
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
	return sample{calls: float64(n), rate: float64(n) / wall.Seconds(), cpu: used / time.Duration(n)}, nil
}

func table(out io.Writer, clients []client, samples [][]sample) error {
	base := median(samples[0])
	tuned := median(samples[1])
	var text strings.Builder
	text.WriteString("| client | calls/s | lowest to highest | CPU per call | new connections per 100 calls | calls/s, SDK = 1 | calls/s, tuned = 1 | CPU, tuned = 1 |\n")
	text.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for i, c := range clients {
		m := median(samples[i])
		byRate := func(a, b sample) int { return cmp.Compare(a.rate, b.rate) }
		fmt.Fprintf(&text, "| %s | %.0f | %.0f to %.0f | %.0f µs | %.0f | %.2f | %.2f | %.2f |\n", c.name,
			m.rate, slices.MinFunc(samples[i], byRate).rate, slices.MaxFunc(samples[i], byRate).rate,
			float64(m.cpu)/float64(time.Microsecond), 100*m.opened, m.rate/base.rate, m.rate/tuned.rate, float64(m.cpu)/float64(tuned.cpu))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// median returns the medians of what was measured, each by itself.
func median(samples []sample) (m sample) {
	m.rate = medianOf(samples, func(s sample) float64 { return s.rate })
	m.cpu = medianOf(samples, func(s sample) time.Duration { return s.cpu })
	m.opened = medianOf(samples, func(s sample) float64 { return s.opened })
	return m
}

func medianOf[T cmp.Ordered](samples []sample, of func(sample) T) T {
	var values []T
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
