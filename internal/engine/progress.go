package engine

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Snapshot is what lambdapool.Snapshot says, which has the docs of the fields and converts to and from it.
type Snapshot struct {
	Func  string
	Total int
	Items int

	Done     int
	Failed   int
	Canceled int
	Skipped  int
	Running  int
	Queued   int

	Invocations int
	Retried     int
	Throttled   int
	Hedged      int
	ColdStarts  int

	Elapsed time.Duration
	Rate    float64
	ETA     time.Duration

	Billed    time.Duration
	GBSeconds float64
	Cost      float64

	Final bool
}

// ReportInterval is how often who waits for a run is told of it.
const ReportInterval = 100 * time.Millisecond

// A Reporter tells the program how far a run has come.
type Reporter struct {
	e     *Executor
	ctx   context.Context // of the run
	fn    *registry.Function
	to    []func(Snapshot)
	turn  chan struct{} // full while to is called: reporters that share to share it, too
	begun time.Time
	rate  schedule.Rate
	last  *Snapshot // of a run that is over
}

// NewReporter returns one that calls each of to, whatever these do.
func NewReporter(ctx context.Context, e *Executor, fn *registry.Function, to []func(Snapshot), turn chan struct{}) *Reporter {
	return &Reporter{e: e, ctx: ctx, fn: fn, to: to, turn: turn, begun: time.Now()}
}

// Report completes s by what only time tells. It blocks while another reporter's call goes on.
func (r *Reporter) Report(s Snapshot) {
	r.turn <- struct{}{} // no mutex: virtual time stands still while one is waited for
	defer func() { <-r.turn }()
	r.time(&s)
	for i, f := range r.to {
		if f == nil {
			continue
		}
		returned := make(chan struct{})
		_, err := contain.Value(r.ctx, "Progress", nil, func() (struct{}, error) {
			defer close(returned)
			f(s)
			return struct{}{}, nil
		})
		if err == nil {
			continue
		}
		_ = r.e.Complain(s.Func, err) // nobody else hears of it
		select {
		case <-returned:
		default: // it still runs, and must not run twice at once
			r.to[i] = nil
		}
	}
}

// time completes s by what only time tells.
func (r *Reporter) time(s *Snapshot) {
	now := time.Now()
	s.Func, s.Elapsed, s.Rate = r.fn.Name(), now.Sub(r.begun), r.rate.Observe(now, s.Done+s.Failed)
	switch left := s.Total - s.Done - s.Failed - s.Canceled; {
	case left == 0 || s.Final && s.Total < 0:
		s.ETA = 0
	case left > 0 && s.Rate > 0 && !s.Final:
		s.ETA = time.Duration(float64(left) / s.Rate * float64(time.Second))
	default:
		s.ETA = -1
	}
}

// Look returns what look says now, completed; once the run is over, always what it said then. It may be called
// concurrently.
func (r *Reporter) Look(look func(final bool) Snapshot, over bool) Snapshot {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	if r.last != nil {
		return *r.last
	}
	s := look(over)
	s.Final = over
	r.time(&s)
	if over {
		r.last = &s
	}
	return s
}

// Watch reports what look says until the returned function is called, which reports
// for the last time.
func (r *Reporter) Watch(look func(final bool) Snapshot) (stop func()) {
	r.Report(look(false))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(ReportInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.Report(look(false))
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		last := look(true)
		last.Final = true
		r.Report(last)
	}
}

// Snapshot returns how far the run has come. total is that of the input, or -1; said is what the caller says that
// it is, or nil. With every, each item of total has ended, those that were never taken in too.
func (f *Feed) Snapshot(total int, said *int, every bool) Snapshot {
	whole := f.Whole()
	sums := f.lane.Sums()
	pulled := f.Pulled() // afterwards: what is counted was taken in before
	s := Snapshot{
		Total: total, Items: pulled,
		Done: sums.Done, Failed: sums.Failed, Canceled: sums.Canceled, Skipped: sums.Skipped, Running: sums.Running,
		Invocations: sums.Invocations, Retried: sums.Retried, Throttled: sums.Throttled, Hedged: sums.Hedged, ColdStarts: sums.ColdStarts,
		Billed: sums.Billed, GBSeconds: sums.GBSeconds, Cost: sums.Cost,
	}
	if said != nil && total < 0 {
		s.Total = max(*said, pulled) // it may have said too few …
		if whole {
			s.Total = pulled // … or too many
		}
	}
	left := max(0, s.Items-s.Done-s.Failed-s.Canceled)
	s.Running = max(0, min(s.Running, left)) // items leave a chunk one by one
	s.Queued = left - s.Running
	if every {
		s.Canceled += s.Total - s.Items
		s.Items = s.Total
	}
	return s
}
