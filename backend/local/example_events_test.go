package local_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// InvokeEvent queues what nobody waits for. Executors use it for detached runs; what it
// takes is the wire form of a request.
func ExampleBackend_InvokeEvent() {
	b, err := local.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	limits := b.EventLimits()
	fmt.Println(limits.Request, limits.Age, limits.Retries)

	large := make([]byte, limits.Request+1)
	_, err = b.InvokeEvent(context.Background(), &lambdapool.Request{Payload: large})
	fmt.Println(errors.Is(err, lambdapool.ErrTooLarge))
	// Output:
	// 1048576 6h0m0s 2
	// true
}
