package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

func TestDecide(t *testing.T) {
	p := schedule.Policy{
		MaxAttempts: 3,
		MaxRejected: 5,
		Backoff:     schedule.Backoff{Base: time.Second, Max: time.Minute},
		Throttle:    schedule.Backoff{Base: 100 * time.Millisecond, Max: time.Second},
	}
	again := func(after time.Duration) schedule.Decision {
		return schedule.Decision{Reason: schedule.Again, After: after}
	}
	not := func(r schedule.Reason) schedule.Decision { return schedule.Decision{Reason: r} }

	for _, c := range []struct {
		name string
		a    schedule.Attempt
		want schedule.Decision
	}{
		{"throttled", schedule.Attempt{Throttled: true, Tries: 1}, again(50 * time.Millisecond)},
		{"throttled, whatever the outcome says", schedule.Attempt{Throttled: true, Outcome: schedule.Ran, Tries: 1}, again(50 * time.Millisecond)},
		{"throttled a hundred times is no attempt", schedule.Attempt{Throttled: true, Tries: 100}, again(500 * time.Millisecond)},
		{"throttled after all attempts", schedule.Attempt{Throttled: true, Attempts: 9, Rejected: 9, Tries: 1}, again(50 * time.Millisecond)},
		{"throttled with Retry-After", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: 2 * time.Second}, again(2050 * time.Millisecond)},
		{"throttled for good", schedule.Attempt{Throttled: true, Permanent: true, Tries: 1}, not(schedule.IsPermanent)},

		{"not run", schedule.Attempt{Outcome: schedule.NotRun, Tries: 1, Rejected: 1}, again(500 * time.Millisecond)},
		{"not run, all attempts spent before", schedule.Attempt{Outcome: schedule.NotRun, Attempts: 9, Tries: 2, Rejected: 1}, again(time.Second)},
		{"not run, too often", schedule.Attempt{Outcome: schedule.NotRun, Tries: 5, Rejected: 5}, not(schedule.AttemptsSpent)},
		{"not run and permanent", schedule.Attempt{Outcome: schedule.NotRun, Permanent: true, Tries: 1}, not(schedule.IsPermanent)},

		{"unknown", schedule.Attempt{Attempts: 1, Tries: 1}, not(schedule.MayHaveRun)},
		{"unknown, idempotent", schedule.Attempt{Idempotent: true, Attempts: 1, Tries: 1}, again(500 * time.Millisecond)},
		{"unknown, idempotent, second try", schedule.Attempt{Idempotent: true, Attempts: 2, Tries: 2}, again(time.Second)},
		{"unknown, idempotent, last", schedule.Attempt{Idempotent: true, Attempts: 3, Tries: 3}, not(schedule.AttemptsSpent)},
		{"unknown, idempotent, permanent", schedule.Attempt{Idempotent: true, Permanent: true, Attempts: 1, Tries: 1}, not(schedule.IsPermanent)},
		{"of an outcome that does not exist", schedule.Attempt{Outcome: 200, Attempts: 1, Tries: 1}, not(schedule.MayHaveRun)},

		{"ran and crashed", schedule.Attempt{Outcome: schedule.Ran, Attempts: 1, Tries: 1}, not(schedule.HasRun)},
		{"ran and crashed, idempotent", schedule.Attempt{Outcome: schedule.Ran, Idempotent: true, Attempts: 1, Tries: 1}, again(500 * time.Millisecond)},
		{"ran and crashed, idempotent, last", schedule.Attempt{Outcome: schedule.Ran, Idempotent: true, Attempts: 3, Tries: 3}, not(schedule.AttemptsSpent)},

		{"answered with an error", schedule.Attempt{Outcome: schedule.Answered, Attempts: 1, Tries: 1}, not(schedule.IsAnswer)},
		{"answered with an error, idempotent", schedule.Attempt{Outcome: schedule.Answered, Idempotent: true, Attempts: 1, Tries: 1}, not(schedule.IsAnswer)},
		{"answered with an error worth another run", schedule.Attempt{Outcome: schedule.Answered, Wanted: true, Attempts: 1, Tries: 1}, again(500 * time.Millisecond)},
		{"answered with an error worth another run, last", schedule.Attempt{Outcome: schedule.Answered, Wanted: true, Attempts: 3, Tries: 3}, not(schedule.AttemptsSpent)},

		{"no time left", schedule.Attempt{Throttled: true, Tries: 1, Left: -1}, not(schedule.OutOfTime)},
		{"Retry-After beyond the time left", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: time.Second, Left: time.Second}, not(schedule.OutOfTime)},
		{"Retry-After beyond what is believed", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: time.Hour}, again(10*time.Second + 50*time.Millisecond)},
		{"Retry-After for ever", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: schedule.Forever}, again(10*time.Second + 50*time.Millisecond)},
		{"Retry-After beyond the time left, which is long", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: time.Hour, Left: time.Minute}, again(10*time.Second + 50*time.Millisecond)},
		{"Retry-After beyond the time left, of which half is believed", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: time.Hour, Left: 6 * time.Second}, again(3*time.Second + 50*time.Millisecond)},
		{"Retry-After that the time left allows", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: 5 * time.Second, Left: 6 * time.Second}, again(5*time.Second + 50*time.Millisecond)},
		{"Retry-After in the past", schedule.Attempt{Throttled: true, Tries: 1, RetryAfter: -time.Hour}, again(50 * time.Millisecond)},
		{"the wait shrinks into the time left", schedule.Attempt{Outcome: schedule.NotRun, Tries: 4, Left: time.Second}, again(500 * time.Millisecond)},
		{"but not below Retry-After", schedule.Attempt{Outcome: schedule.NotRun, Tries: 4, RetryAfter: 800 * time.Millisecond, Left: time.Second}, again(900 * time.Millisecond)},
		{"permanent comes before time", schedule.Attempt{Permanent: true, Left: -1}, not(schedule.IsPermanent)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.a.Left == 0 {
				c.a.Left = schedule.Forever
			}
			got := p.Decide(c.a, always(0.5))
			if got != c.want {
				t.Errorf("Decide = %v after %v, want %v after %v", got.Reason, got.After, c.want.Reason, c.want.After)
			}
			if got.Retry() != (c.want.Reason == schedule.Again) {
				t.Errorf("Retry() = %v with reason %v", got.Retry(), got.Reason)
			}
		})
	}
}

// A policy that allows less than one run allows one, and the zero MaxRejected
// leaves it to the call's time.
func TestDecideZeroPolicy(t *testing.T) {
	var p schedule.Policy
	a := schedule.Attempt{Outcome: schedule.Ran, Idempotent: true, Attempts: 1, Tries: 1, Left: schedule.Forever}
	if got := p.Decide(a, always(0)); got.Reason != schedule.AttemptsSpent {
		t.Errorf("after the only attempt: %v", got.Reason)
	}
	a = schedule.Attempt{Outcome: schedule.NotRun, Rejected: 1000, Tries: 1000, Left: schedule.Forever}
	if got := p.Decide(a, always(0)); !got.Retry() {
		t.Errorf("after 1000 rejections: %v", got.Reason)
	}
}

func TestReasonString(t *testing.T) {
	seen := map[string]bool{}
	for r := schedule.Again; r <= schedule.OutOfTime; r++ {
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("reason %d is %q, want a text of its own", r, s)
		} else {
			seen[s] = true
		}
	}
	if got := schedule.Reason(200).String(); got != "unknown reason" {
		t.Errorf("Reason(200) is %q", got)
	}
}
