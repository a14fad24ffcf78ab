// Gcp proves on a Google Cloud project what could not be proven without one: docs/gcp-smoke.md says what it does, which
// rights it needs and what it costs.
//
//	go run ./internal/smoke/gcp -bucket NAME -queue NAME -out smoke        # writes smoke.md and smoke.json
//
// It makes two services under a random name, and objects below a prefix of that name, and removes them again, also when
// it is interrupted. It touches nothing else. Images stay in the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lambdapool/lambdapool/internal/smoke/claims"
)

// main is also the suites', in the process that conformance starts.
func main() {
	if service := os.Getenv(suiteService); service != "" {
		suites(service)
	}
	workers := flag.Int("workers", 50, "of the ramp")
	bucket := flag.String("bucket", os.Getenv("LAMBDAPOOL_BUCKET"), "bucket of Cloud Storage that is there")
	queue := flag.String("queue", os.Getenv("LAMBDAPOOL_QUEUE"), "queue of Cloud Tasks that is there")
	out := flag.String("out", "smoke", "the report's `name`, without .md and .json")
	flag.Parse()
	// The first signal has everything removed, the second ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, *workers, *bucket, *queue, *out); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

// run makes what is needed, checks claim after claim, and removes everything, whatever happened. The report is written
// also when it was interrupted. An error says how many claims do not hold: the command fails then.
func run(ctx context.Context, workers int, bucket, queue, out string) (err error) {
	if workers < 1 || bucket == "" || queue == "" {
		return errors.New("name a bucket and a queue (-bucket, -queue), and at least one worker: docs/gcp-smoke.md has the commands that make them")
	}
	r := &claims.Report{}
	c, err := open(ctx, r, bucket, queue)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "smoke: everything is called %s…\n", c.name)
	defer func() {
		r.Left = c.removeAll(context.WithoutCancel(ctx))
		err = errors.Join(err, r.Write(out), c.client.Close())
		if len(r.Left) > 0 {
			err = errors.Join(err, fmt.Errorf("not removed: %v", r.Left))
		}
	}()
	for _, row := range c.rows(workers) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.Check(ctx, row)
		if len(r.Rows) == deployRows && r.Failed() > 0 {
			return errors.New("nothing else can be checked without the services")
		}
	}
	if n := r.Failed(); n > 0 {
		return fmt.Errorf("%d of %d claims are not as we say: see %s.md", n, len(r.Rows), out)
	}
	return nil
}
