// Package backendtest holds the conformance suite that every backend passes:
// what an executor may expect of one, as tests.
//
// A backend's test calls [Run] with a function that opens it. Where the agent is
// another process of the same test binary, TestMain must let it be one:
//
//	func TestMain(m *testing.M) {
//		agent.Main()
//		os.Exit(m.Run())
//	}
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
//			b, err := local.New(local.WithTimeout(3 * time.Second))
//			…
//			t.Cleanup(func() { b.Close() })
//			return b
//		}, backendtest.Isolated())
//	}
//
// Importing the package registers the functions that the suite calls, under
// names that begin with "backendtest.", in lambdapool.DefaultRegistry. The agent
// must serve that registry.
package backendtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// patience is when a test gives up on what should have happened long before.
const patience = 30 * time.Second

// An Option says what a backend is capable of.
type Option func(*suite)

// Isolated says that functions run in processes of their own, with a memory
// limit and a timeout that are enforced. The suite then lets functions exit,
// freeze their process and exhaust its memory. Open the backend with a timeout
// of a few seconds, ten at most, and little memory: both are waited for.
func Isolated() Option { return func(s *suite) { s.isolated = true } }

// suite is one run over one backend.
type suite struct {
	open     func(*testing.T) lambdapool.Backend
	isolated bool
}

// Run runs the suite as subtests of t. open returns a backend that is not used
// by anyone else, and has it closed when its t ends; where the backend has a
// Close method, closing it twice must do no harm. Run opens backends one after
// the other.
func Run(t *testing.T, open func(t *testing.T) lambdapool.Backend, opts ...Option) {
	t.Helper()
	s := &suite{open: open}
	for _, opt := range opts {
		opt(s)
	}
	// Cases that leave the backend as they found it share one.
	t.Run("Shared", func(t *testing.T) {
		b := open(t)
		for _, c := range []struct {
			name string
			run  func(*testing.T, lambdapool.Backend)
		}{
			{"Limits", testLimits},
			{"Values", testValues},
			{"Dynamic", testDynamic},
			{"Map", testMap},
			{"FunctionError", testFunctionError},
			{"Panic", testPanic},
			{"NotRegistered", testNotRegistered},
			{"VersionMismatch", testVersionMismatch},
			{"BadArguments", testBadArguments},
			{"Unencodable", testUnencodable},
			{"Hostile", testHostile},
			{"Items", testItems},
			{"Measurements", testMeasurements},
			{"RequestSize", testRequestSize},
			{"ReplySize", testReplySize},
			{"LargePayloads", testLargePayloads},
			{"DeadlineTravels", testDeadlineTravels},
			{"Timeouts", testTimeouts},
			{"AgentTimeouts", testAgentTimeouts},
			{"CancelQueued", testCancelQueued},
			{"CancelRunning", testCancelRunning},
			{"CancelInvoke", testCancelInvoke},
			{"ContextValues", testContextValues},
			{"Concurrent", testConcurrent},
		} {
			t.Run(c.name, func(t *testing.T) { c.run(t, b) })
		}
	})
	t.Run("CloseExecutor", s.testCloseExecutor)
	t.Run("CloseBackend", s.testCloseBackend)
	t.Run("Detached", func(t *testing.T) {
		if b := open(t); canDetach(b) {
			RunDetached(t, b)
		}
	})
	if s.isolated {
		t.Run("Isolated", s.testIsolated)
	}
}

// executor returns an executor on b that ends with t.
func executor(t *testing.T, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close executor: %v", err)
		}
	})
	return e
}

// short returns a context within which everything must have ended.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// works checks that the backend is fit for another call.
func works(t *testing.T, e *lambdapool.Executor) {
	t.Helper()
	if got, err := lambdapool.Call(short(t), e, echoInt, 7); err != nil || got != 7 {
		t.Errorf("the next call: %d, %v; want 7", got, err)
	}
}

// items makes the wire form of a call of a registered function.
func items(t *testing.T, name string, args ...any) *codec.Request {
	t.Helper()
	f, ok := lambdapool.DefaultRegistry.Lookup(name)
	if !ok {
		t.Fatalf("%s is not registered", name)
	}
	req := &codec.Request{ID: t.Name(), Func: name, Shape: f.Fingerprint()}
	for _, arg := range args {
		req.Items = append(req.Items, encode(t, arg))
	}
	return req
}

// send carries a request in its wire form to the agent and back.
func send(t *testing.T, b lambdapool.Backend, req *codec.Request) *codec.Reply {
	t.Helper()
	payload, err := codec.EncodeRequest(req)
	if err != nil {
		t.Fatal(err)
	}
	response, err := deliver(t, b, payload)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := codec.DecodeReply(response.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// deliver invokes b itself, without an executor. A backend may be busy with what
// an earlier case has abandoned; then it is asked again.
func deliver(t *testing.T, b lambdapool.Backend, payload []byte) (*lambdapool.Response, error) {
	t.Helper()
	ctx := short(t)
	for {
		response, err := b.Invoke(ctx, &lambdapool.Request{Payload: payload, Registry: lambdapool.DefaultRegistry})
		if !errors.Is(err, lambdapool.ErrThrottled) {
			return response, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}
