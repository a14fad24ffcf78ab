package awslambda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

var square = lambdapool.Register("awslambda.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

// lambdaService stands for AWS in the examples.
func lambdaService() *httptest.Server {
	h := agent.NewHandler(lambdapool.DefaultRegistry)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		reply, err := h.Invoke(r.Context(), payload)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(reply)
	}))
}

func ExampleNew() {
	service := lambdaService()
	defer service.Close()

	ctx := context.Background()
	// On AWS the name is enough: awslambda.New(ctx, "algorithms").
	b, err := awslambda.New(ctx, "algorithms:live",
		awslambda.WithRegion("eu-central-1"),
		awslambda.WithEndpoint(service.URL),
		awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""),
		awslambda.WithWorkers(100),
		awslambda.WithFunctionTimeout(time.Minute))
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
	fmt.Println(lambdapool.Map(ctx, e, square, []int{1, 2, 3, 4}))
	// Output: [1 4 9 16] <nil>
}

func ExampleWithConfig() {
	cfg := aws.Config{
		Region:      "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}
	b, err := awslambda.New(context.Background(), "algorithms", awslambda.WithConfig(cfg))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b.Limits().Workers, "workers")
	// Output: 256 workers
}

// What an attempt that failed says: whether the function ran, and what to do.
func ExampleBackend_Invoke() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}`)
	}))
	defer service.Close()

	b, err := awslambda.New(context.Background(), "algorithms",
		awslambda.WithRegion("eu-central-1"),
		awslambda.WithEndpoint(service.URL),
		awslambda.WithStaticCredentials("AKIDEXAMPLE", "secret", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	_, err = b.Invoke(context.Background(), &lambdapool.Request{Payload: []byte(`"…"`)})
	var failed *lambdapool.InvokeError
	if errors.As(err, &failed) {
		fmt.Println(failed.Outcome, failed.RetryAfter, failed.Reason)
		fmt.Println(errors.Is(err, lambdapool.ErrThrottled), failed.Permanent)
		fmt.Println(failed.Hint)
	}
	// Output:
	// not run 2s ReservedFunctionConcurrentInvocationLimitExceeded
	// true false
	// lower the number of workers, or raise the concurrency limit
}

func ExampleNew_mistake() {
	_, err := awslambda.New(context.Background(), "algorithms:live",
		awslambda.WithQualifier("7"))
	fmt.Println(err)
	// Output: lambdapool: open Lambda function "algorithms:live": WithQualifier: "7", but the name says "live"
}

// What an invocation cannot carry goes through a bucket.
func ExampleWithBucket() {
	b, err := awslambda.New(context.Background(), "algorithms",
		awslambda.WithRegion("eu-central-1"), awslambda.WithStaticCredentials("AKIA…", "…", ""),
		awslambda.WithBucket("payloads", awslambda.Prefix("team-a"), awslambda.Threshold(1<<20), awslambda.SSEKMS("alias/payloads"),
			awslambda.BucketRegion("eu-west-1")))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	link, err := b.Store().LinkGet(context.Background(), "run/1.request", time.Minute)
	fmt.Println(link, err)
	fmt.Println(b.StoreOption(), b.Store().Threshold())
	// Output:
	// https://payloads.s3.eu-west-1.amazonaws.com/team-a/run/1.request?… <nil>
	// awslambda.WithBucket 1048576
}

// Any store that speaks S3's protocol will do.
func ExampleBucketEndpoint() {
	b, err := awslambda.New(context.Background(), "algorithms",
		awslambda.WithRegion("eu-central-1"), awslambda.WithStaticCredentials("AKIA…", "…", ""),
		awslambda.WithBucket("payloads", awslambda.BucketEndpoint("https://s3.example.org"), awslambda.PathStyle(), awslambda.SSES3()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	link, err := b.Store().LinkPut(context.Background(), "run/1.reply", time.Minute)
	fmt.Println(link, link.Header, err)
	// Output:
	// https://s3.example.org/payloads/lambdapool/run/1.reply?… map[X-Amz-Server-Side-Encryption:AES256] <nil>
}

// What a crash leaves in the bucket is removed by a rule.
