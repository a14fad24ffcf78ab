package local_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var greet = lambdapool.Register("local_test.Greet", func(_ context.Context, name string) (int, error) {
	return fmt.Println("the agent greets", name)
})

// What agents print goes where WithLogOutput says; the other options set how
// long agents may take to start, how long they stay warm without work, what
// becomes of Event invocations that fail, and where the agents' life is told.
func Example_options() {
	b, err := local.New(
		local.WithLogOutput(os.Stdout),
		local.WithInitTimeout(5*time.Second),
		local.WithIdleTimeout(30*time.Second),
		local.WithEventRetries(time.Hour, time.Second, time.Minute),
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
