package shards_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/shards"
)

func failed(outcome driver.Outcome, kind error) *driver.InvokeError {
	return &driver.InvokeError{Outcome: outcome, Kind: kind, Err: errors.New("said the platform"), Permanent: kind != driver.ErrThrottled}
}

// What an error says about its shard, and what it then says about the request.
func TestRouterReadsErrors(t *testing.T) {
	for _, tt := range []struct {
		name      string
		err       *driver.InvokeError
		elsewhere bool
	}{
		{"throttled", failed(driver.OutcomeNotRun, driver.ErrThrottled), true},
		{"missing", failed(driver.OutcomeNotRun, driver.ErrFunctionNotFound), true},
		{"not allowed", failed(driver.OutcomeNotRun, driver.ErrAccessDenied), true},
		{"does not start", failed(driver.OutcomeNotRun, driver.ErrAgentCrashed), true},
		{"no memory to start in", failed(driver.OutcomeNotRun, driver.ErrOutOfMemory), true},
		{"too large", failed(driver.OutcomeNotRun, driver.ErrTooLarge), false}, // for all of them
		{"crashed", failed(driver.OutcomeRan, driver.ErrAgentCrashed), false},
		{"lost", failed(driver.OutcomeUnknown, driver.ErrUnknownOutcome), false},
	} {
		r := shards.NewRouter(3, 30, schedule.LambdaLaw())
		permanent := tt.err.Permanent
		r.Ended(r.Take(epoch), epoch, at(time.Millisecond), tt.err)
		if tt.err.Elsewhere != tt.elsewhere || tt.err.Permanent != (permanent && !tt.elsewhere) {
			t.Errorf("%s: elsewhere %v, permanent %v", tt.name, tt.err.Elsewhere, tt.err.Permanent)
		}
	}
	r := shards.NewRouter(3, 30, schedule.LambdaLaw())
	r.Ended(r.Take(epoch), epoch, at(time.Millisecond), nil)
}

// When no shard is left the error is what it was.
func TestRouterOfMissingFunction(t *testing.T) {
	r := shards.NewRouter(2, 10, schedule.LambdaLaw())
	for want := true; ; want = false {
		e := failed(driver.OutcomeNotRun, driver.ErrFunctionNotFound)
		r.Ended(r.Take(epoch), epoch, epoch, e)
		if e.Elsewhere != want || e.Permanent == want {
			t.Errorf("elsewhere %v, permanent %v", e.Elsewhere, e.Permanent)
		}
		if !want {
			return
		}
	}
}

func TestRouterQueuesEvents(t *testing.T) {
	r := shards.NewRouter(2, 10, schedule.LambdaLaw())
	missing := failed(driver.OutcomeNotRun, driver.ErrFunctionNotFound)
	first := r.TakeEvent(epoch)
	r.Queued(first, epoch, epoch, missing)
	if !missing.Elsewhere {
		t.Error("the other one can queue it")
	}
	for range 3 {
		i := r.TakeEvent(epoch)
		if i == first {
			t.Error("sent to the shard that is missing")
		}
		r.Queued(i, epoch, epoch, nil)
	}
	full := failed(driver.OutcomeNotRun, driver.ErrThrottled)
	r.Queued(r.TakeEvent(epoch), epoch, epoch, full)
	if full.Elsewhere {
		t.Error("a throttle of an event is retried as any, which goes to the next shard")
	}
	if i := r.TakeEvent(at(time.Second)); i == first {
		r.Queued(i, at(time.Second), at(time.Second), nil)
	}
}

// Shards that are found later take what comes then, and those in flight end on the one that they began on.
func TestRouterGrows(t *testing.T) {
	r := shards.NewRouter(1, 10, schedule.Law{Burst: 2, Ramp: 1})
	for range 3 {
		if i := r.Take(epoch); i != 0 {
			t.Fatalf("shard %d of one", i)
		}
	}
	r.Grow(3)
	r.Grow(2) // says nothing new
	got := make([]int, 3)
	for range 4 {
		got[r.Take(epoch)]++
	}
	if want := []int{0, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("then %v were taken, want %v: the first is full", got, want)
	}
	missing := failed(driver.OutcomeNotRun, driver.ErrFunctionNotFound)
	r.Ended(0, epoch, at(time.Millisecond), missing)
	if !missing.Elsewhere {
		t.Error("another shard has been found")
	}
}

func TestLawOf(t *testing.T) {
	if law := shards.LawOf(t.Context()); law != schedule.LambdaLaw() {
		t.Errorf("by default %+v", law)
	}
	own := schedule.Law{Burst: 5, Ramp: 2}
	if law := shards.LawOf(shards.WithLaw(t.Context(), own)); law != own {
		t.Errorf("%+v, want %+v", law, own)
	}
}
