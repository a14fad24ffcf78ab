package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/driver"
)

// A loopback hands every request to an agent in this process: the least that a backend can be. One for
// a platform sends req.Payload over the network instead, and says of each failure what is known.
type loopback struct{ agent *agent.Handler }

var _ driver.Backend = loopback{}

func (b loopback) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	reply, err := b.agent.Invoke(ctx, req.Payload)
	var bad *agent.BadRequestError
	switch {
	case errors.As(err, &bad):
		return nil, &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrDecode, Err: err, Permanent: true}
	case err != nil:
		return nil, &driver.InvokeError{Outcome: driver.OutcomeUnknown, Kind: driver.ErrUnknownOutcome, Err: err}
	}
	return &driver.Response{Payload: reply}, nil
}

func (loopback) Limits() driver.Limits {
	return driver.Limits{Workers: 4, Request: 6 << 20, Response: 6 << 20}
}

func ExampleBackend() {
	registry := lambdapool.NewRegistry()
	upper := lambdapool.RegisterIn(registry, "upper", func(_ context.Context, s string) (string, error) {
		return strings.ToUpper(s), nil
	})
	pool, err := lambdapool.New(loopback{agent.NewHandler(registry)}, lambdapool.WithRegistry(registry))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	fmt.Println(lambdapool.Map(context.Background(), pool, upper, []string{"a", "b"}))
	// Output: [A B] <nil>
}

// An agent of another kind calls functions like this.
func ExampleFunction_Call() {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(registry, "fail", func() error { return fs.ErrNotExist })
	f, _ := registry.Lookup("fail")
	fmt.Println(f.Name(), f.Shape(), f.Idempotent())
	_, err := f.Call(context.Background(), nil)
	fmt.Println(registry.ErrorCodes(err))
	// Output:
	// fail func() false
	// [fs.ErrNotExist]
}

// Names of parameters and bodies may differ; what travels may not.
func ExampleFunction_Fingerprint() {
	client, agent := lambdapool.NewRegistry(), lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(client, "scale", func(x, factor float64) float64 { return x * factor })
	lambdapool.RegisterFuncIn(agent, "scale", func(x float64, by float32) float64 { return x * float64(by) })
	mine, _ := client.Lookup("scale")
	theirs, _ := agent.Lookup("scale")
	fmt.Println(mine.Fingerprint() == theirs.Fingerprint())
	// Output: false
}

func ExampleFunction_Signature() {
	registry := lambdapool.NewRegistry()
	type point struct{ X, Y float64 }
	lambdapool.RegisterFuncIn(registry, "norm", func(p point) float64 { return math.Hypot(p.X, p.Y) })
	norm, _ := registry.Lookup("norm")
	fmt.Println(norm.Shape())
	fmt.Println(norm.Signature())
	// Output:
	// func(driver_test.point) float64
	// func(driver_test.point{X float64; Y float64}) float64
}

func ExampleRegistry_Functions() {
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(registry, "upper", strings.ToUpper)
	lambdapool.RegisterFuncIn(registry, "fields", strings.Fields)
	for _, f := range registry.Functions() {
		fmt.Println(f.Name(), f.Shape())
	}
	// Output:
	// fields func(string) []string
	// upper func(string) string
}

func ExampleRegistry_ErrorValue() {
	_, ok := lambdapool.NewRegistry().ErrorValue(&fs.PathError{Op: "open"})
	fmt.Println(ok) // its type was not registered there
	// Output: false
}

// A fleet finds more functions after it was opened, and executors start as many agents more.
type fleet struct {
	loopback
	found chan int
}

var _ driver.LimitsWatcher = fleet{}

func (b fleet) WatchLimits(f func(driver.Limits)) (stop func()) {
	f(b.Limits())
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		limits := b.Limits()
		for {
			select {
			case limits.Burst = <-b.found:
				f(limits)
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended); <-over }
}

func ExampleLimitsWatcher() {
	b := fleet{found: make(chan int)}
	stop := b.WatchLimits(func(limits driver.Limits) { fmt.Println(limits.Burst, "agents at once") })
	b.found <- 2000
	stop()
	// Output:
	// 0 agents at once
	// 2000 agents at once
}
