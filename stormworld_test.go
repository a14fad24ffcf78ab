package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A storm is the world that one seed makes: an executor, a platform that fails at random,
// hooks that misbehave, and a ledger of what the functions did.
type storm struct {
	seed    uint64
	e       *lambdapool.Executor
	once    *lambdapool.Func[job, int]
	often   *lambdapool.Func[job, int]
	retries bool          // errors of functions may be tried again
	release chan struct{} // closed at the end: what blocks returns
	price   time.Duration // what the platform bills an invocation for, at 1 GB

	mu     sync.Mutex
	random *rand.Rand
	next   int          // id of the next job
	ran    map[int]*run // by job
	faults []string

	disturbed time.Time // until when a hook sleeps
}

// A job is the argument of a call.
type job struct {
	ID    int
	Takes time.Duration
	How   int
}

// How a job ends.
const (
	returns = iota
	fails
	panics
	exits
	ignores // its context
	kinds
)

var errStorm = errors.New("storm")

// chance is true in about p of 1 cases.
func (s *storm) chance(p float64) bool { return s.float() < p }

func (s *storm) float() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Float64()
}

func (s *storm) below(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *storm) pause(most time.Duration) time.Duration {
	return time.Duration(s.float() * float64(most))
}

// fault notes what must not be.
func (s *storm) faultf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// jobs makes n new ones.
func (s *storm) jobs(n int, calm bool) []job {
	jobs := make([]job, n)
	slow := s.pause(2 * time.Second)
	for i := range jobs {
		how := returns
		if !calm && s.chance(0.1) {
			how = s.below(kinds)
		}
		takes := time.Duration(0)
		if s.chance(0.7) {
			takes = s.pause(slow)
		}
		s.mu.Lock()
		s.next++
		jobs[i] = job{ID: s.next, Takes: takes, How: how}
		s.ran[s.next] = &run{}
		s.mu.Unlock()
	}
	return jobs
}

// do is the function of all jobs.
func (s *storm) do(ctx context.Context, j job) (int, error) {
	s.mu.Lock()
	r := s.ran[j.ID]
	r.times++
	r.last = time.Now()
	if r.already {
		s.faults = append(s.faults, fmt.Sprintf("job %d ran although its end was recorded", j.ID))
	}
	s.mu.Unlock()
	switch j.How {
	case ignores:
		time.Sleep(j.Takes)
	default:
		if err := rest(ctx, j.Takes); err != nil {
			return 0, err
		}
	}
	switch j.How {
	case fails:
		return 0, errStorm
	case panics:
		panic("storm")
	case exits:
		runtime.Goexit()
	}
	return 2 * j.ID, nil
}

// rest waits for d, or for the end of ctx and returns its error. It makes no timer that is due at
// once, and does without the channel of one: with the race detector on, Go 1.26 crashes when two
// goroutines of a synctest bubble run timers that are due, because both then use the one race
// context of the bubble's timers.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	over := make(chan struct{})
	defer time.AfterFunc(d, func() { close(over) }).Stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// times is how often a job ran.
func (s *storm) times(j job) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ran[j.ID].times
}

// misbehave is a hook that does its work, and sometimes other things.
func (s *storm) misbehave() {
	if s.chance(0.97) {
		return
	}
	switch s.below(4) {
	case 0:
		panic("hook")
	case 1:
		runtime.Goexit()
	case 2:
		d := s.pause(20 * time.Second)
		s.mu.Lock()
		if until := time.Now().Add(d); until.After(s.disturbed) {
			s.disturbed = until
		}
		s.mu.Unlock()
		time.Sleep(d)
	case 3:
		s.e.Stats() // hooks may look
	}
}

// RetryFunctionError, Record, Enabled and Handle are hooks of the executor.
func (s *storm) wanted(*lambdapool.FunctionError) bool {
	s.misbehave()
	return s.chance(0.5)
}

type stormRecorder struct{ s *storm }

func (r stormRecorder) Record(lambdapool.Record) { r.s.misbehave() }

// observer returns one whose functions do what they must not.
func (s *storm) observer() *lambdapool.Observer {
	start := func(ctx context.Context) context.Context {
		s.misbehave()
		if s.chance(0.2) {
			return nil
		}
		return context.WithValue(ctx, s, true)
	}
	return &lambdapool.Observer{
		RunStart: func(ctx context.Context, _ lambdapool.RunEvent) context.Context { return start(ctx) },
		RunEnd: func(_ context.Context, r lambdapool.RunEvent, _ error) {
			if snapshot := r.Snapshot(); !snapshot.Final || snapshot.Running+snapshot.Queued > 0 {
				s.faultf("a run has ended, says its observer: %+v", snapshot)
			}
			s.misbehave()
		},
		CallStart:       func(ctx context.Context, _ string) context.Context { return start(ctx) },
		CallEnd:         func(context.Context, string, lambdapool.CallStats, error) { s.misbehave() },
		InvocationStart: func(ctx context.Context, _ lambdapool.Record) context.Context { return start(ctx) },
		InvocationEnd:   func(context.Context, lambdapool.Record, error) { s.misbehave() },
		Failed:          func(context.Context, string, []*lambdapool.ItemError) { s.misbehave() },
	}
}

type stormLog struct {
	slog.Handler

	s *storm
}

func (l stormLog) Enabled(context.Context, slog.Level) bool { return true }

func (l stormLog) Handle(context.Context, slog.Record) error {
	l.s.misbehave()
	return nil
}

// A stormSky is a platform where everything happens that can.
type stormSky struct {
	*inproc.Backend

	s       *storm
	calm    atomic.Bool
	price   time.Duration // an invocation is billed for
	latency time.Duration // of an invocation, at most

	mu   sync.Mutex
	last *lambdapool.Response
}

func (b *stormSky) Limits() lambdapool.Limits {
	l := b.Backend.Limits()
	l.Timeout = time.Minute
	return l
}

func (b *stormSky) Invoke(ctx context.Context, req *lambdapool.Request) (response *lambdapool.Response, err error) {
	s := b.s
	sent := s.sending(req)
	defer func() { s.landed(sent, response, err) }()
	if b.calm.Load() || s.chance(0.6) {
		return b.run(ctx, req)
	}
	notRun := func(kind error, wait time.Duration) error {
		return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: kind, Err: errStorm, RetryAfter: wait}
	}
	switch s.below(13) {
	case 0:
		return nil, notRun(lambdapool.ErrThrottled, s.pause(3*time.Second))
	case 1:
		return nil, notRun(nil, 0)
	case 2: // lost before it ran, and nobody knows
		time.Sleep(s.pause(time.Second))
		return nil, errStorm
	case 3: // lost after it ran
		_, _ = b.run(ctx, req)
		return nil, errStorm
	case 4: // crashed while it ran, or before
		if s.chance(0.5) {
			_, _ = b.run(ctx, req)
		}
		return nil, &lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrAgentCrashed, Err: errStorm, Response: &lambdapool.Response{Billed: b.price, MemoryLimit: 1 << 30}}
	case 5: // timed out
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
		}
		return nil, &lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrTimeout, Err: errStorm}
	case 6: // late, whatever ctx says
		r, err := b.run(ctx, req)
		time.Sleep(s.pause(5 * time.Second))
		return r, err
	case 7: // garbage
		if r, err := b.run(ctx, req); err == nil {
			r.Payload = slices.Clone(r.Payload)
			r.Payload[s.below(len(r.Payload))] ^= 0xff
			return r, nil
		}
		return nil, errStorm
	case 8: // another's reply
		r, err := b.run(ctx, req)
		b.mu.Lock()
		defer b.mu.Unlock()
		last := b.last
		if err == nil {
			b.last = r
		}
		if last != nil {
			return last, nil
		}
		return r, err
	case 9: // an agent that has no time for all of it
		return b.partly(ctx, sent, req)
	case 10:
		panic("backend")
	case 11:
		runtime.Goexit()
	}
	return nil, nil //nolint:nilnil // a backend that says nothing at all
}

func (b *stormSky) run(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	if b.latency > 0 {
		time.Sleep(b.s.pause(b.latency))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r, err := b.Backend.Invoke(ctx, req)
	if err == nil {
		r.Billed, r.MemoryLimit = b.price, 1<<30
	}
	return r, err
}

// A stormJournal keeps items in memory.
type stormJournal struct {
	s       *storm
	mu      sync.Mutex
	entries map[int]lambdapool.JournalEntry
}

func (j *stormJournal) Open(lambdapool.JournalRun) (lambdapool.JournalLog, error) {
	j.s.misbehave()
	return j, nil
}

func (j *stormJournal) Next(from int) (lambdapool.JournalEntry, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	least, found := 0, false
	for i := range j.entries {
		if i >= from && (!found || i < least) {
			least, found = i, true
		}
	}
	return j.entries[least], found, nil
}

func (j *stormJournal) Commit(groups [][]lambdapool.JournalEntry) error {
	j.s.misbehave()
	if j.s.chance(0.01) {
		return errStorm
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range slices.Concat(groups...) {
		e.Data = slices.Clone(e.Data)
		j.entries[e.Index] = e
	}
	return nil
}

func (j *stormJournal) Close() error {
	j.s.misbehave()
	return nil
}
