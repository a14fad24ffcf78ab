// Package inproc is a backend without processes or network: functions run on
// goroutines of this process, through the same agent and the same codec as on
// Lambda. What passes here passes there, short of what takes a process of its
// own: a function that exits, crashes the runtime or runs out of memory takes
// the caller with it. And functions see the globals of the client here, which on
// local and on Lambda they do not: see agent.Main. Package backend/check finds those that
// depend on one: it is this backend and local at once, and compares.
//
// It serves tests, programs that are themselves inside a Lambda function and
// want all its vCPUs, and those that do not need Lambda today. It needs no agent, no main that calls
// agent.Main and no Close to end the program; a call takes microseconds. Use backend/local for
// what inproc cannot show: processes that die, memory that is limited, cold starts, IAM, logs.
//
// What is the same as on Lambda: encoding, limits on sizes, deadlines, retries, large payloads
// and detached runs by way of a store (in memory), and that a function does not see its caller's
// context. What is not: CPU time and memory are not measured, since they are mostly the client's, and
// nothing bounds what functions use. Load is never refused, so nothing is throttled. Nothing is started and
// nobody bills, so there are no cold starts and no dollars in Stats, Snapshot, reports and the live page.
// A lambdapool.Budget of dollars counts requests by Lambda's prices all the same, so that a test meets it.
//
// Goroutines run one function after another, as those of an agent do with the items of an invocation. A function that
// ends its goroutine ends no other call. One that locks its goroutine to a thread, or sets labels for profiles, takes that
// back before it returns.
//
// This package may know the agent and the root. Processes, the network and cloud SDKs must never
// enter it.
//
// A function may call on the executor that it runs on, if there are workers left: it holds one
// until it returns. When all workers are held by functions that wait for calls of theirs (in Call,
// Result, Wait, AsCompleted, Collect, Map or a stream), no call can ever begin; after a tenth of a second
// those that have not begun fail with lambdapool.ErrBadArguments and a hint. With WithWorkers(0) Submit
// does so at once. A wait with a deadline of its own, before the function's, lasts until then. What a
// function waits for by other means, such as Done, nobody knows.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/lazyctx"
	"github.com/lambdapool/lambdapool/internal/nested"
	"github.com/lambdapool/lambdapool/internal/relief"
)

// maxTimeout is the longest that a function may run on Lambda, 15 minutes.
// Source: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, 2026-11.
const maxTimeout = 900 * time.Second

// closeGrace is how long Close waits for functions whose context it has ended.
const closeGrace = 5 * time.Second

// A Backend runs functions on goroutines. Make one with [New]; its zero value cannot be used. It is
// safe for concurrent use, and several executors may share it. Each keeps as many invocations in
// flight as its own WithWorkers says, so together they may have more than [WithConcurrency].
type Backend struct {
	config

	err error // of a bad option

	base    lazyctx.Bounded // of every invocation; ends with Close
	closing func() error
	store   *store
	events  events
	number  atomic.Uint64  // of requests
	active  sync.WaitGroup // Invoke and InvokeEvent calls

	mu       sync.RWMutex
	closed   bool
	handlers map[*driver.Registry]*agent.Handler
}

var _ driver.Backend = (*Backend)(nil)

// New returns a Backend. A bad option is reported by [Backend.Err], and with it by lambdapool.New
// and every Invoke. So New needs no error, and fits into one line:
//
//	pool, err := lambdapool.New(inproc.New(inproc.WithConcurrency(8)))
//
// It starts nothing. What it costs is what is running.
func New(opts ...Option) *Backend {
	b := &Backend{
		config: config{
			workers:     runtime.GOMAXPROCS(0),
			timeout:     maxTimeout,
			eventAge:    maxEventAge,
			eventDelays: lambdaDelays,
		},
		store:    newStore(),
		handlers: map[*driver.Registry]*agent.Handler{},
	}
	b.base.Start(context.Background(), time.Time{})
	b.closing = sync.OnceValue(b.close)
	for _, opt := range opts {
		if opt == nil {
			b.err = errors.Join(b.err, errors.New("lambdapool: inproc: an option is nil"))
			continue
		}
		if err := opt(&b.config); err != nil {
			b.err = errors.Join(b.err, fmt.Errorf("lambdapool: inproc: %w", err))
		}
	}
	b.store.threshold = b.threshold
	return b
}

// Err returns what is wrong with the options that New was given, or nil. lambdapool.New asks it.
func (b *Backend) Err() error { return b.err }

// Limits returns Lambda's limits on sizes, the number of workers that suits this machine and the
// timeout. The sizes are enforced although memory has no such limit: what is too large for Lambda
// is found here.
func (b *Backend) Limits() driver.Limits {
	return driver.Limits{
		Workers:  b.workers,
		Request:  codec.MaxRequest,
		Response: codec.MaxReply,
		Timeout:  b.timeout,
	}
}

// Invoke runs a request's items and returns the reply. It blocks until they have ended. When ctx
// ends before, it returns at once; the functions' context ends too, and one that ignores it runs
// on. The functions see neither ctx nor its values, only its deadline as the request states it: it
// is the same on Lambda.
//
// Every error is a *lambdapool.InvokeError of kind ErrTooLarge, ErrDecode, ErrTimeout, ErrCanceled
// or ErrClosed, and ErrBadArguments for a bad option. What became of the functions, errors and
// panics, is in the reply.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	h, err := b.begin(req.Registry)
	if err != nil {
		return nil, err
	}
	if refused := refuses(ctx, req); refused != nil {
		b.active.Done()
		return nil, refused
	}
	run := b.newRun(b.newID(), time.Now())
	run.mark = nested.From(ctx) // so that the executor knows of functions that wait for it
	run.to = run.mark.RelievedIn(b)
	returned := false
	defer func() {
		if !returned { // the agent has panicked; if a function has ended this goroutine, another one has left already
			run.leave(time.Time{})
		}
	}()
	run.enter(ctx)
	payload, err := h.Invoke(run, req.Payload)
	returned = true
	if err == relief.ErrRelieved { //nolint:errorlint // it is no error
		return nil, relief.ErrRelieved
	}
	return run.outcome(payload, err)
}

// refuses returns why a request is not run, or nil.
func refuses(ctx context.Context, req *driver.Request) error {
	if ctx.Err() != nil {
		return ended(ctx, driver.OutcomeNotRun, "")
	}
	if n := len(req.Payload); n > codec.MaxRequest {
		return &driver.InvokeError{
			Outcome:   driver.OutcomeNotRun,
			Kind:      driver.ErrTooLarge,
			Err:       fmt.Errorf("the request is %d bytes, the limit is %d", n, codec.MaxRequest),
			Permanent: true,
			Hint:      "pass less per call; base64 makes four bytes of three",
		}
	}
	return nil
}

// begin enters an Invoke, or InvokeEvent, and finds its handler.
func (b *Backend) begin(asked *driver.Registry) (*agent.Handler, error) {
	if b.err != nil {
		return nil, refusal(driver.ErrBadArguments, b.err)
	}
	r := b.registry
	if r == nil {
		r = asked
	}
	if r == nil {
		r = lambdapool.DefaultRegistry
	}
	b.mu.RLock()
	h, closed := b.handlers[r], b.closed
	if h != nil && !closed {
		b.active.Add(1)
	}
	b.mu.RUnlock()
	if h != nil && !closed {
		return h, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, refusal(driver.ErrClosed, errors.New("the inproc backend was closed"))
	}
	if h = b.handlers[r]; h == nil {
		h = b.newHandler(r)
		b.handlers[r] = h
	}
	b.active.Add(1)
	return h, nil
}

// refusal is the error of a request that no repetition will help.
func refusal(kind, err error) *driver.InvokeError {
	return &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: kind, Err: err, Permanent: true}
}

// ended is the error of a request whose caller's context has ended.
func ended(ctx context.Context, outcome driver.Outcome, id string) *driver.InvokeError {
	kind := driver.ErrCanceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = driver.ErrTimeout
	}
	return &driver.InvokeError{Outcome: outcome, Kind: kind, Err: context.Cause(ctx), Permanent: true, RequestID: id}
}

// Close ends the context of every function that runs, and waits for them for up to five seconds.
// Invocations in flight and later ones fail with ErrClosed; the queue of InvokeEvent is dropped.
// The error says how many functions ignore their context and run on: nothing in Go can stop a
// goroutine. Closing twice returns the same. Called from a function that runs on the Backend, it
// waits the five seconds for that function.
func (b *Backend) Close() error { return b.closing() }

// close ends things in the order in which they begin others: first what queues, then what runs.
func (b *Backend) close() error {
	b.mu.Lock()
	b.closed = true
	handlers := b.handlers
	b.mu.Unlock()
	b.events.close()
	b.base.End()
	b.active.Wait() // they return as soon as the context has ended
	b.events.active.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	running := 0
	for _, h := range handlers {
		running += h.Wait(ctx)
	}
	if running > 0 {
		return fmt.Errorf("lambdapool: close inproc: %d calls still run %v after their context ended: their functions ignore it (return soon after ctx.Done() is closed)",
			running, closeGrace)
	}
	return nil
}
