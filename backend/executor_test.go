package backend_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
)

// An executor that opened its backend closes it: goleak would see what is left.
func TestNewExecutorClosesItsBackend(t *testing.T) {
	for _, url := range []string{"inproc:", "local:?concurrency=1"} {
		e, err := backend.NewExecutor(t.Context(), url, lambdapool.WithWorkers(1))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lambdapool.Call(t.Context(), e, double, 21); err != nil || got != 42 {
			t.Errorf("%s: double(21) = %d, %v", url, got, err)
		}
		for range 2 {
			if err := e.Close(); err != nil {
				t.Errorf("%s: close: %v", url, err)
			}
		}
	}
}

// Nothing is left open by a call that fails, and the error says which part of it did.
func TestNewExecutorErrors(t *testing.T) {
	for _, tt := range []struct {
		url  string
		opt  lambdapool.Option
		want string
	}{
		{"lokal:", lambdapool.WithWorkers(1), `unknown scheme "lokal"`},
		{"local:?concurrency=1", lambdapool.WithWorkers(-3), "WithWorkers(-3)"},
		{"inproc:", nil, "an option is nil"},
	} {
		e, err := backend.NewExecutor(t.Context(), tt.url, tt.opt)
		if e != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %s", tt.url, e, err, tt.want)
		}
	}
	_, err := backend.NewExecutor(t.Context(), "inproc:", lambdapool.WithWorkers(-3))
	if !errors.Is(err, lambdapool.ErrBadArguments) {
		t.Errorf("a bad option: %v, want ErrBadArguments", err)
	}
}

func ExampleNewExecutor() {
	where := flag.String("backend", "inproc:", "inproc:, local: or lambda://NAME")
	// agent.Main() and flag.Parse() go here, in this order.

	ctx := context.Background()
	pool, err := backend.NewExecutor(ctx, *where)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close() // the backend, too

	fmt.Println(lambdapool.Map(ctx, pool, double, []int{1, 2, 3}))
	// Output: [2 4 6] <nil>
}
