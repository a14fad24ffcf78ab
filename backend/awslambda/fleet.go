package awslambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// A fleet is the functions that stand for one: its shards, or the one that is known. It is not changed: when more are found
// there is another fleet with the same router.
type fleet struct {
	functions []function
	router    *shards.Router // nil: there is one function, and there will be no more
}

// A function is what a request goes to: one shard, or all there is.
type function struct {
	target
	template *template
}

// aim prepares the requests to the function, or to its shards. Without a number the first is there, and more may be found.
func (b *Backend) aim(ctx context.Context, cfg aws.Config, o options) error {
	functions, err := functionsOf(ctx, cfg, b.target, o, 0, max(o.shards, 1))
	if err != nil {
		return err
	}
	known := &fleet{functions: functions}
	if o.shards != 1 {
		known.router = shards.NewRouter(len(functions), o.workers, b.law)
	}
	b.template = functions[0].template
	b.fleet.Store(known)
	return nil
}

// look does what the first call need not wait for: it fetches the credentials, finds the shards, and compares them.
func (b *Backend) look(ctx context.Context, cfg aws.Config, o options) {
	if creds := b.creds; creds != nil {
		b.looking.Go(func() { _, _ = creds.Retrieve(ctx) }) // the first call finds out what is wrong with them
	}
	log := contain.Logger(cmp.Or(o.log, slog.Default())) // this goroutine is not the program's
	b.looking.Go(func() {
		if o.shards == 0 {
			b.grow(ctx, cfg, o, b.findShards(ctx, cfg, b.target, log), log)
		}
		close(b.found)
		if len(b.fleet.Load().functions) > 1 {
			b.compare(ctx, cfg, log)
		}
	})
}

// grow takes up the shards that were found: n of them.
func (b *Backend) grow(ctx context.Context, cfg aws.Config, o options, n int, log *slog.Logger) {
	known := b.fleet.Load()
	// Nothing is sent for it. Close ends ctx, which is no fault of the shards that were just found.
	more, err := functionsOf(context.WithoutCancel(ctx), cfg, b.target, o, 1, n)
	if err != nil {
		log.Warn("lambdapool: the shards of a Lambda function cannot be used: it does the work alone",
			"function", b.target.short(), "shards", n, "error", err, "hint", fmt.Sprintf(hintShards, b.target.short()))
	}
	if len(more) == 0 {
		b.fleet.Store(&fleet{functions: known.functions})
		b.limits.settle(*b.limits.now.Load())
		return
	}
	// The router sends nothing to a shard before everybody can see it.
	b.fleet.Store(&fleet{functions: append(known.functions[:1:1], more...), router: known.router})
	known.router.Grow(n)
	b.limits.settle(b.lawful(n, *b.limits.now.Load()))
}

// functionsOf prepares the requests to shards, from one to before another.
func functionsOf(ctx context.Context, cfg aws.Config, t target, o options, from, to int) ([]function, error) {
	var all []function
	for i := from; i < to; i++ {
		f := t.shard(i)
		if _, err := parseTarget(f.name); err != nil { // too long with its number
			return nil, fmt.Errorf("shard %d: %w", i, errors.Unwrap(err))
		}
		tmpl, err := prepare(ctx, cfg, f, o)
		if err != nil {
			return nil, fmt.Errorf("the configuration makes no request: %w", err)
		}
		all = append(all, function{f, tmpl})
	}
	return all, nil
}

// choose returns the function for the next invocation, and what is to be told of its end.
func (b *Backend) choose() (*function, func(*driver.InvokeError)) {
	known := b.fleet.Load()
	if known.router == nil {
		return &known.functions[0], func(*driver.InvokeError) {}
	}
	started := time.Now()
	i := known.router.Take(started)
	return b.function(i), func(e *driver.InvokeError) {
		known.router.Ended(i, started, time.Now(), e)
		b.explain(i, e)
	}
}

// chooseEvent is choose for one that is queued. It waits until the shards are found: an event has time, and a run's
// events go to all of them.
func (b *Backend) chooseEvent(ctx context.Context) (*function, func(*driver.InvokeError)) {
	select {
	case <-b.found:
	case <-ctx.Done():
	}
	known := b.fleet.Load()
	if known.router == nil {
		return &known.functions[0], func(*driver.InvokeError) {}
	}
	started := time.Now()
	i := known.router.TakeEvent(started)
	return b.function(i), func(e *driver.InvokeError) {
		known.router.Queued(i, started, time.Now(), e)
		b.explain(i, e)
	}
}

// function is the one that a router has named, which may know more of them than the fleet did when it was asked.
func (b *Backend) function(i int) *function { return &b.fleet.Load().functions[i] }

// explain adds to an error which shard it is of, where there are several.
func (b *Backend) explain(i int, e *driver.InvokeError) {
	if e == nil || len(b.fleet.Load().functions) == 1 {
		return
	}
	e.Err = fmt.Errorf("shard %s: %w", b.function(i).short(), e.Err)
	if shards.Unusable(e) {
		e.Hint = fmt.Sprintf(hintShards, b.target.short())
	}
}
