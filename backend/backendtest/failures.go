package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// functionError checks that the function itself failed, and returns how. A call fails in one of two
// ways, and never in both: programs branch on that.
func functionError(t *testing.T, err error) *lambdapool.FunctionError {
	t.Helper()
	var failed *lambdapool.FunctionError
	if !errors.As(err, &failed) {
		t.Fatalf("error is %T (%v), want a *FunctionError", err, err)
	}
	var pool *lambdapool.PoolError
	if errors.As(err, &pool) {
		t.Errorf("error %v is a *PoolError as well", err)
	}
	return failed
}

// poolError checks that the pool failed the call, in which kind, and that the message has each of
// parts. The parts are what a reader needs to find the cause: the function, the limit, the status.
func poolError(t *testing.T, err, kind error, parts ...string) *lambdapool.PoolError {
	t.Helper()
	var pool *lambdapool.PoolError
	if !errors.As(err, &pool) {
		t.Fatalf("error is %T (%v), want a *PoolError of kind %q", err, err, kind)
	}
	if !errors.Is(err, kind) {
		t.Errorf("error is %q, want kind %q", err, kind)
	}
	var failed *lambdapool.FunctionError
	if errors.As(err, &failed) {
		t.Errorf("error %v is a *FunctionError as well", err)
	}
	contains(t, "error", err.Error(), parts...)
	return pool
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

// testFunctionError demands that an error of the function arrives whole: message, type, chain,
// registered sentinels, and the request's ID. It must be a FunctionError and no PoolError, since a
// function's error is an answer and is not sent again by default.
//
// A backend that turns it into a failure of the platform has a function run again that has already
// said no. One that drops sentinels breaks every errors.Is of its callers. Without the request ID
// nobody finds the lines that the function logged.
func testFunctionError(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	_, err := lambdapool.Call(short(t), e, fail, 3)
	failed := functionError(t, err)
	if failed.Func != "backendtest.Fail" || failed.Panic || failed.Stack != "" {
		t.Errorf("Func %q, Panic %t, Stack %q", failed.Func, failed.Panic, failed.Stack)
	}
	if want := "fetch: shelf 3: the shelf is empty"; failed.Message != want {
		t.Errorf("Message %q, want %q", failed.Message, want)
	}
	if failed.Type != "*fmt.wrapError" {
		t.Errorf("Type %q, want that of the error that was returned", failed.Type)
	}
	if failed.RequestID == "" {
		t.Error("no request id")
	}
	if len(failed.Chain) != 2 || failed.Chain[0].Type != "*backendtest.shelfError" || failed.Chain[1].Message != errEmpty.Error() {
		t.Errorf("Chain %+v, want the shelfError and what it wraps", failed.Chain)
	}
	if !errors.Is(err, errEmpty) {
		t.Error("errors.Is does not find the registered sentinel")
	}
	if errors.Is(err, context.Canceled) {
		t.Error("errors.Is finds a sentinel that was not wrapped")
	}

	_, err = e.Submit(short(t), "backendtest.OnlyError", "just so").Result(short(t))
	if got := functionError(t, err).Message; got != "just so" {
		t.Errorf("Message %q, want that of the error", got)
	}
	_, err = lambdapool.Map(short(t), e, fail, []int{1})
	var item *lambdapool.ItemError
	if !errors.As(err, &item) || item.Index != 0 {
		t.Errorf("Map fails with %v, want an *ItemError of item 0", err)
	}
	works(t, e)
}

// testPanic demands that a panic ends its call only and arrives as a FunctionError with Panic set.
// The stack begins in the function that panicked and shows nothing of the machinery around it:
// neither runtime, reflect, agent nor executor. A user must see the line to mend without a search.
func testPanic(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	_, err := lambdapool.Call(short(t), e, panics, 5)
	failed := functionError(t, err)
	if !failed.Panic {
		t.Error("Panic is false")
	}
	if failed.Type != "runtime.boundsError" {
		t.Errorf("Type %q, want runtime.boundsError", failed.Type)
	}
	contains(t, "message", failed.Message, "index out of range [5] with length 3")
	// The first line is the function that panicked: not runtime's panic, nor the recovery in the
	// agent.
	first, _, _ := strings.Cut(failed.Stack, "\n")
	if !strings.HasSuffix(first, "backendtest.reachOut") {
		t.Errorf("the stack begins at %q, want the function that panicked:\n%s", first, failed.Stack)
	}
	contains(t, "stack", failed.Stack, "backendtest.panicking", "functions.go:")
	contains(t, "%+v", fmt.Sprintf("%+v", err), "backendtest.reachOut")
	for _, machinery := range []string{"runtime.", "reflect.", "lambdapool/agent.", "(*Executor)"} {
		if strings.Contains(failed.Stack, machinery) {
			t.Errorf("the stack shows %s:\n%s", machinery, failed.Stack)
		}
	}
	works(t, e)
}

// testNotRegistered demands ErrNotRegistered for a name that the client does not know, and for one
// that only the agent does not know; the latter names what the agent knows that is near. The
// outcome is not run. The usual cause is an agent built before the function was written, and the
// fix, to deploy again, follows from the message only if the name is in it.
func testNotRegistered(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	_, err := e.Submit(short(t), "backendtest.EchoNothing").Result(short(t))
	poolError(t, err, lambdapool.ErrNotRegistered, "backendtest.EchoNothing")

	// The client knows it, the agent does not.
	r := lambdapool.NewRegistry()
	fn := lambdapool.RegisterIn(r, "backendtest.EchoInts", echo[int])
	e = executor(t, withRegistry{b}, lambdapool.WithRegistry(r))
	_, err = lambdapool.Call(short(t), e, fn, 1)
	if pool := poolError(t, err, lambdapool.ErrNotRegistered, "backendtest.EchoInts", "backendtest.EchoInt"); pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v, want not run", pool.Outcome)
	}
}

// testVersionMismatch demands that a call whose function has another signature in the agent is
// refused, with both signatures in the message. Otherwise the bytes of an int could be read as a
// float64: a wrong number without an error, which is the worst that a pool can do.
func testVersionMismatch(t *testing.T, b lambdapool.Backend) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(r, "backendtest.Divide", func(a, b float64) (float64, error) { return a / b, nil })
	e := executor(t, withRegistry{b}, lambdapool.WithRegistry(r))
	_, err := e.Submit(short(t), "backendtest.Divide", 7.0, 2.0).Result(short(t))
	pool := poolError(t, err, lambdapool.ErrVersionMismatch, "backendtest.Divide", "func(float64, float64) float64", "func(int, int) int")
	if pool.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("outcome %v, want not run", pool.Outcome)
	}
	works(t, executor(t, b))
}

// withRegistry has a backend in this process serve DefaultRegistry, as an agent in another process
// does, whatever the client's is.
type withRegistry struct{ lambdapool.Backend }

func (b withRegistry) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	return b.Backend.Invoke(ctx, &lambdapool.Request{Payload: req.Payload, Registry: lambdapool.DefaultRegistry})
}

// testBadArguments demands that wrong arguments never reach the backend: count and types are
// checked first, so no invocation is paid. What gets to an agent nonetheless, in the wire form,
// must cost its own item. The good item beside it has its value.
func testBadArguments(t *testing.T, b lambdapool.Backend) {
	counted := &counter{Backend: b}
	e := executor(t, counted)
	for _, args := range [][]any{nil, {1}, {1, 2, 3}, {1, "2"}, {1, 2.5}, {1, nil}} {
		_, err := e.Submit(short(t), "backendtest.Divide", args...).Result(short(t))
		poolError(t, err, lambdapool.ErrBadArguments, "backendtest.Divide")
	}
	if n := counted.invocations(); n != 0 {
		t.Errorf("%d invocations for calls that cannot be made", n)
	}
	// In the wire form: arguments that are of another type, or of none.
	req := items(t, "backendtest.EchoInt", "seven", 7)
	req.Items = append(req.Items, nil, []byte{0xDF, 0xFF, 0xFF, 0xFF, 0xFF})
	reply := send(t, b, req)
	if reply.Err != nil || len(reply.Items) != 4 {
		t.Fatalf("reply %+v", reply)
	}
	for i, item := range reply.Items {
		switch {
		case i == 1 && item.Err != nil:
			t.Errorf("the good item: %+v", item.Err)
		case i != 1 && (item.Err == nil || item.Err.Kind != codec.KindBadRequest || item.Err.Message == ""):
			t.Errorf("item %d: %+v, want a bad request with a message", i, item.Err)
		}
	}
}

// testUnencodable demands that a result which cannot be encoded, here one that points to itself, is
// ErrEncode with the path of the field. The encoder must find out before its stack overflows: that
// would end the agent, with all calls that it runs.
func testUnencodable(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	_, err := lambdapool.Call(short(t), e, unencoding, struct{}{})
	poolError(t, err, lambdapool.ErrEncode, "backendtest.Unencodable", "Next")
	works(t, e)
}

// testHostile sends what no client sends: other JSON, cut frames, frames that promise gigabytes. A
// console's "test" button and a wrong trigger do send such things. Each must come back as an
// InvokeError, or as a reply that says what is wrong. The agent must be there afterwards, since
// whoever could end it by a few bytes could end everybody's calls.
func testHostile(t *testing.T, b lambdapool.Backend) {
	good, err := codec.EncodeRequest(items(t, "backendtest.EchoInt", 1))
	if err != nil {
		t.Fatal(err)
	}
	// JSON of other kinds, strings that are no base64, a frame without content, one that announces
	// four billion items, a console's test event, and a request that was cut in half.
	for _, payload := range []string{
		`{}`, `null`, `1`, `[]`, `""`, `"hello"`, `"wUxQAQA="`, `"wUxQAQDd/////w=="`,
		`{"key1":"value1","key2":"value2"}`,
		string(good[:len(good)/2]) + `"`,
	} {
		response, err := deliver(t, b, []byte(payload))
		if err == nil {
			t.Errorf("%s is answered with %.100q", payload, response.Payload)
			continue
		}
		var failed *lambdapool.InvokeError
		if !errors.As(err, &failed) {
			t.Errorf("%s: error is %T (%v), want an *InvokeError", payload, err, err)
		}
	}
	// An operation of a newer client: it is told so in a reply, and not by a failed invocation,
	// which would count as a crash.
	reply := send(t, b, &codec.Request{ID: "op", Op: 200})
	if reply.Err == nil || reply.Err.Kind != codec.KindBadRequest {
		t.Errorf("an unknown operation is answered with %+v", reply.Err)
	}
	works(t, executor(t, b))
}
