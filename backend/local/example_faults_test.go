package local_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var (
	charge = lambdapool.Register("local_test.Charge", func(_ context.Context, cents int) (string, error) {
		return fmt.Sprintf("charged %d", cents), nil
	})
	quote = lambdapool.Register("local_test.Quote", func(_ context.Context, cents int) (string, error) {
		return fmt.Sprintf("it costs %d", cents), nil
	}, lambdapool.Idempotent())
)

// A rehearsal: every second connection is reset when the answer is due. What
// may be run twice is; for the rest, nobody can say whether it has run.
func ExampleWithFaults() {
	b, err := local.New(local.WithFaults(local.Faults{Seed: 5, ResetAfter: 0.5}))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b, lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 10, BaseDelay: time.Millisecond}))
	if err != nil {
		panic(err)
	}
	defer e.Close()

	for range 20 {
		if _, err := lambdapool.Call(context.Background(), e, quote, 100); err != nil {
			panic(err)
		}
	}
	unknown := 0
	for range 20 {
		_, err := lambdapool.Call(context.Background(), e, charge, 100)
		if errors.Is(err, lambdapool.ErrUnknownOutcome) {
			unknown++
		}
	}
	fmt.Println("some charges are in doubt:", unknown > 0)
	fmt.Println("some quotes were made again:", b.FaultCounts()[local.FaultResetAfter] > int64(unknown))
	// Output:
	// some charges are in doubt: true
	// some quotes were made again: true
}
