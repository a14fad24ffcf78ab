// Cold shows how long a function that nobody has called takes until it has answered: from New to the first result, and to
// 1,000 results of 10 ms each on 16 workers, by Submit and by Map. The function is the embedded Lambda's: its agents are
// processes, each of which starts 150 ms late, behind a wire of 20 ms, half of it each way; opening a connection takes 20 ms
// more. Ideal is a client that knows everything beforehand: its requests are made and signed before it begins, each worker
// opens its connection at once, and a map is one chunk for each worker. Both take turns, each time with new agents; a ratio is
// the median of those of the rounds.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

const (
	results = 1000
	workers = 16
	item    = 10 * time.Millisecond
	oneWay  = 10 * time.Millisecond  // of the wire
	start   = 150 * time.Millisecond // of an agent
)

var nap = lambdapool.Register("nap", func(_ context.Context, d time.Duration) (int, error) { <-time.After(d); return 1, nil })

// A job is what is timed.
type job struct {
	name  string
	chunk int // of the ideal client
	items int
	run   func(context.Context, *lambdapool.Executor) error // until it has all results
}

var jobs = []job{
	{"the first result", 1, 1, func(ctx context.Context, e *lambdapool.Executor) error {
		_, err := lambdapool.Call(ctx, e, nap, item)
		return err
	}},
	{"1,000 results, Submit", 1, results, func(ctx context.Context, e *lambdapool.Executor) error {
		var futures []*lambdapool.Future[int]
		for range results {
			futures = append(futures, lambdapool.Submit(ctx, e, nap, item))
		}
		_, err := lambdapool.Collect(ctx, futures...)
		return err
	}},
	{"1,000 results, Map", (results + workers - 1) / workers, results, func(ctx context.Context, e *lambdapool.Executor) error {
		_, err := lambdapool.Map(ctx, e, nap, slices.Repeat([]time.Duration{item}, results))
		return err
	}},
}

func main() {
	agent.Main()
	rounds := flag.Int("rounds", 5, "of all measurements")
	flag.Parse()
	if err := report(context.Background(), *rounds, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cold:", err)
		os.Exit(1)
	}
}

// settings are the options of New that the rows differ in.
var settings = []struct {
	name string
	opts []awslambda.Option
}{
	{"New asks for shards", nil},
	{"WithShards(1)", []awslambda.Option{awslambda.WithShards(1)}},
}

// report writes the table.
func report(ctx context.Context, rounds int, out io.Writer) error {
	fmt.Fprintln(out, "| | client | New, ms | all, ms | ideal, ms | times the ideal |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, j := range jobs {
		var ideal []float64
		opened, all, ratio := make([][]float64, len(settings)), make([][]float64, len(settings)), make([][]float64, len(settings))
		for range rounds {
			least, err := j.ideally(ctx)
			if err != nil {
				return fmt.Errorf("%s, ideal: %w", j.name, err)
			}
			ideal = append(ideal, milliseconds(least))
			for i, s := range settings {
				first, total, err := j.pooled(ctx, s.opts)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", j.name, s.name, err)
				}
				opened[i], all[i] = append(opened[i], milliseconds(first)), append(all[i], milliseconds(total))
				ratio[i] = append(ratio[i], float64(total)/float64(least))
			}
		}
		for i, s := range settings {
			fmt.Fprintf(out, "| %s | %s | %.1f | %.0f | %.0f | %.2f |\n", j.name, s.name, median(opened[i]), median(all[i]), median(ideal), median(ratio[i]))
		}
	}
	return nil
}

// pooled runs a job as programs do, and returns how long New took of the backend, and all.
func (j *job) pooled(ctx context.Context, opts []awslambda.Option) (opened, total time.Duration, err error) {
	f, err := open(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer f.close()
	id, secret := f.Credentials()
	begun := time.Now()
	b, err := awslambda.New(ctx, f.FunctionName(), append([]awslambda.Option{
		awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint(f.url), awslambda.WithStaticCredentials(id, secret, ""), awslambda.WithWorkers(workers),
	}, opts...)...)
	opened = time.Since(begun)
	if err != nil {
		return 0, 0, err
	}
	e, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		return 0, 0, err
	}
	defer e.Close() //nolint:errcheck // nothing is left in it
	err = j.run(ctx, e)
	return opened, time.Since(begun), err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	return xs[len(xs)/2]
}
