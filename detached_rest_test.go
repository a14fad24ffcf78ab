package lambdapool_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// A workshop has a function that takes a second, and counts how often it ran for each argument.
type workshop struct {
	reg  *lambdapool.Registry
	work *lambdapool.Func[int, int]
	word *lambdapool.Func[int, string]

	mu  sync.Mutex
	ran map[int]int
}

func newWorkshop(opts ...lambdapool.FuncOption) *workshop {
	w := &workshop{reg: lambdapool.NewRegistry(), ran: map[int]int{}}
	begin := func(n int) {
		w.mu.Lock()
		w.ran[n]++
		w.mu.Unlock()
		time.Sleep(time.Second)
	}
	w.work = lambdapool.RegisterIn(w.reg, "work", func(_ context.Context, n int) (int, error) {
		begin(n)
		if n%10 == 9 {
			return 0, errNegative
		}
		return 2 * n, nil
	}, opts...)
	w.word = lambdapool.RegisterIn(w.reg, "word", func(_ context.Context, n int) (string, error) {
		begin(n)
		return strings.Repeat("x", n), nil
	}, opts...)
	return w
}

// times returns how often each of the first n arguments ran.
func (w *workshop) times(n int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	times := make([]int, n)
	for i := range times {
		times[i] = w.ran[i]
	}
	return times
}

// short is a courier whose agents have ten seconds, and a number of free ones.
func short() *courier {
	return &courier{Backend: inproc.New(inproc.WithConcurrency(8), inproc.WithTimeout(10*time.Second))}
}

// in runs what needs the chunk's rest on an executor for it.
func (w *workshop) in(t *testing.T, b lambdapool.Backend) *lambdapool.Executor {
	return executor(t, b, lambdapool.WithRegistry(w.reg))
}

// A chunk has more work than an agent has time for: what one has not begun the next one does, and
// whoever follows the run has it sent. Each call runs once, whatever it ends with.
func TestDetachedChunkWithMoreWorkThanTime(t *testing.T) {
	for name, opts := range map[string][]lambdapool.FuncOption{"once": nil, "idempotent": {lambdapool.Idempotent()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b := newWorkshop(opts...), short()
				e := w.in(t, b)
				run, err := lambdapool.MapDetached(t.Context(), e, w.work, numbers(50), lambdapool.ChunkSize(25), lambdapool.Parallel(1))
				if err != nil {
					t.Fatal(err)
				}
				other, err := lambdapool.Attach(t.Context(), w.in(t, b), w.work, run.ID())
				if err != nil {
					t.Fatal(err)
				}
				both := make(chan []int, 1)
				go func() {
					got, _ := other.Wait(t.Context())
					both <- got
				}()
				got, err := run.Wait(t.Context())
				want := doubled(50)
				for i := range lambdapool.ItemErrors(err) {
					if want[i.Index] = 0; i.Index%10 != 9 || !isFunctionError(i) {
						t.Error(i)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" || len(err.(interface{ Unwrap() []error }).Unwrap()) != 5 {
					t.Errorf("%v\n%s", err, diff)
				}
				if theirs := <-both; !slices.Equal(theirs, got) {
					t.Errorf("another client got %v", theirs)
				}
				if times := w.times(50); slices.Max(times) != 1 || slices.Min(times) != 1 {
					t.Errorf("ran so often: %v", times)
				}
				state, err := run.State(t.Context())
				if err != nil || state.Succeeded != 45 || state.Failed != 5 || state.Deliveries < 4 || state.Chunks[0].Failed != 2 {
					t.Errorf("%+v, %v", state, err)
				}
			})
		})
	}
}

func isFunctionError(err error) bool {
	var function *lambdapool.FunctionError
	return errors.As(err, &function)
}

// untilLeft waits until the first agent of a run of one chunk has left something, and returns how many calls.
func untilLeft[R any](t *testing.T, run *lambdapool.Run[R]) int {
	t.Helper()
	time.Sleep(time.Minute)
	state, err := run.State(t.Context())
	if err != nil || state.Queued == 0 || state.Queued == run.Len() || state.Succeeded+state.Queued != run.Len() {
		t.Fatalf("%+v, %v", state, err)
	}
	return state.Queued
}

// Without a follower what was not begun waits for one, until nothing of the run may begin any more.
func TestDetachedRestWaitsForAFollower(t *testing.T) {
	for _, tc := range []struct {
		name  string
		until time.Duration
		all   bool
	}{{"in time", 30 * time.Minute, true}, {"too late", 2 * time.Hour, false}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop()
				e := w.in(t, short())
				run, err := lambdapool.MapDetached(t.Context(), e, w.word, numbers(30), lambdapool.ChunkSize(30), lambdapool.Parallel(1),
					lambdapool.StartWithin(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				left := untilLeft(t, run)
				time.Sleep(tc.until)
				got, err := run.Wait(t.Context())
				if tc.all {
					left = 0
				}
				failed := 0
				for item := range lambdapool.ItemErrors(err) {
					failed++
					var pool *lambdapool.PoolError
					if !errors.As(item, &pool) || !errors.Is(item, lambdapool.ErrExpired) || pool.Outcome != lambdapool.OutcomeNotRun || item.Index < 30-left {
						t.Error(item)
					}
				}
				for i, s := range got[:30-left] {
					if s != strings.Repeat("x", i) {
						t.Errorf("call %d: %q", i, s)
					}
				}
				if failed != left {
					t.Errorf("%d failed, %d were left", failed, left)
				}
				if state, err := run.State(t.Context()); err != nil || state.Succeeded != 30-left || state.Expired != left {
					t.Errorf("%+v, %v", state, err)
				}
				in, err := run.Open(t.Context(), 3)
				if err != nil {
					t.Fatal(err)
				}
				if data, err := io.ReadAll(in); err != nil || string(data) != "xxx" || in.Close() != nil {
					t.Errorf("%q, %v", data, err)
				}
				if times := w.times(30); slices.Max(times) != 1 {
					t.Errorf("ran so often: %v", times)
				}
			})
		})
	}
}

// Whatever becomes of what was left, the values before it stay: it may be canceled, and the agent that
// claims it may die.
func TestDetachedRestThatEndsOtherwise(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(t *testing.T, run *lambdapool.Run[int], s lambdapool.Store, left int)
		want error
	}{
		"canceled": {func(t *testing.T, run *lambdapool.Run[int], _ lambdapool.Store, left int) {
			if n, err := run.Cancel(t.Context()); n != left || err != nil {
				t.Errorf("%d canceled, %v; %d were left", n, err, left)
			}
		}, lambdapool.ErrCanceled},
		"lost": {func(t *testing.T, run *lambdapool.Run[int], s lambdapool.Store, _ int) {
			put(t, s, "runs/"+run.ID()+"/00000000/claim.1", "{}")
		}, lambdapool.ErrUnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b := newWorkshop(), short()
				run, err := lambdapool.MapDetached(t.Context(), w.in(t, b), w.work, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15}, lambdapool.ChunkSize(15), lambdapool.Parallel(1))
				if err != nil {
					t.Fatal(err)
				}
				left := untilLeft(t, run)
				tc.end(t, run, b.Store(), left)
				got, err := run.Wait(t.Context())
				failed := 0
				for item := range lambdapool.ItemErrors(err) {
					failed++
					if !errors.Is(item, tc.want) || item.Index < 15-left {
						t.Error(item)
					}
				}
				if failed != left || !slices.Equal(got[:8], doubled(8)[:8]) && 15-left >= 8 {
					t.Errorf("%d failed of %d that were left; %v", failed, left, got)
				}
				state, err := run.State(t.Context())
				if err != nil || state.Succeeded != 15-left || state.Failed+state.Canceled != left {
					t.Errorf("%+v, %v", state, err)
				}
			})
		})
	}
}
