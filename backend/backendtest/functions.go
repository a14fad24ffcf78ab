package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
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

// shelfError is an error with a type and a value to recognize.
type shelfError struct{ shelf int }

func (e *shelfError) Error() string { return fmt.Sprintf("shelf %d: %v", e.shelf, errEmpty) }
func (e *shelfError) Unwrap() error { return errEmpty }

// order is a value with what values have.
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

func echo[T any](_ context.Context, v T) (T, error) { return v, nil }

func divide(a, b int) (int, error) {
	if b == 0 {
		return 0, errors.New("division by zero")
	}
	return a / b, nil
}

func joining(sep string, parts ...string) string { return strings.Join(parts, sep) }

func failing(_ context.Context, shelf int) (int, error) {
	return 0, fmt.Errorf("fetch: %w", &shelfError{shelf})
}

func panicking(_ context.Context, index int) (int, error) { return reachOut(index), nil }

// reachOut is the frame that a panic's stack must name first.
//
//go:noinline
func reachOut(index int) int { return []int{1, 2, 3}[index] }

func timeLeft(ctx context.Context, _ struct{}) (time.Duration, error) {
	end, ok := ctx.Deadline()
	if !ok {
		return math.MaxInt64, nil
	}
	return time.Until(end), nil
}

// waiting waits as long as it is told and its context lets it.
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

// ignoring waits whatever its context says.
func ignoring(_ context.Context, d time.Duration) (bool, error) {
	<-time.After(d)
	return true, nil
}

func filled(_ context.Context, size int) ([]byte, error) {
	return bytes.Repeat([]byte{0xAB}, size), nil
}

// secretKey is the key of a value in a caller's context.
type secretKey struct{}

func peeking(ctx context.Context, _ struct{}) (bool, error) {
	return ctx.Value(secretKey{}) != nil, nil
}

// ring can be typed but, closed to a cycle, not encoded.
type ring struct{ Next *ring }

func unencodable(_ context.Context, _ struct{}) (*ring, error) {
	r := new(ring)
	r.Next = r
	return r, nil
}

func exiting(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
}

func freezing(ctx context.Context, _ struct{}) (bool, error) {
	stopProcess()
	<-ctx.Done()
	return false, context.Cause(ctx)
}

// hoarding takes three times the memory that the function was given, unless it
// is stopped.
func hoarding(ctx context.Context, _ struct{}) (int, error) {
	mb, err := strconv.Atoi(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	if err != nil {
		return 0, fmt.Errorf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE: %w", err)
	}
	var kept [][]byte
	for range 3 * mb {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		if ctx.Err() != nil {
			break
		}
	}
	return len(kept), errors.New("nobody stopped it")
}
