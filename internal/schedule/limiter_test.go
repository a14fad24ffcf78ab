package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// at is a moment of virtual time.
func at(d time.Duration) time.Time { return epoch.Add(d) }

// fill acquires slots until the limiter says no, and returns how many and when
// to ask again.
func fill(l *schedule.Limiter, now time.Time) (n int, again time.Time) {
	for {
		ok, again := l.Acquire(now)
		if !ok {
			return n, again
		}
		n++
	}
}

// release gives n slots back.
func release(l *schedule.Limiter, n int, now time.Time, r schedule.Result) {
	for range n {
		l.Release(now, r)
	}
}

func TestAllAtOnce(t *testing.T) {
	for _, law := range []schedule.Law{{}, schedule.LambdaLaw()} {
		l := schedule.NewLimiter(1000, law)
		n, again := fill(l, epoch)
		if n != 1000 || !again.IsZero() {
			t.Fatalf("%+v: %d slots, then ask again at %v; want all 1000, then only after a Release", law, n, again)
		}
		if l.Inflight() != 1000 || l.Limit() != 1000 {
			t.Errorf("%+v: inflight %d, limit %d", law, l.Inflight(), l.Limit())
		}
		l.Release(at(time.Second), schedule.Result{Verdict: schedule.Admitted, Started: epoch})
		if ok, _ := l.Acquire(at(time.Second)); !ok {
			t.Errorf("%+v: no slot after a Release", law)
		}
	}
}

func TestAtLeastOneSlot(t *testing.T) {
	for _, workers := range []int{-1, 0, 1} {
		if n, _ := fill(schedule.NewLimiter(workers, schedule.Law{}), epoch); n != 1 {
			t.Errorf("NewLimiter(%d) has %d slots, want 1", workers, n)
		}
	}
}

// A cold function with 10,000 workers follows the scaling law: 1,000 at once,
// and 1,000 more in every 10 s, no faster and hardly slower.
func TestRamp(t *testing.T) {
	l := schedule.NewLimiter(10_000, schedule.LambdaLaw())
	for d := time.Duration(0); d <= 60*time.Second; {
		_, again := fill(l, at(d))
		law := schedule.LambdaBurst + schedule.LambdaRamp*d.Seconds()
		if got := float64(l.Inflight()); got > law || got < law-25 {
			t.Fatalf("after %v: %.0f in flight, the law allows %.0f", d, got, law)
		}
		if again.IsZero() || !again.After(at(d)) {
			t.Fatalf("after %v: ask again at %v", d, again)
		}
		d = again.Sub(epoch)
	}
}

// Environments that were started stay warm: the ramp is not paid twice.
func TestRampIsNotPaidTwice(t *testing.T) {
	l := schedule.NewLimiter(1500, schedule.LambdaLaw())
	fill(l, epoch)
	fill(l, at(10*time.Second))
	if l.Inflight() != 1500 {
		t.Fatalf("%d in flight after 10 s", l.Inflight())
	}
	release(l, 1500, at(11*time.Second), schedule.Result{Verdict: schedule.Admitted, Started: epoch})
	if n, _ := fill(l, at(11*time.Second)); n != 1500 {
		t.Errorf("%d started again at once, want all 1500", n)
	}
}

// A law whose ramp never goes on: what is not in the burst waits for a Release.
func TestRampWithoutRefill(t *testing.T) {
	l := schedule.NewLimiter(10, schedule.Law{Burst: 4})
	if n, again := fill(l, epoch); n != 4 || !again.IsZero() {
		t.Errorf("%d slots, then %v; want 4, then only after a Release", n, again)
	}
}

// Short calls: ten requests per environment and second, one second's worth of
// them at once. While nobody refuses, the limiter looks for more.
func TestRate(t *testing.T) {
	l := schedule.NewLimiter(5, schedule.Law{Rate: 10, Burst: 5})
	during := func(from, to time.Duration) (sent int) {
		for d := from; d < to; d += time.Millisecond {
			n, _ := fill(l, at(d))
			release(l, n, at(d), schedule.Result{Verdict: schedule.Admitted, Started: at(d)})
			sent += n
		}
		return sent
	}
	if n := during(0, 200*time.Millisecond); n < 59 || n > 61 {
		t.Errorf("%d requests in the first 200 ms, want 50 + 10", n)
	}
	if n := during(200*time.Millisecond, 700*time.Millisecond); n < 25 || n > 30 {
		t.Errorf("%d requests in the next 500 ms, want 25 and few more", n)
	}
	during(700*time.Millisecond, 1500*time.Millisecond)
	if fast := during(1500*time.Millisecond, 2*time.Second); fast < 30 {
		t.Errorf("%d requests in 500 ms after 1.5 s without a refusal, want at least 30", fast)
	}
}

// A thundering herd: a thousand calls, of which five hundred are refused in
// the same instant. That is one decrease, to nine tenths of what was let in.
func TestHerd(t *testing.T) {
	l := schedule.NewLimiter(1000, schedule.LambdaLaw())
	fill(l, epoch)
	refused := schedule.Result{Verdict: schedule.Refused, Started: epoch}
	release(l, 500, at(30*time.Millisecond), refused)
	if l.Limit() != 450 {
		t.Errorf("limit %d after 500 of 1000 were refused at once, want 450", l.Limit())
	}
	if ok, again := l.Acquire(at(30 * time.Millisecond)); ok || again.IsZero() {
		t.Errorf("acquire above the limit: %v, again at %v", ok, again)
	}
	if !l.Throttled(at(time.Second)) {
		t.Error("not throttled one second after a refusal")
	}
	if l.Throttled(at(time.Minute)) {
		t.Error("throttled a minute after a refusal")
	}
}

// A refusal of a request that began after the decrease decreases again.
func TestSecondDecrease(t *testing.T) {
	l := schedule.NewLimiter(100, schedule.Law{})
	fill(l, epoch)
	l.Release(at(10*time.Millisecond), schedule.Result{Verdict: schedule.Refused, Started: epoch})
	first := l.Limit()
	release(l, 50, at(20*time.Millisecond), schedule.Result{Started: epoch})
	fill(l, at(20*time.Millisecond))
	l.Release(at(30*time.Millisecond), schedule.Result{Verdict: schedule.Refused, Started: at(20 * time.Millisecond)})
	if second := l.Limit(); first != 89 || second != 79 {
		t.Errorf("limits %d and %d, want 89 and 79", first, second)
	}
}

// After a refusal the pool comes back to the level that was let in, stays
// there, and then looks for more, the longer the faster.
func TestRecovery(t *testing.T) {
	l := schedule.NewLimiter(1000, schedule.Law{})
	fill(l, epoch)
	release(l, 500, at(20*time.Millisecond), schedule.Result{Verdict: schedule.Refused, Started: epoch})
	limits := map[time.Duration]int{}
	for d := 20 * time.Millisecond; d <= 5*time.Second; d += 10 * time.Millisecond {
		fill(l, at(d))
		limits[d] = l.Limit()
	}
	if got := limits[time.Second]; got != 500 {
		t.Errorf("after 1 s: limit %d, want the 500 that were let in", got)
	}
	if got := limits[2*time.Second]; got != 500 {
		t.Errorf("after 2 s: limit %d, want still 500", got)
	}
	if got := limits[2200*time.Millisecond]; got < 505 || got > 600 {
		t.Errorf("after 2.2 s: limit %d, want a small step above 500", got)
	}
	if got := limits[5*time.Second]; got != 1000 {
		t.Errorf("after 5 s without refusals: limit %d, want all 1000", got)
	}
}

// Without demand there is no growth: nothing shows that more would be let in.
func TestNoGrowthWithoutDemand(t *testing.T) {
	l := schedule.NewLimiter(1000, schedule.Law{})
	fill(l, epoch)
	release(l, 900, at(20*time.Millisecond), schedule.Result{Verdict: schedule.Refused, Started: epoch})
	release(l, 100, at(time.Second), schedule.Result{Verdict: schedule.Admitted, Started: epoch})
	for d := time.Second; d < time.Minute; d += time.Second {
		if ok, _ := l.Acquire(at(d)); !ok {
			t.Fatalf("idle pool refuses at %v", d)
		}
		l.Release(at(d), schedule.Result{Verdict: schedule.Admitted, Started: at(d)})
	}
	if l.Limit() != 90 {
		t.Errorf("limit %d after a minute of one call at a time, want still 90", l.Limit())
	}
}

// When nothing at all is let in, the pool knocks: ever more slowly, at most
// every half second, and not before Retry-After, up to ten seconds.
func TestKnock(t *testing.T) {
	l := schedule.NewLimiter(1, schedule.Law{})
	now := epoch
	var waits []time.Duration
	for range 6 {
		if ok, again := l.Acquire(now); !ok {
			t.Fatalf("refused at %v, again at %v", now.Sub(epoch), again)
		}
		l.Release(now, schedule.Result{Verdict: schedule.Refused, Started: now})
		ok, again := l.Acquire(now)
		if ok || again.IsZero() {
			t.Fatalf("acquire at once after a refusal: %v, %v", ok, again)
		}
		waits = append(waits, again.Sub(now))
		now = again
	}
	want := []time.Duration{50, 100, 200, 400, 500, 500}
	for i := range want {
		if want[i] *= time.Millisecond; waits[i] != want[i] {
			t.Errorf("waits %v, want %v", waits, want)
			break
		}
	}

	l.Acquire(now)
	l.Release(now, schedule.Result{Verdict: schedule.Refused, Started: now, RetryAfter: 4 * time.Second})
	if _, again := l.Acquire(now); again.Sub(now) != 4*time.Second {
		t.Errorf("with Retry-After 4 s: again after %v", again.Sub(now))
	}
	now = now.Add(4 * time.Second)
	l.Acquire(now)
	l.Release(now, schedule.Result{Verdict: schedule.Admitted, Started: now})
	if ok, _ := l.Acquire(now); !ok {
		t.Error("still knocking after a success")
	}
	l.Release(now, schedule.Result{Verdict: schedule.Refused, Started: now, RetryAfter: 24 * time.Hour})
	if _, again := l.Acquire(now); again.Sub(now) != 10*time.Second {
		t.Errorf("with Retry-After one day: the whole pool waits %v, want ten seconds", again.Sub(now))
	}
}

// What a clock that runs backwards, a missing start or an indifferent end do: nothing.
func TestOddInput(t *testing.T) {
	l := schedule.NewLimiter(10, schedule.LambdaLaw())
	fill(l, at(time.Second))
	release(l, 5, epoch, schedule.Result{})
	if l.Limit() != 10 || l.Inflight() != 5 {
		t.Errorf("limit %d, inflight %d after five indifferent ends", l.Limit(), l.Inflight())
	}
	l.Release(at(2*time.Second), schedule.Result{Verdict: schedule.Refused})
	if l.Limit() != 3 {
		t.Errorf("limit %d after a refusal without a start at 4 in flight, want 3", l.Limit())
	}
}

// Whatever is refused, asking again at the time that Acquire named gets on.
func TestAskAgain(t *testing.T) {
	l := schedule.NewLimiter(2000, schedule.LambdaLaw())
	now := epoch
	n, _ := fill(l, now)
	release(l, n/2, now.Add(time.Millisecond), schedule.Result{Verdict: schedule.Refused, Started: now})
	for range 1000 {
		before := l.Inflight()
		n, again := fill(l, now)
		if again.IsZero() {
			break
		}
		if !again.After(now) {
			t.Fatalf("at %v with %d+%d in flight: ask again at %v", now.Sub(epoch), before, n, again.Sub(epoch))
		}
		now = again
	}
	if l.Inflight() != 2000 {
		t.Errorf("%d in flight after %v without another refusal, want all 2000", l.Inflight(), now.Sub(epoch))
	}
}
