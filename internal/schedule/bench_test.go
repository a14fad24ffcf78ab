package schedule_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

func BenchmarkLimiter(b *testing.B) {
	for _, c := range []struct {
		name string
		law  schedule.Law
	}{{"NoLaw", schedule.Law{}}, {"LambdaLaw", schedule.LambdaLaw()}} {
		b.Run(c.name, func(b *testing.B) {
			l := schedule.NewLimiter(1000, c.law)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				if ok, _ := l.Acquire(now); !ok {
					b.Fatal("refused")
				}
				l.Release(now, schedule.Result{Verdict: schedule.Admitted, Started: now})
			}
		})
	}
}
