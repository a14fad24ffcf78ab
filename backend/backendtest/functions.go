package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
)

// The functions that the suite calls. They are registered when a program is
// linked with this package, so a test binary that runs itself as agent has them
// on both ends.
var (
	echoInt     = lambdapool.Register("backendtest.EchoInt", echo[int], lambdapool.Idempotent())
	echoInt64   = lambdapool.Register("backendtest.EchoInt64", echo[int64])
	echoUint64  = lambdapool.Register("backendtest.EchoUint64", echo[uint64])
	echoFloat   = lambdapool.Register("backendtest.EchoFloat64", echo[float64])
	echoComplex = lambdapool.Register("backendtest.EchoComplex128", echo[complex128])
	echoBool    = lambdapool.Register("backendtest.EchoBool", echo[bool])
	echoString  = lambdapool.Register("backendtest.EchoString", echo[string])
	echoBytes   = lambdapool.Register("backendtest.EchoBytes", echo[[]byte])
	echoFloats  = lambdapool.Register("backendtest.EchoFloats", echo[[]float64])
	echoStrings = lambdapool.Register("backendtest.EchoStrings", echo[[]string])
	echoArray   = lambdapool.Register("backendtest.EchoArray", echo[[3]int])
	echoMap     = lambdapool.Register("backendtest.EchoMap", echo[map[string][]int])
	echoPointer = lambdapool.Register("backendtest.EchoPointer", echo[*int])
	echoTime    = lambdapool.Register("backendtest.EchoTime", echo[time.Time])
	echoEmpty   = lambdapool.Register("backendtest.EchoEmpty", echo[struct{}])
	echoOrder   = lambdapool.Register("backendtest.EchoOrder", echo[order])

	fail       = lambdapool.Register("backendtest.Fail", failing)
	panics     = lambdapool.Register("backendtest.Panic", panicking)
	left       = lambdapool.Register("backendtest.TimeLeft", timeLeft)
	wait       = lambdapool.Register("backendtest.Wait", waiting)
	ignore     = lambdapool.Register("backendtest.IgnoreContext", ignoring)
	fill       = lambdapool.Register("backendtest.Fill", filled)
	unencoding = lambdapool.Register("backendtest.Unencodable", unencodable)
	exit       = lambdapool.Register("backendtest.Exit", exiting)
	freeze     = lambdapool.Register("backendtest.Freeze", freezing)
	peek       = lambdapool.Register("backendtest.Peek", peeking)
	hoard      = lambdapool.Register("backendtest.Hoard", hoarding)
)

func init() {
	lambdapool.RegisterFunc("backendtest.Divide", divide)
	lambdapool.RegisterFunc("backendtest.Join", joining)
	lambdapool.RegisterFunc("backendtest.Nothing", func() {})
	lambdapool.RegisterFunc("backendtest.OnlyError", errors.New)
	lambdapool.RegisterError("backendtest.ErrEmpty", errEmpty)
}

var errEmpty = errors.New("the shelf is empty")

// shelfError is an error with a type and a value to recognize, in the middle of a chain: what wraps
// it and what it wraps must arrive, too.
type shelfError struct{ shelf int }

func (e *shelfError) Error() string { return fmt.Sprintf("shelf %d: %v", e.shelf, errEmpty) }
func (e *shelfError) Unwrap() error { return errEmpty }

// order is a value with what values have: an embedded struct, pointers, slices, maps, bytes, times,
// and itself. A codec that forgets one of them changes a user's data in silence.
type order struct {
	address

	ID       uint64
	Customer *customer
	Lines    []line
	Notes    map[string]string
	Raw      []byte
	Weights  []float32
	At       time.Time
	Took     time.Duration
	Ratio    float64
	Parent   *order
}

type address struct{ Street, City string }

type customer struct {
	Name string
	Tags []string
}

type line struct {
	Item  string
	Count int32
	Price float64
}

// echo is most of the suite: what comes back must be what was sent.
func echo[T any](_ context.Context, v T) (T, error) { return v, nil }

// divide is dynamic: two arguments, a result and an error, registered without a handle.
func divide(a, b int) (int, error) {
	if b == 0 {
		return 0, errors.New("division by zero")
	}
	return a / b, nil
}

// joining is variadic.
func joining(sep string, parts ...string) string { return strings.Join(parts, sep) }

// failing returns a chain of three errors, the last of which is a registered sentinel.
func failing(_ context.Context, shelf int) (int, error) {
	return 0, fmt.Errorf("fetch: %w", &shelfError{shelf})
}

// panicking indexes beyond a slice, unless index is below 3.
func panicking(_ context.Context, index int) (int, error) { return reachOut(index), nil }

// reachOut is the frame that a panic's stack must name first.
//
//go:noinline
func reachOut(index int) int { return []int{1, 2, 3}[index] }

// timeLeft returns how long its context still lasts, the largest Duration where that has no end.
func timeLeft(ctx context.Context, _ struct{}) (time.Duration, error) {
	end, ok := ctx.Deadline()
	if !ok {
		return math.MaxInt64, nil
	}
	return time.Until(end), nil
}

// waiting waits as long as it is told and its context lets it: a well-behaved function.
func waiting(ctx context.Context, d time.Duration) (bool, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// ignoring waits whatever its context says, as a function does that computes without a look at it.
func ignoring(_ context.Context, d time.Duration) (bool, error) {
	<-time.After(d)
	return true, nil
}

// filled returns size bytes. A small argument makes a reply of any size.
func filled(_ context.Context, size int) ([]byte, error) {
	return bytes.Repeat([]byte{0xAB}, size), nil
}

// secretKey is the key of a value in a caller's context.
type secretKey struct{}

// peeking reports whether a value of its caller's context has travelled along.
func peeking(ctx context.Context, _ struct{}) (bool, error) {
	return ctx.Value(secretKey{}) != nil, nil
}

// ring can be typed but, closed to a cycle, not encoded.
type ring struct{ Next *ring }

// unencodable returns a ring that is closed.
func unencodable(_ context.Context, _ struct{}) (*ring, error) {
	r := new(ring)
	r.Next = r
	return r, nil
}

// exiting ends the agent's process, as log.Fatal deep in a library does.
func exiting(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
}

// freezing stops the agent's process without ending it: nothing in it can answer any more, not even
// that it cannot.
func freezing(ctx context.Context, _ struct{}) (bool, error) {
	stopProcess()
	<-ctx.Done()
	return false, context.Cause(ctx)
}

// hoarding takes three times the memory that the function was given, and keeps it until
// the function's time is up: whoever is to stop it may be slow to see it.
func hoarding(ctx context.Context, _ struct{}) (int, error) {
	mb, err := strconv.Atoi(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	if err != nil {
		return 0, fmt.Errorf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE: %w", err)
	}
	kept := make([]byte, 3*mb<<20)
	for i := 0; i < len(kept); i += os.Getpagesize() { // touched, and not more: a busy machine has little time for it
		kept[i] = 1
	}
	<-ctx.Done()
	runtime.KeepAlive(kept)
	return len(kept), errors.New("nobody stopped it")
}
