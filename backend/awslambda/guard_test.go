package awslambda

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Short calls look nothing up; long ones do once, and end when their reply is overdue.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lookups := 0
		g := &guard{margin: 45 * time.Second, lookup: func() time.Duration {
			lookups++
			time.Sleep(2 * time.Second)
			return 3 * time.Minute
		}}
		_, done := g.watch(t.Context())
		time.Sleep(44 * time.Second)
		done()
		synctest.Wait()
		if lookups != 0 {
			t.Errorf("%d lookups for a call of 44 s, want none", lookups)
		}

		for range 3 {
			start := time.Now()
			ctx, done := g.watch(t.Context())
			<-ctx.Done()
			if took, want := time.Since(start), 3*time.Minute+45*time.Second; took != want {
				t.Errorf("given up after %v, want %v", took, want)
			}
			var overdue *noReplyError
			if cause := context.Cause(ctx); !errors.As(cause, &overdue) {
				t.Errorf("cause %v", cause)
			}
			done()
		}

		ctx, done := g.watch(t.Context())
		time.Sleep(2 * time.Minute)
		if ctx.Err() != nil {
			t.Errorf("ended after 2 minutes: %v", context.Cause(ctx))
		}
		done()
		synctest.Wait() // whatever watches it ends with it
		if lookups != 1 {
			t.Errorf("%d lookups, want 1", lookups)
		}
	})
}

// A timeout that comes too late to be waited for ends the call at once.
func TestGuardSlowLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard{margin: time.Second, lookup: func() time.Duration {
			time.Sleep(10 * time.Second)
			return 3 * time.Second
		}}
		start := time.Now()
		ctx, done := g.watch(t.Context())
		defer done()
		<-ctx.Done()
		if took := time.Since(start); took != 11*time.Second {
			t.Errorf("given up after %v, want 11s", took)
		}
	})
}
