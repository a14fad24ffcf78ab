package live

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/lambdapool/lambdapool/internal/engine"
)

// Variable is the environment variable that opens a page for all executors of a program: 1 or
// true, or where the page is to listen, as [Address] takes it. It works in programs that import
// this package or package backend. In agents nothing listens.
const Variable = "LAMBDAPOOL_LIVE"

func init() { //nolint:gochecknoinits // it is the environment that asks, not the program
	if value := os.Getenv(Variable); value != "" {
		engine.SetAmbient(sync.OnceValue(func() any { return fromEnvironment(value) }))
	}
}

// fromEnvironment opens the page that the environment asks for. A page that cannot be opened is no
// reason for a program not to work.
func fromEnvironment(value string) any {
	var opts []Option
	if on, err := strconv.ParseBool(value); err != nil {
		opts = append(opts, Address(value))
	} else if !on {
		return nil
	}
	page, err := Serve(context.Background(), opts...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lambdapool: no live page: %s=%s: %v\n", Variable, value, err)
		return nil
	}
	return page
}
