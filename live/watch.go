package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/grouping"
	"github.com/lambdapool/lambdapool/metrics"
)

// What is kept of a run of any length.
const (
	maxRuns     = 100 // beyond, those that ended first are counted only
	sampleEvery = time.Second
)

// A watch is what a page knows.
type watch struct {
	mu        sync.Mutex
	begun     time.Time
	executors []*lambdapool.Executor // open
	runs      []*run
	gone      int                // runs that are not in runs any more
	inFlight  map[string]pending // by invocation
	drawn     timeline
	failures  grouping.Groups
	totals    totals
	stats     metrics.Totals
	metrics   metrics.Handler
	series    series
	news      chan struct{} // closed and replaced when the state may have changed

	done     chan struct{} // closed by close
	sampled  chan struct{} // closed when sample has returned
	closing  sync.Once
	detached detachedRuns
}

// A run is one Map or stream.
type run struct {
	event lambdapool.RunEvent
	begun time.Time
	ended time.Time // zero: it goes on
	last  lambdapool.Snapshot
	err   string
}

// A pending is an invocation in flight: what of it is shown. Thousands may begin in a second.
type pending struct {
	fn      string
	sent    time.Time
	items   int
	attempt int
	hedge   bool
}

// totals are sums over all invocations that were sent, and calls.
type totals struct {
	invocations, items, cold, throttled, retried, hedged, hedgesWon int64

	failed            int64 // items and calls, for good
	calls             int64 // made with Submit
	bytesOut, bytesIn int64
	billed            time.Duration
	cost              float64
}

func newWatch() *watch {
	begun := time.Now()
	return &watch{
		begun:    begun,
		inFlight: map[string]pending{},
		drawn:    timeline{begun: begun, agents: map[string]int32{}},
		news:     make(chan struct{}),
		done:     make(chan struct{}),
		sampled:  make(chan struct{}),
	}
}

// close ends sample. What has been seen can still be asked for.
func (w *watch) close() {
	w.closing.Do(func() { close(w.done) })
	<-w.sampled
}

// observer returns what executors tell.
func (w *watch) observer() *lambdapool.Observer {
	numbers := w.metrics.Observer()
	return &lambdapool.Observer{
		Opened:   func(e *lambdapool.Executor) { numbers.Opened(e); w.opened(e) },
		Closed:   func(e *lambdapool.Executor) { numbers.Closed(e); w.closed(e) },
		RunStart: w.runStart,
		RunEnd:   w.runEnd,
		CallEnd:  w.callEnd,
		InvocationStart: func(ctx context.Context, r lambdapool.Record) context.Context {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.inFlight[r.ID] = pending{r.Func, r.Sent, r.Items, r.Attempt, r.Hedge}
			w.series.peak = max(w.series.peak, len(w.inFlight))
			return ctx
		},
		InvocationEnd: func(ctx context.Context, r lambdapool.Record, err error) {
			numbers.InvocationEnd(ctx, r, err)
			w.invocationEnd(ctx, r, err)
		},
		Failed: w.failed,
	}
}

func (w *watch) opened(e *lambdapool.Executor) {
	w.stats.Opened(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(w.executors, e) {
		return
	}
	w.executors = append(w.executors, e)
}

func (w *watch) closed(e *lambdapool.Executor) {
	w.stats.Closed(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.executors = slices.DeleteFunc(w.executors, func(other *lambdapool.Executor) bool { return other == e })
}

// A runKey finds a page's own run in a context: a run may have several pages.
type runKey struct{ w *watch }

func (w *watch) runStart(ctx context.Context, event lambdapool.RunEvent) context.Context {
	r := &run{event: event, begun: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.runs) >= maxRuns {
		if i := slices.IndexFunc(w.runs, func(r *run) bool { return !r.ended.IsZero() }); i >= 0 {
			w.runs = slices.Delete(w.runs, i, i+1)
			w.gone++
		}
	}
	w.runs = append(w.runs, r)
	return context.WithValue(ctx, runKey{w}, r)
}

func (w *watch) runEnd(ctx context.Context, event lambdapool.RunEvent, err error) {
	r, _ := ctx.Value(runKey{w}).(*run)
	if r == nil {
		return // its beginning was not heard
	}
	last, why := event.Snapshot(), ""
	if err != nil {
		why = err.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r.ended, r.last, r.event.Snapshot, r.err = time.Now(), last, nil, why
}

func (w *watch) callEnd(_ context.Context, fn string, stats lambdapool.CallStats, err error) {
	var f grouping.Failure
	if err != nil {
		f = failureOf(fn, err)
		f.Attempt, f.RequestID = stats.Attempts, stats.RequestID
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.totals.calls++
	if err != nil {
		w.totals.failed++
		w.failures.Add(f)
	}
}

// failureOf is what is kept of an error. It is called without the lock: the text may be made by the program's code,
// which may wait for what others do who need it.
func failureOf(fn string, err error) grouping.Failure {
	f := grouping.Failure{Func: fn, Text: err.Error()}
	logs := ""
	if pool, ok := errors.AsType[*lambdapool.PoolError](err); ok {
		f.Attempt, f.RequestID, logs = pool.Attempts, pool.RequestID, pool.LogTail
	}
	if own, ok := errors.AsType[*lambdapool.FunctionError](err); ok {
		f.RequestID, logs = own.RequestID, own.LogTail
	}
	if logs != "" {
		f.Logs = strings.Split(strings.TrimRight(logs, "\n"), "\n")
	}
	return f
}

func (w *watch) failed(_ context.Context, fn string, items []*lambdapool.ItemError) {
	failures := make([]grouping.Failure, len(items))
	for i, item := range items {
		failures[i] = failureOf(fn, item.Err)
		failures[i].Item = item.Index + 1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.totals.failed += int64(len(items))
	for _, f := range failures {
		w.failures.Add(f)
	}
}

func (w *watch) invocationEnd(_ context.Context, r lambdapool.Record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inFlight, r.ID)
	if r.Received.IsZero() || r.BytesOut == 0 {
		return // nobody waited for its answer, or it was not sent
	}
	w.totals.add(r)
	w.drawn.add(r, err != nil || r.Failed > 0)
}

func (t *totals) add(r lambdapool.Record) {
	t.invocations++
	t.items += int64(r.Items)
	t.cold += one(r.Cold)
	t.throttled += one(r.Throttle != "")
	t.retried += one(r.Attempt > 1 && !r.Hedge)
	t.hedged += one(r.Hedge)
	t.hedgesWon += one(r.Hedge && r.Won)
	t.bytesOut += int64(r.BytesOut)
	t.bytesIn += int64(r.BytesIn)
	t.billed += r.Billed
	t.cost += r.Cost
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
