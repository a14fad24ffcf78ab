package soak_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

// all are all faults at once.
func all(seed uint64) local.Faults {
	return local.Faults{
		Seed: seed,
		Throttle: local.Throttle{
			Rate:  20_000,
			Burst: agents / 2,
			Ramp:  agents / 4,
			Limit: tide,
		},
		Refuse:      0.003, // more would be a background to which the pool adapts
		ErrorBefore: 0.01,
		ErrorAfter:  0.01,
		ResetBefore: 0.01,
		ResetAfter:  0.01,
		Truncate:    0.01,
		Corrupt:     0.01,
		Slow:        0.01,
		Straggle:    0.01,
		Crash:       0.005,
		OutOfMemory: 0.005,
		Stale:       0.01,
		SlowFor:     20 * time.Millisecond,
		StraggleBy:  10,
		ColdStart:   5 * time.Millisecond,
	}
}

const (
	agents = 8
	enough = 5000 // calls that meet every fault
)

// tide is a limit that others take from, and give back to, all the time.
func tide(elapsed time.Duration) int {
	if elapsed.Milliseconds()%3000 < 500 {
		return agents / 2
	}
	return agents
}

// An account is how one call ended.
type account struct {
	ends  atomic.Int32
	value product
	err   error
}

// A session is a pool under test and the accounts of its calls.
type session struct {
	e        *lambdapool.Executor
	seed     uint64
	accounts []account
}

func TestSoak(t *testing.T) {
	n := *calls
	if n <= enough && !apart.Here(t) { // a long one runs alone, and is watched
		return
	}
	t.Logf("%d calls, seed %d", n, *seed)
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files := descriptors(t)
	began := time.Now()

	b, err := local.New(
		local.WithConcurrency(agents),
		local.WithEnv(map[string]string{ledgerVariable: path}),
		local.WithFaults(all(*seed)),
	)
	if err != nil {
		t.Fatal(err)
	}
	e, err := lambdapool.New(b,
		lambdapool.WithWorkers(2*agents),
		lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 4, BaseDelay: 2 * time.Millisecond, MaxDelay: 100 * time.Millisecond}),
		lambdapool.WithHedging(lambdapool.Hedging{}),
		lambdapool.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{e: e, seed: *seed, accounts: make([]account, n)}
	s.run(t)
	if err := e.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	stats := e.Stats()
	if err := e.Close(); err != nil {
		t.Errorf("close the executor: %v", err)
	}
	counts := b.FaultCounts()
	if err := b.Close(); err != nil {
		t.Errorf("close the backend: %v", err)
	}

	s.check(t, readLedger(t, path, n))
	if total := stats.Succeeded + stats.FunctionErrors + stats.PoolErrors; stats.Submitted != int64(n) || total != int64(n) {
		t.Errorf("%d calls were sent, these were counted: %+v", n, stats)
	}
	for kind, count := range counts {
		event := kind == local.FaultEventDrop || kind == local.FaultEventDuplicate || kind == local.FaultEventCrash
		if count == 0 && n >= enough && !event { // no call of these is an event
			t.Errorf("no fault of kind %v has happened", kind)
		}
	}
	noleak.Check(t)
	if left := descriptors(t); left > files {
		t.Errorf("%d descriptors are open, %d were before", left, files)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
	t.Logf("%v: %+v", time.Since(began).Round(time.Millisecond), stats)
	t.Logf("faults: %v", counts)
}

// run makes all calls, half of them one by one, half in runs, and returns when
// each has ended.
func (s *session) run(t *testing.T) {
	n := len(s.accounts)
	half := n / 2
	var all sync.WaitGroup
	all.Go(func() { s.singles(t, 0, half) })
	all.Go(func() {
		const most = 2000
		for from := half; from < n; from += most {
			to := min(from+most, n)
			var pair sync.WaitGroup
			pair.Go(func() { s.mapped(t, once, from, to, 0) })
			pair.Go(func() { s.mapped(t, often, from, to, 1) })
			pair.Wait()
		}
	})
	all.Wait()
}

// task makes task id, always the same for a seed.
func (s *session) task(id int) task {
	dice := rand.New(rand.NewPCG(s.seed, uint64(id)))
	return task{ID: id, Work: time.Duration(dice.ExpFloat64() * float64(time.Millisecond))}
}

// singles submits tasks one by one, cancels some, and waits for all.
func (s *session) singles(t *testing.T, from, to int) {
	futures := make([]*lambdapool.Future[product], 0, to-from)
	for id := from; id < to; id++ {
		fn := once
		if id%2 == 1 {
			fn = often
		}
		f := lambdapool.Submit(t.Context(), s.e, fn, s.task(id))
		f.OnDone(func(*lambdapool.Future[product]) { s.accounts[id].ends.Add(1) })
		futures = append(futures, f)
		if canceled(id) {
			time.AfterFunc(s.task(id).Work, func() { f.Cancel() })
		}
	}
	for i, f := range futures {
		a := &s.accounts[from+i]
		a.value, a.err = f.Result(t.Context())
	}
}

// canceled says whether single task id is canceled at some time.
func canceled(id int) bool { return id%100 == 10 || id%100 == 11 }

// mapped runs every other task of a range.
func (s *session) mapped(t *testing.T, fn *lambdapool.Func[task, product], from, to, odd int) {
	var tasks []task
	for id := from; id < to; id++ {
		if id%2 == odd {
			tasks = append(tasks, s.task(id))
		}
	}
	values, err := lambdapool.Map(t.Context(), s.e, fn, tasks, lambdapool.ContinueOnError())
	if len(values) != len(tasks) {
		t.Errorf("%d results of %d tasks: %v", len(values), len(tasks), err)
		return
	}
	for i, v := range values {
		s.accounts[tasks[i].ID].value = v
		s.accounts[tasks[i].ID].ends.Add(1)
	}
	for _, err := range unjoined(err) {
		var item *lambdapool.ItemError
		if !errors.As(err, &item) {
			t.Errorf("an error of no item: %v", err)
			continue
		}
		a := &s.accounts[tasks[item.Index].ID]
		if a.err != nil {
			t.Errorf("task %d ended in two errors: %v, %v", tasks[item.Index].ID, a.err, item.Err)
		}
		a.err = item.Err
	}
}

// unjoined returns what errors.Join has joined.
func unjoined(err error) []error {
	if err == nil {
		return nil
	}
	return err.(interface{ Unwrap() []error }).Unwrap()
}

// check holds how each call ended against what the agents noted.
func (s *session) check(t *testing.T, ledger []executions) {
	t.Helper()
	wrong := 0
	ended := map[string]int{}
	for id := range s.accounts {
		a := &s.accounts[id]
		kind, problem := judge(id, a, ledger[id])
		ended[kind]++
		if problem != "" {
			if wrong++; wrong <= 20 {
				t.Errorf("task %d, %+v: %s\n\tvalue of %d, error %v", id, ledger[id], problem, a.value.ID, a.err)
			}
		}
	}
	if wrong > 20 {
		t.Errorf("and %d more", wrong-20)
	}
	kinds := make([]string, 0, len(ended))
	for kind, n := range ended {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(kinds)
	t.Logf("ended: %v", kinds)
}

// judge names how a call ended, and says what must not be, if anything.
func judge(id int, a *account, noted executions) (kind, problem string) {
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	switch {
	case a.err == nil:
		kind = "value"
	case errors.As(a.err, &function):
		kind = "function error"
	case errors.As(a.err, &pool):
		kind = pool.Kind.Error()
	}
	mine := id%2 == 0
	switch {
	case a.ends.Load() != 1:
		return kind, fmt.Sprintf("it ended %d times", a.ends.Load())
	case mine && noted.begun > 1:
		return kind, "it ran more than once"
	case kind == "":
		return kind, "neither a FunctionError nor a PoolError"
	case pool != nil:
		return kind, judgePool(pool, id, a, noted)
	case noted.ended == 0:
		return kind, "it has an outcome, but did not run"
	case function != nil:
		return kind, judgeFunction(function, id, a)
	case fails(id) != value:
		return kind, "a value of a task that fails"
	}
	if want := made(id); a.value.ID != want.ID || !bytes.Equal(a.value.Sum, want.Sum) {
		return kind, "another value"
	}
	return kind, ""
}

// judgeFunction judges a call that ended in the function's own error.
func judgeFunction(err *lambdapool.FunctionError, id int, a *account) string {
	switch want := fmt.Sprintf("task %d", id); {
	case err.Panic && (fails(id) != panicking || err.Message != want):
		return "not its panic"
	case !err.Panic && (fails(id) != failure || err.Message != want+": unlucky number" || !errors.Is(err, errUnlucky)):
		return "not its error"
	case a.value.ID != 0 || a.value.Sum != nil:
		return "a value and an error"
	}
	return ""
}

// judgePool judges a call that the pool has failed.
func judgePool(err *lambdapool.PoolError, id int, a *account, noted executions) string {
	switch {
	case a.value.ID != 0 || a.value.Sum != nil:
		return "a value and an error"
	case errors.Is(err, lambdapool.ErrCanceled) && !canceled(id):
		return "nobody has canceled it"
	case err.Outcome == lambdapool.OutcomeNotRun && noted.begun > 0:
		return "it ran, but the error says that it did not"
	case id%2 == 0 && err.Attempts > 1:
		return fmt.Sprintf("%d attempts", err.Attempts)
	case errors.Is(err, context.DeadlineExceeded):
		return "there was no deadline"
	}
	for _, expected := range []error{
		lambdapool.ErrCanceled, lambdapool.ErrUnknownOutcome, lambdapool.ErrAgentCrashed,
		lambdapool.ErrOutOfMemory, lambdapool.ErrVersionMismatch,
	} {
		if errors.Is(err, expected) {
			return ""
		}
	}
	return "no fault leads to this error"
}
