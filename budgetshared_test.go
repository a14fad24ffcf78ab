package lambdapool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// stray is a step that heeds no context, and brings no answer: so it may have cost the most there is.
func stray(after time.Duration) step {
	return func(context.Context, func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
		time.Sleep(after)
		return nil, errors.New("reset")
	}
}

// A run that waits for a worker ends when another one of the same function has spent the budget above them. It was
// affordable when it began, and nothing of its own can land.
func TestBudgetSpentByASiblingRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e *lambdapool.Executor
		var first, second error
		reg := lambdapool.NewRegistry()
		leaf := lambdapool.RegisterIn(reg, "leaf", func(_ context.Context, d time.Duration) (time.Duration, error) {
			time.Sleep(d)
			return d, nil
		})
		parent := lambdapool.RegisterIn(reg, "parent", func(ctx context.Context, n int) (int, error) {
			_, first = lambdapool.Map(ctx, e, leaf, []time.Duration{0}, lambdapool.CallTimeout(time.Second))
			_, second = lambdapool.Map(ctx, e, leaf, []time.Duration{0})
			return n, nil
		})
		b := &scripted{Backend: inproc.New()}
		run := func(_ context.Context, run func() (*lambdapool.Response, error)) (*lambdapool.Response, error) {
			return run()
		}
		b.script = []step{run, run, stray(10 * time.Second)} // the last is of the first run below
		e = executor(t, b, lambdapool.WithRegistry(reg), lambdapool.WithWorkers(2))
		held := lambdapool.Submit(t.Context(), e, leaf, time.Minute) // the second worker: else a function that waits lends its own
		synctest.Wait()
		_, err := lambdapool.Map(t.Context(), e, parent, []int{1}, lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 1}))
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, first, lambdapool.ErrTimeout)
		wantErr(t, second, lambdapool.ErrBudget)
		if n := b.attempts(); n != 3 {
			t.Errorf("%d invocations, want 3: the second run sends nothing", n)
		}
		if _, err := held.Result(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
