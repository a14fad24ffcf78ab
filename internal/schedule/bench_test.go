package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// One invocation's share of the limiter: an Acquire and a Release.
func BenchmarkLimiter(b *testing.B) {
	for _, c := range []struct {
		name string
		law  schedule.Law
	}{{"NoLaw", schedule.Law{}}, {"LambdaLaw", schedule.LambdaLaw()}} {
		b.Run(c.name, func(b *testing.B) {
			l := schedule.NewLimiter(1000, c.law)
			now := epoch
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				if ok, _ := l.Acquire(now); !ok {
					b.Fatal("no slot")
				}
				l.Release(now, schedule.Result{Verdict: schedule.Admitted, Started: now})
			}
		})
	}
}

// An Acquire that finds all slots taken.
func BenchmarkLimiterFull(b *testing.B) {
	l := schedule.NewLimiter(1000, schedule.LambdaLaw())
	fill(l, epoch)
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if ok, _ := l.Acquire(now); ok {
			b.Fatal("a slot")
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	p := schedule.DefaultPolicy()
	a := schedule.Attempt{Throttled: true, Tries: 3, Left: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		if d := p.Decide(a, always(0.5)); !d.Retry() {
			b.Fatal(d.Reason)
		}
	}
}
