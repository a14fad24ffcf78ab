// Command shards shows why one function may be several: an embedded Lambda follows the law that a function starts so many
// environments at once and so many more a second, and the same calls run on one function and on several.
//
//	go run ./examples/shards
//	go run ./examples/shards -shards 8 -calls 48
//
// On AWS the numbers are 1,000 at once and 100 more a second: `lambdapool create NAME PACKAGE --shards 10`.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
)

var nap = lambdapool.Register("shards.nap", func(_ context.Context, d time.Duration) (time.Duration, error) {
	time.Sleep(d)
	return d, nil
})

func main() {
	agent.Main()
	shards := flag.Int("shards", 4, "functions that stand for one")
	calls := flag.Int("calls", 24, "how many, of a second each")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *shards, *calls); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, shards, calls int) error {
	for _, n := range []int{1, shards} {
		took, stats, err := measure(ctx, n, calls)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%2d shards: %d calls of a second in %.1f s, %d environments, %d throttles\n", n, calls, took.Seconds(), stats.ColdStarts, stats.Throttles)
	}
	return nil
}

// measure runs the calls on n functions that each start three environments, and no more: so little of the law that it is seen within seconds.
func measure(ctx context.Context, n, calls int) (time.Duration, lambdapool.Stats, error) {
	b, err := local.New(local.WithShards(n), local.WithScalingLaw(3, 0), local.WithConcurrency(50))
	if err != nil {
		return 0, lambdapool.Stats{}, err
	}
	e, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
	if err != nil {
		return 0, lambdapool.Stats{}, err
	}
	defer e.Close()
	in := make([]time.Duration, calls)
	for i := range in {
		in[i] = time.Second
	}
	start := time.Now()
	_, err = lambdapool.Map(ctx, e, nap, in, lambdapool.ChunkSize(1))
	return time.Since(start), e.Stats(), err
}
