// Package work is what the agent of the smoke test can do, and its client can ask for.
package work

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambdapool/lambdapool"
)

// Echo returns what it is given.
var Echo = lambdapool.Register("smoke.Echo", func(_ context.Context, data []byte) ([]byte, error) { return data, nil }, lambdapool.Idempotent())

// Square takes a fifth of a second, so that calls overlap, and squares.
var Square = lambdapool.Register("smoke.Square", func(_ context.Context, n int) (int, error) {
	<-time.After(200 * time.Millisecond)
	return n * n, nil
}, lambdapool.Idempotent())

// Exit ends its agent.
var Exit = lambdapool.Register("smoke.Exit", func(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
})

// Hoard takes that many megabytes, and writes to each: untouched memory is none. Then it waits for
// its end, since whoever watches the memory may be slow to see it.
var Hoard = lambdapool.Register("smoke.Hoard", func(ctx context.Context, mb int) (int, error) {
	all := make([][]byte, mb)
	for i := range all {
		all[i] = make([]byte, 1<<20)
		for at := range all[i] {
			all[i][at] = 1
		}
	}
	<-ctx.Done() // who watches has the time to
	return len(all), errors.New("nobody stopped it")
})

// Linger ignores its deadline.
var Linger = lambdapool.Register("smoke.Linger", func(_ context.Context, d time.Duration) (int, error) {
	<-time.After(d)
	return 0, nil
})

// RawVariable makes an agent a plain handler, without lambdapool: "reply" answers N with N bytes of
// all values, "init" ends before it asks for work.
const RawVariable = "SMOKE_RAW"

// A RawJob says how long the reply of a plain handler is to be. A payload that is none, such as one
// that is only large, is answered with the byte '0'.
type RawJob struct {
	N int `json:"n"`
}

// Raw serves as the variable says, and returns if it says nothing.
func Raw() {
	switch os.Getenv(RawVariable) {
	case "reply":
		lambda.Start(rawHandler{})
	case "init":
		os.Exit(3)
	}
}

// Pattern is n bytes, of all values.
func Pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}
