package lambdapool_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

var tenth = lambdapool.Register("test.tenth", func(_ context.Context, n int) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return n, nil
}, lambdapool.Idempotent())

// A coarse platform rounds up what it charges, says nothing of it, and lets requests wait.
type coarse struct {
	*inproc.Backend

	ran atomic.Int64
}

func (c *coarse) Limits() lambdapool.Limits {
	limits := c.Backend.Limits()
	limits.Granularity, limits.Workers, limits.Timeout = 100*time.Millisecond, 1, 2*time.Second
	return limits
}

func (c *coarse) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	c.ran.Add(1)
	time.Sleep(time.Second) // for an agent, at nobody's cost
	r, err := c.Backend.Invoke(ctx, req)
	if r != nil {
		r.MemoryLimit, r.Billed = 1<<30, 0
	}
	return r, err
}

// Where a platform rounds up and does not say what it charges, a budget counts the agent's time, rounded up.
func TestBudgetRoundsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coarse{Backend: inproc.New()}
		e := executor(t, c)
		if _, err := lambdapool.Call(t.Context(), e, tenth, 0); err != nil { // starts the agent
			t.Fatal(err)
		}
		c.ran.Store(0)
		got, err := lambdapool.Map(t.Context(), e, tenth, upTo(40), lambdapool.ChunkSize(1),
			lambdapool.WithBudget(lambdapool.Budget{GBSeconds: 1.05}), lambdapool.ContinueOnError())
		wantErr(t, err, lambdapool.ErrBudget)
		if n := c.ran.Load(); n != 10 || len(got) != 40 {
			t.Errorf("%d invocations and %d results; 1.05 GB-seconds pay for 10 of 100 ms with 1 GB", n, len(got))
		}
	})
}

// A dear platform says what it charges.
type dear struct{ *coarse }

func (d dear) Limits() lambdapool.Limits {
	limits := d.coarse.Limits()
	limits.PerGBSecond, limits.PerRequest = 10, 0.5
	return limits
}

// Where a platform says what it charges, dollars are its own: of budgets and of progress.
func TestDollarsOfAPlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coarse{Backend: inproc.New()}
		e := executor(t, dear{c})
		if _, err := lambdapool.Call(t.Context(), e, tenth, 0); err != nil { // starts the agent
			t.Fatal(err)
		}
		c.ran.Store(0)
		var last lambdapool.Snapshot
		_, err := lambdapool.Map(t.Context(), e, tenth, upTo(40), lambdapool.ChunkSize(1), snapshots(&last),
			lambdapool.WithBudget(lambdapool.Budget{Dollars: 15.5}), lambdapool.ContinueOnError())
		wantErr(t, err, lambdapool.ErrBudget)
		if text := err.Error(); !strings.Contains(text, "1 GB-seconds ($15) in 10 invocations") || !strings.Contains(text, "another may cost 0.1 ($1.5)") {
			t.Errorf("a bound in dollars ends with %v", err)
		}
		if n := c.ran.Load(); n != 10 || last.Cost < 14.9 || last.Cost > 15.1 {
			t.Errorf("%d invocations, $%.2f; $15.50 pay for 10 of 100 ms with 1 GB at $10, and $0.50 each", n, last.Cost)
		}
	})
}
