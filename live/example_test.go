package live_test

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/live"
)

// A page of all that an executor does. Its address is printed as one line on os.Stderr.
func ExampleServe() {
	ctx := context.Background()
	page, err := live.Serve(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Close()
	pool, err := lambdapool.New(inproc.New(), page)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	halves, err := lambdapool.Map(ctx, pool, half, []int{2, 4, 6})
	fmt.Println(halves, err)
	// Output: [1 2 3] <nil>
}

// A page of one run: an executor's other runs are not shown.
func ExamplePage() {
	ctx := context.Background()
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	page, err := live.Serve(ctx, live.Output(io.Discard))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Close()
	for n, err := range lambdapool.Stream(ctx, pool, half, func(yield func(int) bool) { _ = yield(2) && yield(4) }, page) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}

// The same port every time, for a bookmark or a forwarded port.
func ExampleAddress() {
	_, err := live.Serve(context.Background(), live.Address("0.0.0.0:8080"))
	fmt.Println(err)
	// Output: live.Address("0.0.0.0:8080"): not on the loopback interface; give 127.0.0.1 or localhost, and forward the port for other machines
}

// The address goes where the program's other messages go.
func ExampleOutput() {
	page, err := live.Serve(context.Background(), live.Output(io.Discard))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Close()
	address, err := url.Parse(page.URL())
	fmt.Println(address.Hostname(), err)
	// Output: 127.0.0.1 <nil>
}

// A page ends with its context, or when it is closed. The executor goes on without it.
func ExamplePage_Close() {
	ctx := context.Background()
	page, err := live.Serve(ctx, live.Output(io.Discard))
	if err != nil {
		fmt.Println(err)
		return
	}
	pool, err := lambdapool.New(inproc.New(), page)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	page.Close()
	fmt.Println(lambdapool.Call(ctx, pool, half, 4))
	// Output: 2 <nil>
}

// A detached run that another program has begun.
func ExamplePage_Follow() {
	ctx := context.Background()
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	run, err := lambdapool.MapDetached(ctx, pool, half, []int{2, 4}, lambdapool.RunName("nightly"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer run.Close()
	page, err := live.Serve(ctx, live.Output(io.Discard))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Close()
	fmt.Println(page.Follow(ctx, pool, "nightly"))
	// Output: <nil>
}
