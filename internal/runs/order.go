package runs

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/payload"
)

// InOrder yields what became of chunks in their order, as they end. report is called meanwhile.
func (f *Follower) InOrder(ctx context.Context, report func(sent int, final bool), yield func(Outcome) bool) {
	done := f.use()
	defer done()
	report(-1, false)
	defer report(-1, true)
	f.ordered(ctx, func(ctx context.Context, n int) (int, error) {
		return n, f.wait(ctx, n)
	}, func() { report(-1, false) }, yield)
}

// Recorded yields what has become of the chunks that are over, in their order, and waits for no other.
func (f *Follower) Recorded(ctx context.Context, yield func(Outcome) bool) {
	now := NewFollower(f.base, f.e, f.fn, f.m, f.store)
	if err := now.look(ctx); err != nil {
		yield(Outcome{Chunk: -1, Err: payload.Failure("list run "+f.m.ID, driver.OutcomeUnknown, err)})
		return
	}
	now.ordered(ctx, func(_ context.Context, n int) (int, error) {
		for n < now.view.Len() && !now.view.Chunk(n).Over() {
			n++
		}
		return n, nil
	}, nil, yield)
}

// look lists the run once, and ends what the platform will not.
func (f *Follower) look(ctx context.Context) error {
	now, err := listRun(ctx, f.store, f.view, 0)
	if err != nil {
		return err
	}
	for n := range f.view.Len() {
		if c := f.view.Chunk(n); c.Over() || f.m.Judge(c, now) == detached.Wait {
			continue
		}
		if err := f.settle(ctx, now); err != nil {
			return err
		}
		_, err := listRun(ctx, f.store, f.view, 0)
		return err
	}
	return nil
}

// wait waits until chunk n is over.
func (f *Follower) wait(ctx context.Context, n int) error {
	for {
		f.mu.Lock()
		over, err, news := f.seen[n], f.err, f.news
		f.mu.Unlock()
		if over || err != nil {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.base.Done():
			return f.base.Err()
		}
	}
}

// ordered yields what became of chunks in their order, a few fetched ahead. next returns which
// one follows, from n on, or the number of chunks; it may block. idle is called from time to time
// unless it is nil.
func (f *Follower) ordered(ctx context.Context, next func(ctx context.Context, n int) (int, error), idle func(), yield func(Outcome) bool) {
	ctx, cancel := context.WithCancel(ctx)
	queue := make(chan chan Outcome, fetchParallel) // whose length bounds what is fetched ahead
	go func() {
		defer close(queue)
		for n := 0; n < f.m.Chunks(); n++ {
			var err error
			fetched := make(chan Outcome, 1)
			if n, err = next(ctx, n); err != nil {
				fetched <- Outcome{Chunk: -1, Err: err}
			} else if n == f.m.Chunks() {
				return
			}
			select {
			case queue <- fetched:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			go func() { fetched <- f.Fetch(ctx, n) }()
		}
	}()
	defer func() {
		cancel()
		for fetched := range queue { // until nothing runs any more
			<-fetched
		}
	}()
	var tick <-chan time.Time
	if idle != nil {
		ticker := time.NewTicker(engine.ReportInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	await := func() (o Outcome, open bool) {
		var fetched <-chan Outcome
		for ahead := queue; ; {
			select {
			case <-tick:
				idle()
			case ch, more := <-ahead:
				if !more {
					return Outcome{}, false
				}
				fetched, ahead = ch, nil
			case o := <-fetched:
				return o, true
			}
		}
	}
	for {
		o, open := await()
		if !open {
			break
		}
		if !yield(o) || o.Chunk < 0 {
			return
		}
	}
	if err := context.Cause(ctx); err != nil {
		yield(Outcome{Chunk: -1, Err: err})
	}
}
