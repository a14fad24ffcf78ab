// Detached starts work that nobody waits for: it counts primes in 200 ranges, and
// the program ends as soon as the calls are queued. Later, and from anywhere, it
// looks how far they are and collects the results:
//
//	lambdapool local                                    # in one terminal: a Lambda and a bucket
//	lambdapool create primes ./examples/detached        # in another, with what it said to export
//	go run ./examples/detached -pool 'lambda://primes?bucket=lambdapool' start
//	go run ./examples/detached -pool 'lambda://primes?bucket=lambdapool' look
//	go run ./examples/detached -pool 'lambda://primes?bucket=lambdapool' collect
//
// On Google Cloud Run it is -pool 'cloudrun://primes?bucket=NAME&queue=NAME'.
//
// The same function is what Lambda runs: this program is also its agent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/progress"
)

const (
	ranges = 200
	width  = 10_000
)

// CountPrimes counts the primes of one range. It may run twice, should its agent die.
var CountPrimes = lambdapool.Register("primes.count", func(_ context.Context, from int) (int, error) {
	count := 0
	for n := max(from, 2); n < from+width; n++ {
		if isPrime(n) {
			count++
		}
	}
	return count, nil
}, lambdapool.Idempotent())

// isPrime tries every divisor up to the root: simple, and slow on purpose.
func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}

func main() {
	agent.Main() // when this process is an agent, it serves here and never returns

	pool := flag.String("pool", "lambda://primes?bucket=lambdapool", "`URL` of a backend with an object store")
	name := flag.String("name", "primes", "`name` of the run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *pool, *name, flag.Arg(0))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "detached:", err)
		os.Exit(1)
	}
}

// run opens the pool and does what was asked for.
func run(ctx context.Context, w io.Writer, pool, name, command string) (err error) {
	b, err := backend.Open(ctx, pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	e, err := lambdapool.New(b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return do(ctx, w, e, name, command)
}

// do carries out one command. Each of them could be another program on another machine: they have
// nothing in common but the URL of the pool and the name of the run.
func do(ctx context.Context, w io.Writer, e *lambdapool.Executor, name, command string) error {
	switch command {
	case "start":
		return start(ctx, w, e, name)
	case "look":
		return look(ctx, w, e, name)
	case "collect":
		return collect(ctx, w, e, name)
	default:
		return fmt.Errorf("no command %q: say start, look or collect", command)
	}
}

// start queues all calls. Started again, it goes on where it was: nothing runs twice
// because of it. The name is what makes that possible: without RunName each start is a new run.
func start(ctx context.Context, w io.Writer, e *lambdapool.Executor, name string) error {
	from := make([]int, ranges)
	for i := range from {
		from[i] = i * width
	}
	r, err := lambdapool.MapDetached(ctx, e, CountPrimes, from, lambdapool.RunName(name))
	if err != nil {
		return err
	}
	info := r.Info()
	fmt.Fprintf(w, "run %s has %d calls; this program may end now\n", info.ID, info.Calls)
	fmt.Fprintf(w, "agents can record results until %s, and they are kept until %s\n",
		info.RecordBy.Format(time.DateTime), info.KeepUntil.Format(time.DateTime))
	return nil
}

// look tells how far the run is, by one listing of the bucket. It waits for nothing.
func look(ctx context.Context, w io.Writer, e *lambdapool.Executor, name string) error {
	r, err := lambdapool.Attach(ctx, e, CountPrimes, name)
	if err != nil {
		return err
	}
	s, err := r.State(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d queued, %d running, %d succeeded, %d failed, %d expired, %d canceled\n",
		s.Queued, s.Running, s.Succeeded, s.Failed, s.Expired, s.Canceled)
	return nil
}

// collect waits for what is not there yet. It may be interrupted and called again: the run does not
// notice.
func collect(ctx context.Context, w io.Writer, e *lambdapool.Executor, name string) error {
	r, err := lambdapool.Attach(ctx, e, CountPrimes, name, progress.Bar(os.Stderr))
	if err != nil {
		return err
	}
	counts, err := r.Wait(ctx)
	if err != nil {
		return err
	}
	primes := 0
	for _, count := range counts {
		primes += count
	}
	fmt.Fprintf(w, "%d primes below %d\n", primes, ranges*width)
	return nil
}
