package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A law that becomes known late allows at once what it would have allowed from the beginning.
func TestExtend(t *testing.T) {
	one, ten := schedule.Law{Burst: 10, Ramp: 1, Rate: 10}, schedule.Law{Burst: 100, Ramp: 10, Rate: 10}
	l := schedule.NewLimiter(1000, one)
	if n, _ := fill(l, epoch); n != 10 {
		t.Fatalf("%d started by the first law", n)
	}
	l.Extend(at(40*time.Millisecond), ten)
	if n, again := fill(l, at(40*time.Millisecond)); n != 90 || again.Sub(epoch) > 300*time.Millisecond+time.Microsecond {
		t.Errorf("%d more, then at %v; want 90, and another one each tenth of a second, a fifth late", n, again.Sub(epoch))
	}
	if n, _ := fill(l, at(2200*time.Millisecond)); n != 20 {
		t.Errorf("%d in the next two seconds, want 20", n)
	}
	// Ten requests per second for each environment: of those 120 all may be asked for again at once, and more.
	release(l, 120, at(2300*time.Millisecond), schedule.Result{Verdict: schedule.Admitted, Started: epoch})
	sent := 0
	for now := at(2300 * time.Millisecond); ; sent++ {
		if ok, _ := l.Acquire(now); !ok {
			break
		}
		l.Release(now, schedule.Result{Verdict: schedule.Admitted, Started: now})
	}
	if sent < 900 {
		t.Errorf("%d requests at once, the law allows 1,000 in a second", sent)
	}

	// What was learned stays, and a law may begin and end.
	l = schedule.NewLimiter(100, schedule.Law{})
	n, _ := fill(l, epoch)
	l.Release(at(time.Millisecond), schedule.Result{Verdict: schedule.Refused, Started: epoch})
	limit := l.Limit()
	l.Extend(at(time.Millisecond), one)
	release(l, n-1, at(2*time.Millisecond), schedule.Result{Verdict: schedule.Admitted, Started: epoch})
	if n, _ := fill(l, at(2*time.Millisecond)); l.Limit() != limit || n != 10 {
		t.Errorf("limit %d, want %d; %d started by the law of ten", l.Limit(), limit, n)
	}
	l.Extend(at(3*time.Millisecond), schedule.Law{})
	if n, _ := fill(l, at(3*time.Millisecond)); n != limit-10 {
		t.Errorf("%d started without a law, want %d", n, limit-10)
	}
}

// A law that allows less holds from then on, for environments and for requests.
func TestExtendToLess(t *testing.T) {
	l := schedule.NewLimiter(1000, schedule.LambdaLaw())
	l.Extend(epoch, schedule.Law{Burst: 10, Ramp: 1, Rate: 2})
	sent := 0
	for ok, _ := l.Acquire(epoch); ok; ok, _ = l.Acquire(epoch) {
		l.Release(epoch, schedule.Result{Verdict: schedule.Admitted, Started: epoch})
		sent++
	}
	if sent != 20 {
		t.Errorf("%d requests at once, want two for each of ten environments", sent)
	}
	if n, _ := fill(l, at(time.Second)); n > 11 {
		t.Errorf("%d environments after a second, want 11 at most", n)
	}
}
