package apitest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// What fails below the root is a value of a room that no program can name. The root makes the public
// error of it, at one edge, and nothing must get past that. So here every kind of failure is provoked
// through the exported functions, and the types in the chains of the errors are looked at.

// hidden are types of this module that may be in a chain although no program can name them:
// they are texts, or join others.
var hidden = []string{
	"*lambdapool.itemsError", "*engine.saidError", "*lambdapool.remoteError",
	"*contain.FaultError", "contain.untamed",
}

// checkChain checks the types of all that err wraps, and that a call's error is one of the two.
func checkChain(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	if !errors.As(err, &function) && !errors.As(err, &pool) {
		t.Errorf("%T is neither a FunctionError nor a PoolError: %v", err, err)
	}
	for _, name := range foreignTypes(err) {
		t.Errorf("%s is in the chain of %v", name, err)
	}
}

// foreignTypes returns those of err's chain that are this module's and no program's to know.
func foreignTypes(err error) (names []string) {
	typ := reflect.TypeOf(err)
	base := typ
	for base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	own := base.PkgPath() == module || strings.HasPrefix(base.PkgPath(), module+"/")
	public := !strings.Contains(base.PkgPath(), "/internal/") && base.Name() != "" && strings.ToUpper(base.Name()[:1]) == base.Name()[:1]
	if own && !public && !slices.Contains(hidden, typ.String()) && !strings.HasSuffix(base.PkgPath(), "_test") {
		names = append(names, typ.String())
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			names = append(names, foreignTypes(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			names = append(names, foreignTypes(inner)...)
		}
	}
	return names
}

// A private error is what the test would find.
type private struct{ error }

func (p *private) Unwrap() error { return p.error }

func TestForeignTypesAreSeen(t *testing.T) {
	hide := hidden
	defer func() { hidden = hide }()
	hidden = nil
	r := lambdapool.NewRegistry()
	e := thirdPool(t, r, &lambdapool.InvokeError{Kind: lambdapool.ErrAccessDenied, Err: errors.New("no")})
	lambdapool.RegisterFuncIn(r, "f", func(int) error { return nil })
	_, err := lambdapool.StarMap(t.Context(), e, "f", [][]any{{1}, {2}}, lambdapool.ContinueOnError())
	if got := foreignTypes(&private{err}); !slices.Contains(got, "*lambdapool.itemsError") {
		t.Errorf("seen in %v: %v", err, got)
	}
}

// selfEncoding cannot be encoded: its method says so, or panics.
type selfEncoding struct{ Panics bool }

func (s selfEncoding) MarshalBinary() ([]byte, error) {
	if s.Panics {
		panic("no bytes of this")
	}
	return nil, errors.New("no bytes of this")
}

func (s *selfEncoding) UnmarshalBinary([]byte) error { panic("never seen") }

// leakFuncs are the functions that fail.
type leakFuncs struct {
	ok, broken, panics *lambdapool.Func[int, int]
	encodes            *lambdapool.Func[selfEncoding, int]
	bad                *lambdapool.Func[int, selfEncoding]
}

func registerLeaks(r *lambdapool.Registry) leakFuncs {
	return leakFuncs{
		ok: lambdapool.RegisterIn(r, "ok", func(_ ctx, n int) (int, error) { return n, nil }),
		broken: lambdapool.RegisterIn(r, "broken", func(_ ctx, n int) (int, error) {
			return 0, fmt.Errorf("item %d: %w", n, fs.ErrNotExist)
		}),
		panics:  lambdapool.RegisterIn(r, "panics", func(_ ctx, n int) (int, error) { panic(n) }),
		encodes: lambdapool.RegisterIn(r, "encodes", func(ctx, selfEncoding) (int, error) { return 0, nil }),
		bad:     lambdapool.RegisterIn(r, "bad", func(ctx, int) (selfEncoding, error) { return selfEncoding{}, nil }),
	}
}

// thirdPool is an executor over a third party's backend whose attempts end in fails.
func thirdPool(t *testing.T, r *lambdapool.Registry, fails error, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(newThirdParty(r, fails), append([]lambdapool.Option{
		lambdapool.WithRegistry(r), lambdapool.WithLogger(slog.New(slog.DiscardHandler)),
		lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 1}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// everyWay calls fn with arg in each way there is, and checks what is said of the failure.
func everyWay[A, R any](ctx ctx, t *testing.T, e pool, fn *lambdapool.Func[A, R], arg A, opts ...mapOption) {
	t.Helper()
	args := []A{arg, arg}
	check := func(way string, err error) {
		t.Helper()
		t.Run(way, func(t *testing.T) { t.Helper(); checkChain(t, err) })
	}
	f := lambdapool.Submit(ctx, e, fn, arg)
	_, err := f.Result(context.Background())
	check("Submit", err)
	check("Err", f.Err())
	_, err = lambdapool.Collect(context.Background(), f)
	check("Collect", err)
	var handle any = fn
	_, err = e.Submit(ctx, handle, arg).Result(context.Background())
	check("Executor.Submit", err)
	_, err = lambdapool.Call(ctx, e, fn, arg)
	check("Call", err)
	_, err = lambdapool.Map(ctx, e, fn, args, opts...)
	check("Map", err)
	_, err = lambdapool.Map(ctx, e, fn, args, append(opts, lambdapool.ContinueOnError())...)
	check("ContinueOnError", err)
	results, err := lambdapool.MapResults(ctx, e, fn, args, opts...)
	for _, r := range results {
		err = r.Err
	}
	check("MapResults", err)
	_, err = lambdapool.StarMap(ctx, e, handle, [][]any{{arg}}, opts...)
	check("StarMap", err)
	for _, err = range lambdapool.Stream(ctx, e, fn, slices.Values(args), opts...) {
		check("Stream", err)
	}
	for r := range lambdapool.StreamUnordered(ctx, e, fn, slices.Values(args), opts...) {
		check("StreamUnordered", r.Err)
	}
}

// leakContext bounds a test, and not a failure.
func leakContext(t *testing.T) ctx {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestNoInternalErrorOfTheFunction(t *testing.T) {
	r := lambdapool.NewRegistry()
	fns := registerLeaks(r)
	e := thirdPool(t, r, nil)
	ctx := leakContext(t)
	t.Run("error", func(t *testing.T) { everyWay(ctx, t, e, fns.broken, 1) })
	t.Run("panic", func(t *testing.T) { everyWay(ctx, t, e, fns.panics, 1) })
	t.Run("argument", func(t *testing.T) { everyWay(ctx, t, e, fns.encodes, selfEncoding{}) })
	t.Run("argument panics", func(t *testing.T) { everyWay(ctx, t, e, fns.encodes, selfEncoding{Panics: true}) })
	t.Run("result", func(t *testing.T) { everyWay(ctx, t, e, fns.bad, 1) })
	t.Run("hook panics", func(t *testing.T) {
		asks := thirdPool(t, r, nil, lambdapool.WithRetry(lambdapool.RetryPolicy{
			MaxAttempts: 2, RetryFunctionError: func(*lambdapool.FunctionError) bool { panic("no opinion") },
		}))
		_, err := lambdapool.Call(ctx, asks, fns.broken, 1)
		checkChain(t, err)
	})
	t.Run("budget", func(t *testing.T) {
		_, err := lambdapool.Map(ctx, e, fns.ok, []int{1, 2, 3}, lambdapool.ChunkSize(1), lambdapool.WithBudget(lambdapool.Budget{Dollars: math.SmallestNonzeroFloat64}))
		checkChain(t, err)
	})
	t.Run("journal", func(t *testing.T) { everyJournal(t, e, fns.ok) })
}

// everyJournal fails the journal of a run in each of its methods.
func everyJournal(t *testing.T, e pool, fn *lambdapool.Func[int, int]) {
	t.Helper()
	broken := errors.New("disk full")
	for _, j := range []failingJournal{{open: broken}, {next: broken}, {commit: broken}} {
		_, err := lambdapool.Map(leakContext(t), e, fn, []int{1, 2}, lambdapool.Journaled(j))
		checkChain(t, err)
	}
}

// A failingJournal is its own log.
type failingJournal struct{ open, next, commit error }

func (j failingJournal) Open(lambdapool.JournalRun) (lambdapool.JournalLog, error) { return j, j.open }
func (j failingJournal) Next(int) (entry lambdapool.JournalEntry, ok bool, err error) {
	return entry, false, j.next
}
func (j failingJournal) Commit([][]lambdapool.JournalEntry) error { return j.commit }
func (j failingJournal) Close() error                             { return nil }

func TestNoInternalErrorOfTheBackend(t *testing.T) {
	r := lambdapool.NewRegistry()
	fns := registerLeaks(r)
	for name, fails := range map[string]error{
		"unknown":      &lambdapool.InvokeError{Err: errors.New("connection lost")},
		"no kind":      errors.New("of no kind"),
		"out of order": &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrAccessDenied, Err: errors.New("denied"), Permanent: true},
		"crashed":      &lambdapool.InvokeError{Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrAgentCrashed, Err: errors.New("exit 2")},
		"wraps a public one": &lambdapool.InvokeError{
			Outcome: lambdapool.OutcomeRan, Kind: lambdapool.ErrTooLarge, Err: &lambdapool.PoolError{Op: "x", Err: fs.ErrClosed},
		},
	} {
		t.Run(name, func(t *testing.T) { everyWay(leakContext(t), t, thirdPool(t, r, fails), fns.ok, 1) })
	}
	t.Run("throttled", func(t *testing.T) {
		busy := &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("busy"), Reason: "busy"}
		e := thirdPool(t, r, busy, lambdapool.WithTimeout(20*time.Millisecond))
		_, err := lambdapool.Call(leakContext(t), e, fns.ok, 1)
		checkChain(t, err)
		_, err = lambdapool.Map(leakContext(t), e, fns.ok, []int{1, 2})
		checkChain(t, err)
	})
}

// What is refused before anything is sent.
func TestNoInternalErrorOfTheClient(t *testing.T) {
	r := lambdapool.NewRegistry()
	fns := registerLeaks(r)
	e := thirdPool(t, r, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	elsewhere := registerLeaks(lambdapool.NewRegistry())
	var handle *lambdapool.Func[int, int]
	ctx := leakContext(t)
	t.Run("canceled", func(t *testing.T) { everyWay(ended, t, e, fns.ok, 1) })
	t.Run("late", func(t *testing.T) { everyWay(late, t, e, fns.ok, 1) })
	t.Run("another registry", func(t *testing.T) { everyWay(ctx, t, e, elsewhere.ok, 1) })
	t.Run("nil handle", func(t *testing.T) { everyWay(ctx, t, e, handle, 1) })
	t.Run("nil executor", func(t *testing.T) { everyWay(ctx, t, nil, fns.ok, 1) })
	t.Run("a bad option", func(t *testing.T) {
		_, err := lambdapool.Map(ctx, e, fns.ok, []int{1}, lambdapool.Window(-1))
		checkChain(t, err)
		_, err = lambdapool.Map(ctx, e, fns.ok, []int{1}, nil)
		checkChain(t, err)
		_, err = lambdapool.New(nil)
		checkChain(t, err)
		_, err = lambdapool.New(newThirdParty(r, nil), lambdapool.WithWorkers(-1))
		checkChain(t, err)
	})
	for name, call := range map[string]struct {
		fn   any
		args []any
	}{
		"unknown": {"no such", nil}, "nil": {nil, nil}, "no function": {7, nil}, "unknown value": {func() {}, nil},
		"count": {"ok", nil}, "type": {"ok", []any{"1"}}, "loss": {"ok", []any{1.5}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Submit(ctx, call.fn, call.args...).Result(ctx)
			checkChain(t, err)
			_, err = lambdapool.StarMap(ctx, e, call.fn, [][]any{call.args})
			checkChain(t, err)
			_, err = lambdapool.StarMapDetached(ctx, e, call.fn, [][]any{call.args})
			checkChain(t, err)
		})
	}
	t.Run("closed", func(t *testing.T) {
		e := thirdPool(t, r, nil)
		e.Close()
		everyWay(ctx, t, e, fns.ok, 1)
		_, err := lambdapool.MapDetached(ctx, e, fns.ok, []int{1})
		checkChain(t, err)
	})
	t.Run("nil future", func(t *testing.T) {
		var f *lambdapool.Future[int]
		checkChain(t, f.Err())
	})
	t.Run("canceled by hand", func(t *testing.T) {
		e := thirdPool(t, r, &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrThrottled, Err: errors.New("busy")})
		f := lambdapool.Submit(ctx, e, fns.ok, 1)
		f.Cancel()
		checkChain(t, f.Err())
	})
}

func TestNoInternalErrorOfDetachedRuns(t *testing.T) {
	r := lambdapool.NewRegistry()
	fns := registerLeaks(r)
	ctx := leakContext(t)
	b := newThirdParty(r, nil)
	e, err := lambdapool.New(b, lambdapool.WithRegistry(r), lambdapool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = lambdapool.MapDetached(ctx, e, fns.ok, []int{1}, lambdapool.Window(3))
	checkChain(t, err)
	_, err = lambdapool.MapDetached(ctx, e, fns.encodes, []selfEncoding{{}})
	checkChain(t, err)
	_, err = e.MapDetachedEncoded(ctx, lambdapool.Foreign{}, nil)
	checkChain(t, err)
	_, err = lambdapool.Attach(ctx, e, fns.ok, "no-such-run")
	checkChain(t, err)

	run, err := lambdapool.MapDetached(ctx, e, fns.ok, []int{1, 2}, lambdapool.RunName("there"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = lambdapool.Attach(ctx, e, fns.broken, "there")
	checkChain(t, err)
	_, err = lambdapool.MapDetached(ctx, e, fns.ok, []int{3, 4}, lambdapool.RunName("there"))
	checkChain(t, err)
	_, err = run.Open(ctx, 0)
	checkChain(t, err)
	_, err = run.Place(ctx, 7)
	checkChain(t, err)
	_, err = run.Place(ctx, 0)
	checkChain(t, err)
	if _, err = run.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = run.Wait(ctx)
	checkChain(t, err)
	for _, f := range run.Futures() {
		_, err := f.Result(ctx)
		checkChain(t, err)
	}
	open, err := lambdapool.MapDetached(ctx, e, fns.ok, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	b.store.mu.Lock()
	b.store.fails = errors.New("the disk is gone")
	b.store.mu.Unlock()
	_, err = open.State(ended)
	checkChain(t, err)
	_, err = open.Wait(ended)
	checkChain(t, err)
	_, err = open.Cancel(ended)
	checkChain(t, err)
	for _, err = range e.Runs(ended) {
		checkChain(t, err)
	}
	for _, err = range e.CleanRuns(ended) {
		checkChain(t, err)
	}
	checkChain(t, e.DeleteRun(ended, "there"))
	_, err = lambdapool.MapDetached(ended, e, fns.ok, []int{1})
	checkChain(t, err)
	for _, run := range []*lambdapool.Run[int]{run, open} {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	}
}
