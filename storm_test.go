package lambdapool_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

var (
	stormSeed = flag.Uint64("storm.seed", 1, "first seed of TestStorm")
	stormFor  = flag.Duration("storm.for", 0, "how long TestStorm makes storms; 0: stormSeeds of them")
)

// stormSeeds is how many storms a plain `go test` makes: a few seconds.
const stormSeeds = 25

// stormPatience is how long one storm may take of the machine's time. A lock that is held
// for ever stops virtual time as well.
const stormPatience = 2 * time.Minute

// Everything happens at once: calls, runs, cancels, timeouts, refusals, crashes, lost and late
// replies, hedges, budgets, journals, hooks that panic, end their goroutine or are slow, and
// Close. Every call ends exactly once, with what its function did; the executor becomes idle
// and keeps nothing; what it counts adds up. A seed makes the same storm again, but for what
// real goroutines do at the same moment.
func TestStorm(t *testing.T) {
	began := time.Now()
	for n := 0; ; n++ {
		seed := *stormSeed + uint64(n)
		if *stormFor == 0 && n == stormSeeds || *stormFor > 0 && time.Since(began) > *stormFor {
			t.Logf("%d storms, from seed %d, in %v", n, *stormSeed, time.Since(began).Round(time.Second))
			return
		}
		dog := time.AfterFunc(stormPatience, func() {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "storm: seed %d stands still\n%s\n", seed, stacks[:runtime.Stack(stacks, true)])
			if s := stormNow.Load(); s != nil { // without a lock that may be held it would be the first to say
				fmt.Fprintf(os.Stderr, "the executor holds %v\n", s.e.Kept())
			}
			os.Exit(1)
		})
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { weather(t, seed) })
		})
		dog.Stop()
		if !ok {
			t.Fatalf("repeat with: go test . -run TestStorm -args -storm.seed=%d (after %d storms, %v)", seed, n, time.Since(began).Round(time.Millisecond))
		}
	}
}

// stormNow is the storm that goes on.
var stormNow atomic.Pointer[storm]

// weather makes the storm of a seed and judges it.
func weather(t *testing.T, seed uint64) {
	s := &storm{seed: seed, random: rand.New(rand.NewPCG(seed, 9)), ran: map[int]*run{}, release: make(chan struct{})}
	s.price = s.pause(3 * time.Second)
	registry := lambdapool.NewRegistry()
	s.once = lambdapool.RegisterIn(registry, "once", s.do)
	s.often = lambdapool.RegisterIn(registry, "often", s.do, lambdapool.Idempotent())
	sky := &stormSky{Backend: inproc.New(), s: s, price: s.price}
	if s.chance(0.5) { // otherwise all happens in the same moment, on all of the machine's cores
		sky.latency = 50 * time.Millisecond
	}
	opts := []lambdapool.Option{
		lambdapool.WithRegistry(registry), lambdapool.WithWorkers(1 + s.below(8)), lambdapool.WithRecorder(stormRecorder{s}),
		lambdapool.WithLogger(slog.New(stormLog{slog.DiscardHandler, s})),
	}
	if s.chance(0.5) {
		opts = append(opts, lambdapool.WithTimeout(100*time.Millisecond+s.pause(30*time.Second)))
	}
	if s.chance(0.5) {
		opts = append(opts, lambdapool.WithHedging(lambdapool.Hedging{Quantile: 0.5, MinSamples: 3, Budget: 0.5}))
	}
	if s.chance(0.5) {
		opts = append(opts, lambdapool.WithObserver(s.observer()))
	}
	if s.retries = s.chance(0.3); s.retries {
		opts = append(opts, lambdapool.WithRetry(lambdapool.RetryPolicy{RetryFunctionError: s.wanted}))
	}
	e, err := lambdapool.New(sky, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.e = e
	stormNow.Store(s)
	var actors sync.WaitGroup
	for range 2 + s.below(5) {
		actors.Go(func() {
			for range 2 + s.below(6) {
				s.act(t.Context())
				time.Sleep(s.pause(time.Second))
			}
		})
	}
	abrupt := s.chance(0.3)
	if abrupt { // while all goes on
		time.Sleep(s.pause(10 * time.Second))
		s.close()
	}
	actors.Wait()
	sky.calm.Store(true)
	if !abrupt {
		time.Sleep(time.Hour) // for what was left behind to end
		synctest.Wait()
		if kept := e.Kept(); len(kept) > 0 {
			s.faultf("an idle executor keeps %v", kept)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil {
			s.faultf("shutdown of an idle executor: %v", err)
		}
	}
	s.close()
	s.audit()
	if err := sky.Close(); err != nil {
		s.faultf("close the backend: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		t.Errorf("seed %d:\n%s", seed, strings.Join(s.faults[:min(len(s.faults), 20)], "\n"))
	}
}

// close closes the executor, which hooks that sleep for longer than it waits may hold up.
func (s *storm) close() {
	if err := s.e.Close(); err != nil && !errors.Is(err, lambdapool.ErrTimeout) {
		s.faultf("close: %v", err)
	}
}

// act does one thing that a program may do.
func (s *storm) act(ctx context.Context) {
	fn, isOnce := s.often, false
	if s.chance(0.5) {
		fn, isOnce = s.once, true
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	switch s.below(7) {
	case 0:
		s.firstAnswer(ctx, fn, isOnce)
	case 1, 2:
		s.calls(ctx, fn, isOnce)
	case 3:
		s.mapped(ctx, fn, isOnce)
	case 4:
		s.journaled(ctx, fn)
	default:
		s.stream(ctx, fn, isOnce)
	}
}

// context returns one that ends sometimes.
func (s *storm) context(ctx context.Context) (context.Context, context.CancelFunc) {
	switch s.below(3) {
	case 0:
		return context.WithTimeout(ctx, s.pause(20*time.Second))
	case 1:
		ctx, cancel := context.WithCancel(ctx)
		after := s.pause(20 * time.Second)
		stop := time.AfterFunc(after, cancel)
		return ctx, func() {
			stop.Stop()
			cancel()
		}
	default:
		return context.WithCancel(ctx)
	}
}

// firstAnswer takes the first of a few, and cancels the others, at full speed.
func (s *storm) firstAnswer(ctx context.Context, fn *lambdapool.Func[job, int], once bool) {
	for range 100 {
		jobs := s.jobs(5, true)
		futures := make([]*lambdapool.Future[int], len(jobs))
		for i, j := range jobs {
			j.Takes = 0
			futures[i] = lambdapool.Submit(ctx, s.e, fn, j)
		}
		lambdapool.Wait(ctx, lambdapool.FirstCompleted, futures...)
		var cancels sync.WaitGroup
		for _, f := range futures {
			cancels.Go(func() { f.Cancel() })
		}
		cancels.Wait()
		for i, f := range futures {
			v, err := f.Result(context.Background())
			s.judge(jobs[i], once, v, err)
		}
	}
}

// calls submits some, and cancels some of them.
func (s *storm) calls(ctx context.Context, fn *lambdapool.Func[job, int], once bool) {
	jobs := s.jobs(1+s.below(30), false)
	futures := make([]*lambdapool.Future[int], len(jobs))
	var told atomic.Int64
	want := int64(0)
	for i, j := range jobs {
		futures[i] = lambdapool.Submit(ctx, s.e, fn, j)
		if s.chance(0.3) {
			want++
			futures[i].OnDone(func(*lambdapool.Future[int]) {
				told.Add(1)
				s.misbehave()
			})
		}
	}
	time.Sleep(s.pause(3 * time.Second))
	for _, f := range futures {
		if s.chance(0.3) {
			f.Cancel()
		}
	}
	for i, f := range futures {
		v, err := f.Result(context.Background())
		s.judge(jobs[i], once, v, err)
	}
	time.Sleep(time.Minute)
	if told.Load() != want {
		s.faultf("%d OnDone functions were called %d times", want, told.Load())
	}
}

// options are those of a run of jobs, at random. more items may come that are none.
func (s *storm) options(jobs []job, more int, last *lambdapool.Snapshot) (opts []lambdapool.MapOption) {
	items := len(jobs) + more
	if s.chance(0.5) {
		opts = append(opts, lambdapool.ChunkSize(1+s.below(12)))
	}
	if s.chance(0.3) {
		opts = append(opts, lambdapool.Window(1+s.below(20)))
	}
	bill := math.Inf(1)
	if s.chance(0.2) {
		budget := s.float() * 20
		opts = append(opts, lambdapool.WithBudget(lambdapool.Budget{GBSeconds: budget}))
		bill = max(budget, s.price.Seconds()) + 1e-6 // the first invocation is sent in any case
	}
	goesOn := s.chance(0.5)
	if goesOn {
		opts = append(opts, lambdapool.ContinueOnError())
	}
	s.open(jobs, bill, goesOn)
	return append(opts, lambdapool.Progress(func(p lambdapool.Snapshot) {
		if p.Items != p.Done+p.Failed+p.Canceled+p.Running+p.Queued || p.Items > items {
			s.faultf("the counts of a run of %d do not add up: %+v", items, p)
		}
		if p.GBSeconds > bill {
			s.faultf("a run that may cost %.6g GB-seconds has cost more: %+v", bill, p)
		}
		s.mu.Lock()
		*last = p
		s.mu.Unlock()
		s.misbehave()
	}))
}

// mapped runs a Map.
func (s *storm) mapped(ctx context.Context, fn *lambdapool.Func[job, int], once bool) {
	jobs := s.jobs(s.below(60), s.chance(0.3))
	var last lambdapool.Snapshot
	opts := s.options(jobs, 0, &last)
	if s.chance(0.5) {
		s.plainMap(ctx, fn, jobs, opts, &last)
		return
	}
	s.goesOn(jobs)
	results, _ := lambdapool.MapResults(ctx, s.e, fn, jobs, opts...)
	if len(results) != len(jobs) {
		s.faultf("%d results of %d items", len(results), len(jobs))
		return
	}
	ended := time.Now()
	for i, r := range results {
		if r.Index != i {
			s.faultf("result %d is that of item %d", i, r.Index)
		}
		s.judge(jobs[i], once, r.Value, r.Err)
	}
	s.over(jobs, ended, &last)
}

// stream consumes a stream, perhaps not to its end, of an input that may fail.
func (s *storm) stream(ctx context.Context, fn *lambdapool.Func[job, int], once bool) {
	jobs := s.jobs(1+s.below(80), s.chance(0.3))
	until := len(jobs)
	if s.chance(0.3) {
		until = s.below(len(jobs))
	}
	breakAt := -1
	if s.chance(0.3) {
		breakAt = s.below(len(jobs))
	}
	end := s.below(3)
	slow := s.chance(0.2)
	input := func(yield func(job) bool) {
		for i, j := range jobs {
			if i == until {
				switch end {
				case 0:
					panic(errStorm)
				case 1:
					runtime.Goexit()
				}
				return
			}
			if slow {
				time.Sleep(s.pause(100 * time.Millisecond))
			}
			if !yield(j) {
				return
			}
		}
	}
	var last lambdapool.Snapshot
	opts := s.options(jobs, 1, &last)
	seen := map[int]bool{}
	take := func(index int, v int, err error) bool {
		if seen[index] {
			s.faultf("item %d was delivered twice", index)
		}
		seen[index] = true
		var item *lambdapool.ItemError
		if errors.As(err, &item) {
			index = item.Index
		}
		if index >= 0 && index < until {
			s.judge(jobs[index], once, v, err)
		}
		return len(seen)-1 != breakAt
	}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(errStorm) {
				panic(p)
			}
		}()
		if s.chance(0.5) {
			i := 0
			for v, err := range lambdapool.Stream(ctx, s.e, fn, iter.Seq[job](input), opts...) {
				if !take(i, v, err) {
					break
				}
				i++
			}
			return
		}
		for r := range lambdapool.StreamUnordered(ctx, s.e, fn, iter.Seq[job](input), opts...) {
			if !take(r.Index, r.Value, r.Err) {
				break
			}
		}
	}()
	s.over(jobs, time.Now(), &last)
}

// journaled runs the same Map until the journal has all of it, or has had enough tries.
func (s *storm) journaled(ctx context.Context, fn *lambdapool.Func[job, int]) {
	jobs := s.jobs(s.below(40), false)
	journal := &stormJournal{s: s, entries: map[int]lambdapool.JournalEntry{}}
	for range 3 {
		var last lambdapool.Snapshot
		opts := append(s.options(jobs, 0, &last), lambdapool.Journaled(journal), lambdapool.ContinueOnError())
		s.goesOn(jobs)
		values, err := lambdapool.Map(ctx, s.e, fn, jobs, opts...)
		ended := time.Now()
		s.accountedFor(jobs, values, err)
		s.over(jobs, ended, &last)
		time.Sleep(10 * time.Second) // for what was left behind
		journal.mu.Lock()
		s.mu.Lock()
		for i := range journal.entries {
			s.ran[jobs[i].ID].already = true
		}
		for _, j := range jobs { // what is not final may run again
			s.ran[j.ID].spent = false
		}
		s.mu.Unlock()
		journal.mu.Unlock()
	}
}
