package lambdapool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/detached"
)

const (
	// fetchParallel is how many results are fetched at once.
	fetchParallel = 32

	// fetchPause is from one try to fetch a result to the next, doubled each time up to
	// fetchPauseMax: a store that is down is waited for.
	fetchPause    = 200 * time.Millisecond
	fetchPauseMax = 15 * time.Second
)

// A follower knows how far a detached run has come: while somebody wants to know, it lists
// the run's objects, all of them with one listing, and no more often than they change.
type follower struct {
	e     *Executor
	fn    *Function // nil: not known here
	m     *detached.Manifest
	store Store

	base context.Context // ends when the run is closed

	mu      sync.Mutex
	users   int                // who wants to know
	stop    context.CancelFunc // ends the listing; nil: it is ending, or there is none
	listing chan struct{}      // closed when it has ended; nil: there is none
	view    *detached.View     // only the listing goroutine uses it while there is one
	seen    []bool             // chunks in ended
	from    int                // every chunk before is in ended
	ended   []int              // chunks, in the order in which they were seen to be over
	counts  runCounts
	news    chan struct{} // closed and replaced when ended, counts or err change
	err     error         // why the run cannot be followed any longer
}

// runCounts are calls by where they stand.
type runCounts struct{ queued, running, done, failed int }

func newFollower(ctx context.Context, e *Executor, fn *Function, m *detached.Manifest, s Store) *follower {
	return &follower{
		base: ctx, e: e, fn: fn, m: m, store: s, view: detached.NewView(m), seen: make([]bool, m.Chunks()),
		counts: runCounts{queued: m.Items}, news: make(chan struct{}),
	}
}

// use has the run followed until done is called, or the run is closed.
func (f *follower) use() (done func()) {
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
func (f *follower) list(ctx context.Context) {
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
			f.fail(storeFailure("follow run "+f.m.ID, OutcomeUnknown, err))
			return
		case !down:
			down = true
			f.e.logger.Warn("lambdapool: the object store does not answer; waiting for it", "run", f.m.ID, "error", err)
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
	var known *InvokeError
	return errors.As(err, &known) && known.Permanent || errors.Is(err, ErrClosed)
}

func (f *follower) start() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.from
}

func (f *follower) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ended) == len(f.seen)
}

// settle ends what the platform will not: each such chunk gets a result that says so, which
// is then what every client sees.
func (f *follower) settle(ctx context.Context, now time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for n := f.start(); n < len(f.view.Chunks); n++ {
		c := &f.view.Chunks[n]
		verdict := f.m.Judge(c, now)
		if c.Over() || verdict == detached.Wait {
			continue
		}
		g.Go(func() error {
			if verdict == detached.Late {
				_, err := f.end(ctx, n, detached.MarkExpired, &codec.Error{
					Kind: codec.KindExpired,
					Message: fmt.Sprintf("no agent has begun it within %v: the platform dropped it, or it was never sent",
						f.m.StartBy.Sub(f.m.Created)),
					Hint: "see the function's concurrency and errors; StartWithin allows more time, up to what the platform keeps",
				})
				return err
			}
			first, end := f.m.Span(n)
			mark := codec.MarkFailed + "." + detached.FailedWord(end-first, f.e.prefix)
			return f.record(ctx, n, mark, lost(f.m, c))
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

// end claims a chunk that no agent has begun, and records err as its result. It reports
// whether an agent was faster.
func (f *follower) end(ctx context.Context, chunk int, mark string, err *codec.Error) (begun bool, _ error) {
	claim, marshal := json.Marshal(codec.Claim{At: time.Now().UTC()})
	if marshal != nil {
		return false, marshal
	}
	created, failed := createObject(ctx, f.store, detached.ChunkKey(f.m.ID, chunk, detached.Claim), claim)
	if failed != nil || !created {
		return failed == nil, failed
	}
	first, end := f.m.Span(chunk)
	return false, f.record(ctx, chunk, fmt.Sprintf("%s.%d", mark, end-first), err)
}

// record makes err the result of a chunk, unless it has one. Whoever sees that sees the mark.
func (f *follower) record(ctx context.Context, chunk int, mark string, err *codec.Error) error {
	body, failed := codec.EncodeReply(&codec.Reply{ID: f.m.ID, Err: err})
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
func (f *follower) publish() (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := runCounts{}
	for n := range f.view.Chunks {
		c := &f.view.Chunks[n]
		first, end := f.m.Span(n)
		size := end - first
		switch {
		case c.Over():
			counts.done += size
			counts.failed += failedOf(c, size)
			if !f.seen[n] {
				f.seen[n] = true
				f.ended = append(f.ended, n)
			}
		case c.State == detached.Running:
			counts.running += size
		default:
			counts.queued += size
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

// failedOf is how many of a chunk's calls have no value.
func failedOf(c *detached.Chunk, size int) int {
	if c.State == detached.Expired || c.State == detached.Canceled {
		return size
	}
	return min(c.Failed, size)
}

// tell wakes who waits for news. f.mu is held.
func (f *follower) tell() {
	close(f.news)
	f.news = make(chan struct{})
}

func (f *follower) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.tell()
}

// next waits until more chunks than seen are over, and returns those. Without any it
// is the end of the run.
func (f *follower) next(ctx context.Context, seen int) ([]int, error) {
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

// An outcome is what became of a chunk.
type outcome struct {
	chunk   int
	replies []itemReply // one for each of its calls
	agent   codec.AgentStats
	size    int   // bytes of the result
	err     error // it cannot be had
}

// outcomes yields what became of each chunk, as they end, a few fetched ahead. When the run
// cannot be followed any longer, or ctx ends, an outcome of chunk -1 says why, and is the last.
// report is called meanwhile, by the consumer's goroutine.
func (f *follower) outcomes(ctx context.Context, report func(sent int, final bool)) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		out := make(chan outcome)
		var fetchers errgroup.Group
		fetchers.SetLimit(fetchParallel)
		done := f.use()
		defer done()
		go func() {
			defer close(out)
			deliver := func(o outcome) {
				select {
				case out <- o:
				case <-ctx.Done():
				}
			}
			var last error
			for seen := 0; ; {
				chunks, err := f.next(ctx, seen)
				if last = err; err != nil || len(chunks) == 0 {
					break
				}
				for _, n := range chunks {
					fetchers.Go(func() error {
						deliver(f.fetch(ctx, n))
						return nil
					})
				}
				seen += len(chunks)
			}
			_ = fetchers.Wait() // they return no errors
			if last != nil {
				deliver(outcome{chunk: -1, err: last})
			}
		}()
		defer func() {
			cancel()
			for range out { // until nothing runs any more
			}
		}()
		report(-1, false)
		defer report(-1, true)
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for open := true; open; {
			var o outcome
			select {
			case <-ticker.C:
				report(-1, false)
				continue
			case o, open = <-out:
			}
			if open && !yield(o) {
				return
			}
		}
		if err := context.Cause(ctx); err != nil {
			yield(outcome{chunk: -1, err: err})
		}
	}
}

// fetch reads what became of a chunk. It waits for a store that does not answer.
func (f *follower) fetch(ctx context.Context, chunk int) outcome {
	o := outcome{chunk: chunk}
	for pause := fetchPause; ; pause = min(2*pause, fetchPauseMax) {
		reply, size, err := f.open(ctx, chunk)
		if err == nil {
			o.agent, o.size = reply.Agent, size
			o.replies, o.err = f.replies(chunk, reply)
			return o
		}
		var wrong *codec.FrameError
		switch {
		case errors.As(err, &wrong):
			o.err = &InvokeError{Outcome: OutcomeRan, Kind: ErrDecode, Err: err, Hint: "was the object changed, or made by a newer version of lambdapool?"}
		case errors.Is(err, fs.ErrNotExist), permanent(err), ctx.Err() != nil:
			o.err = storeFailure("fetch the result", OutcomeRan, err)
		default:
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		return o
	}
}

func (f *follower) open(ctx context.Context, chunk int) (*codec.Reply, int, error) {
	body, size, err := f.store.Open(ctx, detached.ChunkKey(f.m.ID, chunk, detached.Result))
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	if size > codec.MaxStored {
		return nil, 0, &codec.FrameError{Reason: fmt.Sprintf("the result has %d bytes, at most %d are read", size, codec.MaxStored)}
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, 0, err
	}
	reply, err := codec.DecodeReply(data)
	return reply, len(data), err
}

// replies takes a reply apart.
func (f *follower) replies(chunk int, reply *codec.Reply) ([]itemReply, error) {
	if reply.Err != nil {
		return nil, f.e.refusal(f.fn, reply.Err, reply.Agent.RequestID)
	}
	first, end := f.m.Span(chunk)
	if len(reply.Items) != end-first {
		return nil, &InvokeError{Outcome: OutcomeRan, Kind: ErrDecode, Err: fmt.Errorf("the result is of %d calls, the invocation had %d", len(reply.Items), end-first)}
	}
	replies := make([]itemReply, len(reply.Items))
	for i := range reply.Items {
		replies[i].value, replies[i].own = reply.Items[i].Value, len(replies) == 1
		if wire := reply.Items[i].Err; wire != nil {
			replies[i].err = f.e.itemError(f.fn, wire, reply.Agent.RequestID)
		}
	}
	return replies, nil
}

// cancelQueued ends every chunk that no agent has begun, and returns how many calls those are.
func (f *follower) cancelQueued(ctx context.Context) (calls int, err error) {
	view := detached.NewView(f.m)
	if _, err := listRun(ctx, f.store, view, 0); err != nil {
		return 0, err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for n := range view.Chunks {
		if c := &view.Chunks[n]; c.Over() || c.State == detached.Running {
			continue
		}
		g.Go(func() error {
			begun, err := f.end(ctx, n, detached.MarkCanceled, &codec.Error{
				Kind: codec.KindCanceled, Message: "the run was canceled before an agent began the call",
			})
			if err == nil && !begun {
				first, end := f.m.Span(n)
				mu.Lock()
				calls += end - first
				mu.Unlock()
			}
			return err
		})
	}
	return calls, g.Wait()
}
