package backendtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// patience is when a test gives up on what should have happened long before. It is long because a
// busy machine is no reason to fail; a case that works never waits for it.
const patience = 3 * time.Minute

// An Option says what a backend is capable of beyond what every backend must do. Without options
// only the demands on all backends are checked.
type Option func(*suite)

// Isolated says that functions run in processes of their own, with a memory limit and a timeout
// that the platform enforces. The suite then lets a function exit, freeze its process and exhaust
// its memory, and demands that each costs its own call and nothing else.
//
// Give it for a platform that kills what it runs, as Lambda does. Do not give it for agents that
// are this process, as inproc's are: the exit would end the tests.
//
// Open the backend with a timeout of a few seconds, ten at most, since a frozen function is waited
// for until then. Give it little memory, since three times as much is filled. The agent must find
// its memory in megabytes in AWS_LAMBDA_FUNCTION_MEMORY_SIZE.
func Isolated() Option { return func(s *suite) { s.isolated = true } }

// ReplacesAgents says that the platform starts another agent when one ends by itself, with status 0, as platforms do.
// The suite then has agents end after so many calls (agent.MaxCallsPerAgent), and demands that no call is lost.
// [Isolated] says it too. Do not give it for agents that are this process, or that nobody starts again.
func ReplacesAgents() Option { return func(s *suite) { s.replaces = true } }

// WithoutStore says that the backend has no object store. The cases of what needs one then demand that users are told so. Without
// this option a backend that has none fails.
func WithoutStore() Option { return func(s *suite) { s.storeless = true } }

// WithoutNested says that functions cannot call on the pool that they run in, as far as this client and its agents go. The suite
// then demands that they are told so. Without this option [RunNested] is a part of the suite.
func WithoutNested() Option { return func(s *suite) { s.nestless = true } }

// suite is one run over one backend.
type suite struct {
	open                                    func(*testing.T) lambdapool.Backend
	isolated, replaces, storeless, nestless bool
}

// Run checks a backend, as subtests of t, and returns when all have ended. A full run takes seconds
// where functions start at once; the longest wait is for the timeout of [Isolated].
//
// open returns a backend that is not used by anyone else, and has it closed when its t ends. Run
// calls it once for each group of cases, one after the other. The agents must serve
// lambdapool.DefaultRegistry.
//
// What else the backend is decides what is checked, beside the options. With a Close method it is
// closed in the middle of its work, and twice. With a store, large payloads go through it, and
// functions read and write objects there. With a store and InvokeEvent, [RunDetached] is a part of it;
// without, that case passes at once. A backend has a store and lets functions call, or an option says
// that it does not: [WithoutStore], [WithoutNested].
func Run(t *testing.T, open func(t *testing.T) lambdapool.Backend, opts ...Option) {
	t.Helper()
	s := &suite{open: open}
	for i, opt := range opts {
		if opt == nil {
			t.Fatalf("backendtest.Run: option %d is nil", i)
		}
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
			{"ReplyForms", testReplyForms},
			{"Store", s.testStore},
			{"Splits", testSplits},
			{"Shared", testShared},
			{"Jobs", testJobs},
			{"DeadlineTravels", testDeadlineTravels},
			{"Timeouts", testTimeouts},
			{"AgentTimeouts", testAgentTimeouts},
			{"CancelQueued", testCancelQueued},
			{"CancelRunning", testCancelRunning},
			{"CancelInvoke", testCancelInvoke},
			{"ContextValues", testContextValues},
			{"Concurrent", testConcurrent},
			{"OnStart", testOnStart},
		} {
			t.Run(c.name, func(t *testing.T) { c.run(t, b) })
		}
	})
	t.Run("Nested", func(t *testing.T) {
		if b := open(t); s.nestless {
			testNoNested(t, b)
		} else {
			RunNested(t, b)
		}
	})
	if s.isolated || s.replaces {
		t.Run("MaxCallsPerAgent", func(t *testing.T) { testMaxCallsPerAgent(t, open(t)) })
	}
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

// works checks that the backend is fit for another call. Most cases end with it: what a caller does
// wrong, or a function, must not cost those who come after.
func works(t *testing.T, e *lambdapool.Executor) {
	t.Helper()
	if got, err := lambdapool.Call(short(t), e, echoInt, 7); err != nil || got != 7 {
		t.Errorf("the next call: %d, %v; want 7", got, err)
	}
}

// items makes the wire form of a call of a registered function: one request, with an item for each
// of args.
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

// send carries a request in its wire form to the agent and back. It is for what the executor would
// not send, or would hide.
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

// deliver invokes b itself, without an executor. A backend may be busy with what an earlier case
// has abandoned; then it is asked again.
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
