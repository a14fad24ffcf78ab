package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
)

const (
	// fetchParallel is how many results are fetched at once.
	fetchParallel = 32

	// fetchPause is from one try to fetch a result to the next, doubled each time up to
	// fetchPauseMax: a store that is down is waited for.
	fetchPause    = 200 * time.Millisecond
	fetchPauseMax = 15 * time.Second
)

// A Follower knows how far a detached run has come: while somebody wants to know, it lists
// the run's objects, all of them with one listing, and no more often than they change.
type Follower struct {
	e     *engine.Executor
	fn    *registry.Function // nil: not known here
	m     *detached.Manifest
	store driver.Store

	base context.Context // ends when the run is closed

	mu      sync.Mutex
	users   int                // who wants to know
	stop    context.CancelFunc // ends the listing; nil: it is ending, or there is none
	listing chan struct{}      // closed when it has ended; nil: there is none
	view    *detached.View     // only the listing goroutine uses it while there is one
	seen    []bool             // chunks in ended
	from    int                // every chunk before is in ended
	ended   []int              // chunks, in the order in which they were seen to be over
	counts  Counts
	news    chan struct{} // closed and replaced when ended, counts or err change
	err     error         // why the run cannot be followed any longer
}

// Counts returns how many calls stand where.
func (f *Follower) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// Counts are calls by where they stand.
type Counts struct{ Queued, Running, Done, Failed, Canceled int }

// NewFollower returns one of the run m of fn's, recorded in s, that follows nothing once ctx has ended. fn is nil
// where it is not known: then nothing is sent again.
func NewFollower(ctx context.Context, e *engine.Executor, fn *registry.Function, m *detached.Manifest, s driver.Store) *Follower {
	return &Follower{
		base: ctx, e: e, fn: fn, m: m, store: s, view: detached.NewView(m), seen: make([]bool, m.Chunks()),
		counts: Counts{Queued: m.Items}, news: make(chan struct{}),
	}
}

// Snapshot returns how far the run has come; sent are the calls that were sent so far, or -1 where all were.
func (f *Follower) Snapshot(sent int, final bool) engine.Snapshot {
	counts := f.Counts()
	s := engine.Snapshot{
		Total: f.m.Items, Items: f.m.Items, Done: counts.Done, Failed: counts.Failed, Canceled: counts.Canceled,
		Running: counts.Running, Queued: counts.Queued, Invocations: f.m.Chunks(), Final: final,
	}
	if sent >= 0 {
		s.Items = min(sent, f.m.Items)
		s.Queued, s.Invocations = s.Items, (s.Items+f.m.Chunk-1)/f.m.Chunk
	}
	return s
}

// use has the run followed until done is called, or the run is closed.
func (f *Follower) use() (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.stop == nil && f.listing != nil { // the last one is ending
		last := f.listing
		f.mu.Unlock()
		<-last
		f.mu.Lock()
	}
	f.users++
	if f.listing == nil && f.err == nil && len(f.ended) < len(f.seen) {
		ctx, cancel := context.WithCancel(f.base)
		ended := make(chan struct{})
		f.stop, f.listing = cancel, ended
		go func() {
			f.list(ctx)
			cancel()
			f.mu.Lock()
			f.stop, f.listing = nil, nil
			f.mu.Unlock()
			close(ended)
		}()
	}
	return sync.OnceFunc(func() {
		f.mu.Lock()
		ended := f.listing
		if f.users--; f.users == 0 && f.stop != nil {
			f.stop()
			f.stop = nil
		} else {
			ended = nil
		}
		f.mu.Unlock()
		if ended != nil {
			<-ended
		}
	})
}

// list brings the view up to date again and again, until all is over or ctx ends.
func (f *Follower) list(ctx context.Context) {
	var poll detached.Poll
	down := false
	for {
		began := time.Now()
		now, err := listRun(ctx, f.store, f.view, f.start())
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = f.settle(ctx, now)
		}
		changed := false
		switch {
		case err == nil:
			changed, down = f.publish(), false
		case permanent(err):
			f.fail(payload.Failure("follow run "+f.m.ID, driver.OutcomeUnknown, err))
			return
		case !down:
			down = true
			f.e.Ground().Logger.Warn("lambdapool: the object store does not answer; waiting for it", "run", f.m.ID, "error", err)
		}
		if f.over() {
			return
		}
		select {
		case <-time.After(poll.Next(changed, time.Since(began))):
		case <-ctx.Done():
			return
		}
	}
}

// permanent reports whether the store will not do better another time.
func permanent(err error) bool {
	var known *driver.InvokeError
	return errors.As(err, &known) && known.Permanent || errors.Is(err, driver.ErrClosed)
}

func (f *Follower) start() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.from
}

func (f *Follower) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ended) == len(f.seen)
}

// settle ends what the platform will not: each such chunk gets a result that says so, which
// is then what every client sees.
func (f *Follower) settle(ctx context.Context, now time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for n := f.start(); n < f.view.Len(); n++ {
		c := f.view.Chunk(n)
		verdict := f.m.Judge(c, now)
		if c.Over() {
			continue
		}
		if verdict == detached.Wait {
			if f.fn != nil && c.Rests > 0 && c.State == detached.Queued && now.Sub(c.Asked) >= restPatience {
				g.Go(func() error { return f.sendRest(ctx, n, c, now) })
			}
			continue
		}
		g.Go(func() error {
			if verdict == detached.Late {
				_, err := f.end(ctx, n, c, detached.MarkExpired, &codec.Error{
					Kind: codec.KindExpired,
					Message: fmt.Sprintf("no agent has begun it within %v: the platform dropped it, or it was never sent",
						f.m.StartBy.Sub(f.m.Created)),
					Hint: "see the function's concurrency and errors; StartWithin allows more time, up to what the platform keeps",
				})
				return err
			}
			mark := codec.MarkFailed + "." + detached.FailedWord(f.left(n, c), f.e.Ground().Prefix)
			return f.record(ctx, n, c.Rests, mark, lost(f.m, c))
		})
	}
	return g.Wait()
}

// lost is what is known of a chunk whose agents have died.
func lost(m *detached.Manifest, c *detached.Chunk) *codec.Error {
	e := &codec.Error{
		Kind: codec.KindLost,
		Message: fmt.Sprintf("an agent began it at %s and never finished: it crashed, or was killed",
			c.Started.UTC().Format(time.RFC3339)),
		Hint: "see the function's log of that time",
	}
	if c.Deliveries > 1 {
		e.Message = fmt.Sprintf("%d agents began it, the last at %s, and none finished: they crashed, or were killed",
			c.Deliveries, c.Last.UTC().Format(time.RFC3339))
	}
	if m.Once {
		e.Hint += "; register it as Idempotent to have it run again"
	}
	return e
}

// left is how many calls of a chunk have not ended, while it is not over.
func (f *Follower) left(chunk int, c *detached.Chunk) int {
	first, end := f.m.Span(chunk)
	left, _ := c.Left(end - first)
	return left
}

// end claims what no agent has begun of a chunk, and records err as its result. It reports
// whether an agent was faster.
func (f *Follower) end(ctx context.Context, chunk int, c *detached.Chunk, mark string, err *codec.Error) (begun bool, _ error) {
	claim, marshal := json.Marshal(codec.Claim{At: time.Now().UTC()})
	if marshal != nil {
		return false, marshal
	}
	created, failed := createObject(ctx, f.store, detached.ChunkKey(f.m.ID, chunk, detached.TurnName(detached.Claim, c.Rests)), claim)
	if failed != nil || !created {
		return failed == nil, failed
	}
	return false, f.record(ctx, chunk, c.Rests, fmt.Sprintf("%s.%d", mark, f.left(chunk, c)), err)
}

// record makes err the result of what so many turns have left of a chunk, unless it has a result. Whoever
// sees that sees the mark.
func (f *Follower) record(ctx context.Context, chunk, turn int, mark string, err *codec.Error) error {
	body, failed := codec.EncodeReply(&codec.Reply{ID: f.m.ID, Turn: turn, Err: err})
	if failed != nil {
		return failed
	}
	markKey := detached.ChunkKey(f.m.ID, chunk, mark)
	if failed := putObject(ctx, f.store, markKey, nil); failed != nil {
		return failed
	}
	created, failed := createObject(ctx, f.store, detached.ChunkKey(f.m.ID, chunk, detached.Result), body)
	if failed != nil || created {
		return failed
	}
	return f.store.Delete(ctx, markKey) // another's result is the first
}

// publish tells of the chunks that are over since the last time, and reports whether anything
// is new.
func (f *Follower) publish() (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := Counts{}
	for n := range f.view.Len() {
		c := f.view.Chunk(n)
		first, end := f.m.Span(n)
		size, before := c.Left(end - first)
		counts.Done, counts.Failed = counts.Done+end-first-size-before, counts.Failed+before
		switch {
		case c.Over():
			if failed := failedOf(c, size); c.State == detached.Canceled {
				counts.Canceled += size
			} else {
				counts.Done, counts.Failed = counts.Done+size-failed, counts.Failed+failed
			}
			if !f.seen[n] {
				f.seen[n] = true
				f.ended = append(f.ended, n)
			}
		case c.State == detached.Running:
			counts.Running += size
		default:
			counts.Queued += size
		}
	}
	for f.from < len(f.seen) && f.seen[f.from] {
		f.from++
	}
	changed = counts != f.counts
	f.counts = counts
	if changed {
		f.tell()
	}
	return changed
}

// failedOf is how many of the calls that a chunk's state is about have no value.
func failedOf(c *detached.Chunk, size int) int {
	if c.State == detached.Expired || c.State == detached.Canceled {
		return size
	}
	return min(c.Failed, size)
}

// tell wakes who waits for news. f.mu is held.
func (f *Follower) tell() {
	close(f.news)
	f.news = make(chan struct{})
}

func (f *Follower) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.tell()
}

// next waits until more chunks than seen are over, and returns those. Without any it
// is the end of the run.
func (f *Follower) next(ctx context.Context, seen int) ([]int, error) {
	for {
		f.mu.Lock()
		ended, err, news := f.ended, f.err, f.news
		f.mu.Unlock()
		if len(ended) > seen || seen == len(f.seen) {
			return slices.Clone(ended[seen:]), nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.base.Done():
			return nil, f.base.Err()
		}
	}
}

// CancelQueued ends every chunk that no agent has begun, and returns how many calls those are.
func (f *Follower) CancelQueued(ctx context.Context) (calls int, err error) {
	view := detached.NewView(f.m)
	if _, err := listRun(ctx, f.store, view, 0); err != nil {
		return 0, err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for n := range view.Len() {
		c := view.Chunk(n)
		if c.Over() || c.State == detached.Running {
			continue
		}
		g.Go(func() error {
			begun, err := f.end(ctx, n, c, detached.MarkCanceled, &codec.Error{
				Kind: codec.KindCanceled, Message: "the run was canceled before an agent began the call",
			})
			if err == nil && !begun {
				mu.Lock()
				calls += f.left(n, c)
				mu.Unlock()
			}
			return err
		})
	}
	return calls, g.Wait()
}
