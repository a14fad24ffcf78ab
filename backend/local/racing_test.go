package local_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/lambdapool/lambdapool/backend/local"
)

// Of those who change the same revision, one wins, and the others hear of it.
func TestRacingUpdates(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, newFunction("demo", script("one")))
	before, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var memory, timeout atomic.Int32
	var wg sync.WaitGroup
	for i := range int32(8) {
		wg.Go(func() {
			out, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
				FunctionName: name, MemorySize: aws.Int32(200 + i), Timeout: aws.Int32(10 + i), RevisionId: before.RevisionId,
			})
			if err == nil {
				won.Add(1)
				memory.Store(*out.MemorySize)
				timeout.Store(*out.Timeout)
				return
			}
			if apiErr, ok := errors.AsType[smithy.APIError](err); !ok || apiErr.ErrorCode() != "PreconditionFailedException" {
				t.Errorf("a loser heard %v", err)
			}
		})
	}
	wg.Wait()
	after, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil || won.Load() != 1 || *after.MemorySize != memory.Load() || *after.Timeout != timeout.Load() || memory.Load()-timeout.Load() != 190 {
		t.Errorf("%d won, with %d MB and %d s; now it has %d and %d: %v", won.Load(), memory.Load(), timeout.Load(), *after.MemorySize, *after.Timeout, err)
	}
}

// Of those who create the same function, one does.
func TestRacingCreations(t *testing.T) {
	t.Parallel()
	c := serve(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := c.CreateFunction(t.Context(), newFunction("demo", script(fmt.Sprint(i))))
			if err == nil {
				won.Add(1)
				return
			}
			refused(t, err, "ResourceConflictException", "Function already exist: demo")
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d created it", won.Load())
	}
}

// No invocation fails because its function changes.
func TestInvocationsDuringUpdates(t *testing.T) {
	t.Parallel()
	c := serve(t)
	in := handlerFunction("demo")
	in.Publish = true
	c.create(t, in)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var calls atomic.Int32
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, result := c.call(t, "demo", `"x"`); result != `"x"` {
					t.Errorf("got %s", result)
				}
				calls.Add(1)
			}
		})
	}
	for i := range int32(12) {
		had := calls.Load()
		if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(1000 + i)}); err != nil {
			t.Error(err)
		}
		eventually(t, "calls go on", func() bool { return calls.Load() > had })
	}
	close(stop)
	wg.Wait()
}

// A Server that closes answers what is in flight, and drops what waits.
func TestServerCloseWhileFunctionsRun(t *testing.T) {
	t.Parallel()
	s := must(local.NewServer())
	c := clients(t, s)
	roleFor(t, c)
	in := handlerFunction("demo")
	in.Timeout = aws.Int32(900)
	c.create(t, in)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"do":"sleep","n":900000}`)})
				if err != nil {
					return // closed, in one way or another
				}
			}
		})
	}
	eventually(t, "agents run", func() bool {
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Payload: []byte(`1`)})
		return err == nil && out.FunctionError == nil
	})
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if took := time.Since(began); took > 5*time.Minute { // a third of what the functions take
		t.Errorf("it took %v", took)
	}
}
