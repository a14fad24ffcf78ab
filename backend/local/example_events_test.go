package local_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// A detached run on a day when Lambda delivers many events twice, and agents die: each
// call has one result all the same.
func ExampleFaults_events() {
	b, err := local.New(
		local.WithFaults(local.Faults{Seed: 1, EventDuplicate: 0.5, EventCrash: 0.3}),
		local.WithEventRetries(time.Hour, 10*time.Millisecond, 10*time.Millisecond), // Lambda waits for minutes
	)
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()

	ctx := context.Background()
	run, err := lambdapool.MapDetached(ctx, e, quote, []int{100, 200, 300, 400, 500, 600, 700, 800, 900}, lambdapool.ChunkSize(1))
	if err != nil {
		panic(err)
	}
	prices, err := run.Wait(ctx)
	fmt.Println(len(prices), prices[8], err)
	counts := b.FaultCounts()
	fmt.Println("some were delivered twice:", counts[local.FaultEventDuplicate] > 0)
	fmt.Println("some agents died:", counts[local.FaultEventCrash] > 0)
	// Output:
	// 9 it costs 900 <nil>
	// some were delivered twice: true
	// some agents died: true
}
