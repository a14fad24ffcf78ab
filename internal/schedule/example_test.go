package schedule_test

import (
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

func ExampleLimiter() {
	now := time.Now()
	l := schedule.NewLimiter(3, schedule.LambdaLaw())
	for range 4 {
		ok, _ := l.Acquire(now)
		fmt.Println(ok)
	}
	l.Release(now.Add(time.Second), schedule.Result{Verdict: schedule.Admitted, Started: now})
	ok, _ := l.Acquire(now.Add(time.Second))
	fmt.Println(ok, l.Inflight())
	// Output:
	// true
	// true
	// true
	// false
	// true 3
}

func ExamplePolicy_Decide() {
	p := schedule.DefaultPolicy()
	never := func() float64 { return 0 } // chance, without any
	for _, a := range []schedule.Attempt{
		{Throttled: true, RetryAfter: time.Second, Tries: 7},
		{Outcome: schedule.Unknown, Attempts: 1, Tries: 1},
		{Outcome: schedule.Unknown, Attempts: 1, Tries: 1, Idempotent: true},
		{Outcome: schedule.NotRun, Permanent: true, Tries: 1},
	} {
		a.Left = time.Minute
		d := p.Decide(a, never)
		fmt.Println(d.Retry(), d.After, d.Reason)
	}
	// Output:
	// true 1s is tried again
	// false 0s it may have run and is not idempotent
	// true 0s is tried again
	// false 0s the same request cannot succeed
}
