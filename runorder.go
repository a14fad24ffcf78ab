package lambdapool

import (
	"context"
	"iter"
	"time"

	"github.com/lambdapool/lambdapool/internal/detached"
)

// InOrder is [Run.Results] in the order of the input: of what ends out of turn no more than a few
// dozen invocations' results are fetched ahead.
func (r *Run[R]) InOrder(ctx context.Context) iter.Seq[Result[R]] {
	return r.results(ctx, func(yield func(outcome) bool) {
		done := r.use()
		defer done()
		report := r.report()
		report(-1, false)
		defer report(-1, true)
		r.ordered(ctx, func(ctx context.Context, n int) (int, error) {
			return n, r.wait(ctx, n)
		}, func() { report(-1, false) }, yield)
	})
}

// Recorded yields in the order of the input what has become of the calls that have ended, and
// waits for no other: one listing, and the results it shows. It ends as [Run.Results] does when it
// cannot go on.
func (r *Run[R]) Recorded(ctx context.Context) iter.Seq[Result[R]] {
	return r.results(ctx, func(yield func(outcome) bool) {
		f := newFollower(r.base, r.e, r.fn, r.m, r.store)
		if err := f.look(ctx); err != nil {
			yield(outcome{chunk: -1, err: storeFailure("list run "+r.m.ID, OutcomeUnknown, err)})
			return
		}
		f.ordered(ctx, func(_ context.Context, n int) (int, error) {
			for n < len(f.view.Chunks) && !f.view.Chunks[n].Over() {
				n++
			}
			return n, nil
		}, nil, yield)
	})
}

// look lists the run once, and ends what the platform will not.
func (f *follower) look(ctx context.Context) error {
	now, err := listRun(ctx, f.store, f.view, 0)
	if err != nil {
		return err
	}
	for n := range f.view.Chunks {
		if c := &f.view.Chunks[n]; c.Over() || f.m.Judge(c, now) == detached.Wait {
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
func (f *follower) wait(ctx context.Context, n int) error {
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
func (f *follower) ordered(ctx context.Context, next func(ctx context.Context, n int) (int, error), idle func(), yield func(outcome) bool) {
	ctx, cancel := context.WithCancel(ctx)
	queue := make(chan chan outcome, fetchParallel) // whose length bounds what is fetched ahead
	go func() {
		defer close(queue)
		for n := 0; n < f.m.Chunks(); n++ {
			var err error
			fetched := make(chan outcome, 1)
			if n, err = next(ctx, n); err != nil {
				fetched <- outcome{chunk: -1, err: err}
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
			go func() { fetched <- f.fetch(ctx, n) }()
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
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	await := func() (o outcome, open bool) {
		var fetched <-chan outcome
		for ahead := queue; ; {
			select {
			case <-tick:
				idle()
			case ch, more := <-ahead:
				if !more {
					return outcome{}, false
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
		if !yield(o) || o.chunk < 0 {
			return
		}
	}
	if err := context.Cause(ctx); err != nil {
		yield(outcome{chunk: -1, err: err})
	}
}
