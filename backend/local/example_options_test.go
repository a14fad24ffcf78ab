package local_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var greet = lambdapool.Register("local_test.Greet", func(_ context.Context, name string) (int, error) {
	return fmt.Println("the agent greets", name)
})

// What agents print goes where WithLogOutput says; the other options set how
// long agents may take to start, how long they stay warm without work, what
// becomes of Event invocations that fail, whether agents run on without work (Linux can
// freeze them, as Lambda does), and where the agents' life is told.
func Example_options() {
	b, err := local.New(
		local.WithLogOutput(os.Stdout),
		local.WithInitTimeout(5*time.Second),
		local.WithIdleTimeout(30*time.Second),
		local.WithIsolation(true), // the default
		local.WithEventRetries(time.Hour, time.Second, time.Minute),
		local.WithFreeze(runtime.GOOS == "linux"),
		local.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		panic(err)
	}
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	if _, err := lambdapool.Call(context.Background(), e, greet, "Ada"); err != nil {
		panic(err)
	}
	e.Close()
	b.Close() // every line has been written then
	// Output: the agent greets Ada
}

func ExampleWithShards() {
	b, err := local.New(local.WithShards(3), local.WithScalingLaw(10, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	limits := b.Limits() // of all three together
	fmt.Println(limits.Burst, "environments at once,", limits.Ramp, "more a second")
	// Output: 30 environments at once, 3 more a second
}

func ExampleWithScalingLaw() {
	_, err := local.New(local.WithScalingLaw(0, 100))
	fmt.Println(err)
	b, err := local.New(local.WithScalingLaw(10, 1)) // Lambda's own is 1,000 and 100
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b.Limits().Burst)
	// Output:
	// lambdapool: local: scaling law with a burst of 0: must be 1 to 10000
	// 10
}
