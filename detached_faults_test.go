package lambdapool_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
)

// However often an event is delivered, there is one result, and a function that must not
// run twice does not.
func TestDuplicateDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forgetExecutions()
		c := newCourier()
		c.deliver = func(n int) int { return n%3 + 1 }
		e := executor(t, c)
		once, err := lambdapool.MapDetached(t.Context(), e, countedOnce, []int{1001, 1002, 1003})
		if err != nil {
			t.Fatal(err)
		}
		often, err := lambdapool.MapDetached(t.Context(), e, countedOften, []int{2001, 2002, 2003})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := once.Wait(t.Context()); err != nil || !cmp.Equal(got, []int{1001, 1002, 1003}) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := often.Wait(t.Context()); err != nil || !cmp.Equal(got, []int{2001, 2002, 2003}) {
			t.Errorf("%v, %v", got, err)
		}
		synctest.Wait()
		for n := 1001; n <= 1003; n++ {
			if executed(n) != 1 {
				t.Errorf("%d ran %d times", n, executed(n))
			}
		}
		time.Sleep(time.Minute) // the last deliveries
		for name, run := range map[string]*lambdapool.Run[int]{"once": once, "often": often} {
			state, err := run.State(t.Context())
			if err != nil || state.Duplicates != 3 || state.Succeeded != 3 {
				t.Errorf("%s: %+v, %v", name, state, err)
			}
		}
	})
}

// What the platform drops is noticed, for everybody, when it can no longer begin.
func TestDroppedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.deliver = func(n int) int { return min(1, n%2) }
		e := executor(t, c)
		begun := time.Now()
		run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(4), lambdapool.StartWithin(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		other, err := e.Attach(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Wait(t.Context())
		if took := time.Since(begun); took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("noticed after %v", took)
		}
		var pool *lambdapool.PoolError
		if !errors.Is(err, lambdapool.ErrExpired) || !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeNotRun {
			t.Errorf("%v", err)
		}
		expired := 0
		for i, v := range got {
			if v != 2*i || i == 0 && v == 0 {
				expired++
			}
		}
		if _, err := other.Wait(t.Context()); !errors.Is(err, lambdapool.ErrExpired) {
			t.Errorf("another client: %v", err)
		}
		state, err := run.State(t.Context())
		if err != nil || state.Expired != 2 || state.Succeeded != 2 {
			t.Errorf("%+v, %v (%d)", state, err, expired)
		}
	})
}

// An agent that has begun and died is given up after its time, and not before.
func TestAgentsThatDie(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   *lambdapool.Func[int, int]
		from time.Duration
	}{
		{"once", double, 15 * time.Minute},
		{"idempotent", again, 18 * time.Minute}, // the platform may run it again
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCourier()
			c.deliver = func(int) int { return 0 }
			e := executor(t, c)
			run, err := lambdapool.SubmitDetached(t.Context(), e, tt.fn, 1)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			put(t, c.Store(), "runs/"+run.ID()+"/00000000/claim", `{"instance":"dead","at":"2026-11-20T00:00:00Z"}`)
			_, err = run.Futures()[0].Result(t.Context())
			var pool *lambdapool.PoolError
			if !errors.Is(err, lambdapool.ErrUnknownOutcome) || !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeUnknown {
				t.Errorf("%s: %v", tt.name, err)
			}
			if took := time.Since(begun); took < tt.from || took > tt.from+time.Minute {
				t.Errorf("%s: given up after %v, want %v", tt.name, took, tt.from)
			}
		})
	}
}

func TestFailOnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		c.deliver = func(n int) int { return min(1, n%2) }
		e := executor(t, c)
		run, err := lambdapool.MapDetached(t.Context(), e, double, numbers(4), lambdapool.StartWithin(time.Minute), lambdapool.FailOnTimeout())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); got != nil || !errors.Is(err, lambdapool.ErrExpired) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// A flaky store can be down.
type flaky struct {
	lambdapool.Store

	down atomic.Bool
}

func (s *flaky) List(ctx context.Context, prefix, after string) (lambdapool.Listing, error) {
	if s.down.Load() {
		return lambdapool.Listing{}, errDown
	}
	return s.Store.List(ctx, prefix, after)
}

func (s *flaky) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Put(ctx, key, body, size, sum)
}

func (s *flaky) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if s.down.Load() {
		return nil, 0, errDown
	}
	return s.Store.Open(ctx, key)
}

// A store that is down for a while is waited for; results that were there are not lost.
func TestStoreThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		s := &flaky{Store: c.Backend.Store()}
		c.store = s
		run, err := lambdapool.MapDetached(t.Context(), executor(t, c, lambdapool.WithLogger(slog.New(slog.DiscardHandler))), sleep,
			[]time.Duration{time.Second, time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		futures := run.Futures()
		if _, err := futures[0].Result(t.Context()); err != nil {
			t.Error(err)
		}
		s.down.Store(true)
		time.Sleep(10 * time.Minute)
		s.down.Store(false)
		if _, err := futures[1].Result(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A run is begun although the store comes up only later.
func TestStoreThatComesUpLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		s := &flaky{Store: c.Backend.Store()}
		c.store = s
		s.down.Store(true)
		time.AfterFunc(30*time.Second, func() { s.down.Store(false) })
		run, err := lambdapool.MapDetached(t.Context(), executor(t, c), double, numbers(10))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(t.Context()); err != nil || !cmp.Equal(got, doubled(10)) {
			t.Errorf("%v, %v", got, err)
		}
		s.down.Store(true)
		begun := time.Now()
		_, err = lambdapool.SubmitDetached(t.Context(), executor(t, c), double, 1)
		if took := time.Since(begun); !errors.Is(err, lambdapool.ErrStore) || !errors.Is(err, errDown) || took > 10*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// shifted is a store whose clock is not this machine's.
type shifted struct {
	lambdapool.Store

	by time.Duration
}

func (s shifted) List(ctx context.Context, prefix, after string) (lambdapool.Listing, error) {
	l, err := s.Store.List(ctx, prefix, after)
	l.Time = l.Time.Add(s.by)
	for i := range l.Objects {
		l.Objects[i].Modified = l.Objects[i].Modified.Add(s.by)
	}
	return l, err
}

// A client whose clock is wrong by hours, or becomes so, gives up nothing too early or late:
// only the store's clock counts.
func TestClockThatIsWrong(t *testing.T) {
	for _, by := range []time.Duration{-30 * time.Hour, 30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCourier()
			c.deliver = func(n int) int { return min(1, n%2) }
			c.store = shifted{c.Backend.Store(), by}
			begun := time.Now()
			run, err := lambdapool.MapDetached(t.Context(), executor(t, c), sleep, slices.Repeat([]time.Duration{5 * time.Minute}, 4), lambdapool.StartWithin(10*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			_, err = run.Wait(t.Context())
			if took := time.Since(begun); !errors.Is(err, lambdapool.ErrExpired) || took < 10*time.Minute || took > 11*time.Minute {
				t.Errorf("off by %v: after %v: %v", by, took, err)
			}
			if state, err := run.State(t.Context()); err != nil || state.Succeeded != 2 || state.Expired != 2 {
				t.Errorf("off by %v: %+v, %v", by, state, err)
			}
			c.store = shortLived{c.store, time.Now().Add(time.Hour)}
			e := executor(t, c)
			_, err = lambdapool.SubmitDetached(t.Context(), e, double, 1, lambdapool.StartWithin(44*time.Minute))
			if !errors.Is(err, lambdapool.ErrStore) || !strings.Contains(err.Error(), "StartWithin(43m0s)") {
				t.Errorf("off by %v, with credentials of an hour: %v", by, err)
			}
			if _, err := lambdapool.SubmitDetached(t.Context(), e, double, 1, lambdapool.StartWithin(43*time.Minute)); err != nil {
				t.Errorf("off by %v, within the hour: %v", by, err)
			}
		})
	}
}

// Closing the executor ends the waiting, not the run.
func TestCloseLeavesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier()
		e, err := lambdapool.New(c)
		if err != nil {
			t.Fatal(err)
		}
		run, err := lambdapool.SubmitDetached(t.Context(), e, sleep, time.Hour/6)
		if err != nil {
			t.Fatal(err)
		}
		f := run.Futures()[0]
		attached, err := e.Attach(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attached.Wait(nil); !errors.Is(err, lambdapool.ErrBadArguments) { //nolint:staticcheck // what happens then
			t.Errorf("without a context: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		var pool *lambdapool.PoolError
		if err := f.Err(); !errors.Is(err, lambdapool.ErrClosed) || !errors.As(err, &pool) || !strings.Contains(pool.Hint, run.ID()) {
			t.Errorf("%v", err)
		}
		for _, f := range attached.Futures() { // asked for too late
			if err := f.Err(); !errors.Is(err, lambdapool.ErrClosed) {
				t.Errorf("asked for after Close: %v", err)
			}
		}
		later, err := executor(t, c).Attach(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := later.Futures()[0].Result(t.Context()); err != nil || got != time.Hour/6 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
