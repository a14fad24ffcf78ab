package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var shout = lambdapool.Register("local_test.Shout", func(_ context.Context, s string) (string, error) {
	return strings.ToUpper(s), nil
})

// main, or TestMain, has called agent.Main: this program is its own agent.
func Example() {
	b, err := local.New(local.WithConcurrency(2))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	loud, err := lambdapool.Map(context.Background(), e, shout, []string{"one", "two"})
	fmt.Println(loud, err)
	// Output: [ONE TWO] <nil>
}

var stubborn = lambdapool.Register("local_test.Stubborn", func(_ context.Context, d time.Duration) (string, error) {
	time.Sleep(d)
	return "awake", nil
})

func ExampleWithTimeout() {
	b, err := local.New(local.WithConcurrency(1), local.WithTimeout(500*time.Millisecond))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	_, err = lambdapool.Call(context.Background(), e, stubborn, time.Hour)
	fmt.Println(errors.Is(err, lambdapool.ErrTimeout))
	// Output: true
}

var mode = lambdapool.Register("local_test.Mode", func(context.Context, int) ([]string, error) {
	_, hasHome := os.LookupEnv("GOPATH") // of the client
	return []string{os.Getenv("MODE"), os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), fmt.Sprint(hasHome)}, nil
})

// Agents see what Lambda sets and what is added here, and nothing of the
// client's environment.
func ExampleWithEnv() {
	b, err := local.New(local.WithEnv(map[string]string{"MODE": "test"}), local.WithFunctionName("algorithms"))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	fmt.Println(lambdapool.Call(context.Background(), e, mode, 0))
	// Output: [test algorithms false] <nil>
}

// Any AWS client can invoke the function, too.
func ExampleBackend_Endpoint() {
	b, err := local.New(local.WithFunctionName("algorithms"))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	id, secret := b.Credentials()
	host, _, _ := strings.Cut(strings.TrimPrefix(b.Endpoint(), "http://"), ":")
	fmt.Println("AWS_ACCESS_KEY_ID has", len(id), "characters, AWS_SECRET_ACCESS_KEY", len(secret))
	fmt.Println("aws lambda invoke --endpoint-url http://" + host + ":… --function-name " + b.FunctionName())
	// Output:
	// AWS_ACCESS_KEY_ID has 20 characters, AWS_SECRET_ACCESS_KEY 40
	// aws lambda invoke --endpoint-url http://127.0.0.1:… --function-name algorithms
}

// Agents say which build they are. An executor warns of one that is another.
func ExampleBackend_Build() {
	b, err := local.New()
	if err != nil {
		panic(err)
	}
	defer b.Close()
	fmt.Println("the executable's hash has", len(b.Build()), "digits")
	// Output: the executable's hash has 32 digits
}

var remember = lambdapool.Register("local_test.Remember", func(context.Context, int) (int, error) { return os.Getpid(), nil })

// A program that makes its own agents may also run another one.
func ExampleWithBinary() {
	program, err := os.Executable() // usually the path of a built agent
	if err != nil {
		panic(err)
	}
	b, err := local.New(local.WithBinary(program), local.WithConcurrency(1))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	first, _ := lambdapool.Call(context.Background(), e, remember, 0)
	second, err := lambdapool.Call(context.Background(), e, remember, 0)
	fmt.Println("another process:", first != os.Getpid(), "reused:", first == second, err)
	// Output: another process: true reused: true <nil>
}

func ExampleWithMemory() {
	_, err := local.New(local.WithMemory(64))
	fmt.Println(err)
	// Output: lambdapool: local: memory 64 MB: must be 128 to 10240 MB
}

// Payloads that an invocation cannot carry go through a store of the backend's own.
func ExampleWithStoreSize() {
	b, err := local.New(local.WithStoreSize(1<<30), local.WithStoreThreshold(1<<20))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b.Store().Threshold(), b.StoreOption())
	// Output: 1048576 local.WithStoreSize
}
