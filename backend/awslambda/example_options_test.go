package awslambda_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// call runs one call on a service that stands for AWS.
func call(opts ...awslambda.Option) {
	service := lambdaService()
	defer service.Close()
	ctx := context.Background()
	b, err := awslambda.New(ctx, "algorithms", append([]awslambda.Option{
		awslambda.WithRegion("eu-central-1"),
		awslambda.WithEndpoint(service.URL),
		awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""),
		awslambda.WithFunctionTimeout(time.Minute),
	}, opts...)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	fmt.Println(lambdapool.Call(ctx, e, square, 9))
}

func ExampleWithClientLog() {
	// Request ids, durations and outcomes; never credentials, arguments or results.
	call(awslambda.WithClientLog(slog.New(slog.DiscardHandler)))
	// Output: 81 <nil>
}

func ExampleWithHTTPTransport() {
	// For what the options do not cover, such as a proxy that asks for a header.
	call(awslambda.WithHTTPTransport(func(t *http.Transport) {
		t.ProxyConnectHeader = http.Header{"X-Team": {"genomics"}}
	}))
	// Output: 81 <nil>
}

func ExampleWithLogTail() {
	// Without the end of the log a reply is smaller, and a crash harder to explain.
	call(awslambda.WithLogTail(false))
	// Output: 81 <nil>
}

func ExampleWithTenantID() {
	// For functions whose environments are isolated by tenant.
	call(awslambda.WithTenantID("customer-17"))
	// Output: 81 <nil>
}

func ExampleWithProfile() {
	_, err := awslambda.New(context.Background(), "algorithms", awslambda.WithProfile(""))
	fmt.Println(err)
	// Output: lambdapool: open Lambda function "algorithms": WithProfile: empty profile (leave the option out to use the default one)
}

func ExampleWithShards() {
	service := lambdaService()
	defer service.Close()
	b, err := awslambda.New(context.Background(), "algorithms",
		awslambda.WithRegion("eu-central-1"), awslambda.WithEndpoint(service.URL), awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""),
		awslambda.WithShards(10)) // algorithms, algorithms-1 … algorithms-9
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	limits := b.Limits()
	fmt.Println(limits.Burst, "environments at once,", limits.Ramp, "more a second")
	// Output: 10000 environments at once, 1000 more a second
}

// Who wants to know when the shards have been found waits for their limits.
func ExampleBackend_WatchLimits() {
	service := lambdaService()
	defer service.Close()
	b, err := awslambda.New(context.Background(), "algorithms",
		awslambda.WithRegion("eu-central-1"), awslambda.WithEndpoint(service.URL), awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""),
		awslambda.WithShards(10)) // without it they are 1,000 at first
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	stop := b.WatchLimits(func(limits lambdapool.Limits) { fmt.Println(limits.Burst, "environments at once") })
	defer stop()
	// Output: 10000 environments at once
}
