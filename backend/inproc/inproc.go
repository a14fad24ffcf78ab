// Package inproc is a backend without processes or network: functions run on
// goroutines of this process, through the same agent and the same codec as on
// Lambda. What passes here passes there, short of what takes a process of its
// own: a function that exits, crashes the runtime or runs out of memory takes
// the caller with it.
//
// It serves tests, programs that are themselves inside a Lambda function and
// want all its vCPUs, and those that do not need Lambda today.
package inproc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// maxTimeout is the longest that a function may run on Lambda, 15 minutes.
// Source: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, 2026-11.
const maxTimeout = 900 * time.Second

// maxConcurrency keeps a slip of the pen from becoming a million goroutines at once.
const maxConcurrency = 100_000

// closeGrace is how long Close waits for functions whose context it has ended.
const closeGrace = 5 * time.Second

// A Backend runs functions on goroutines. Make one with [New].
// It is safe for concurrent use.
type Backend struct {
	config

	err error // of a bad option

	base    context.Context // of every invocation; ends with Close
	cancel  context.CancelFunc
	closing func() error
	store   *store
	events  events
	number  atomic.Uint64  // of requests
	active  sync.WaitGroup // Invoke and InvokeEvent calls

	mu       sync.RWMutex
	closed   bool
	handlers map[*lambdapool.Registry]*agent.Handler
}

var _ lambdapool.Backend = (*Backend)(nil)

// New returns a Backend. A bad option is reported by [Backend.Err], and with it
// by lambdapool.New and every Invoke.
func New(opts ...Option) *Backend {
	b := &Backend{
		config: config{
			workers:     runtime.GOMAXPROCS(0),
			timeout:     maxTimeout,
			eventAge:    maxEventAge,
			eventDelays: lambdaDelays,
		},
		store:    &store{secret: []byte(rand.Text()), began: time.Now(), objects: map[string]object{}},
		handlers: map[*lambdapool.Registry]*agent.Handler{},
	}
	b.base, b.cancel = context.WithCancel(context.Background())
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

// Err returns what is wrong with the options that New was given, or nil.
func (b *Backend) Err() error { return b.err }

// Limits returns Lambda's limits on sizes, the number of workers that suits
// this machine and the timeout.
func (b *Backend) Limits() lambdapool.Limits {
	return lambdapool.Limits{
		Workers:  b.workers,
		Request:  codec.MaxRequest,
		Response: codec.MaxReply,
		Timeout:  b.timeout,
	}
}

// Invoke runs a request's items and returns the reply. When ctx ends before, it
// returns at once; the functions' context ends too, and one that ignores it
// runs on. The functions see neither ctx nor its values, only its deadline as
// the request states it: it is the same on Lambda.
//
// Every error is a *lambdapool.InvokeError of kind ErrTooLarge, ErrDecode,
// ErrTimeout, ErrCanceled or ErrClosed.
func (b *Backend) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	h, err := b.begin(req.Registry)
	if err != nil {
		return nil, err
	}
	defer b.active.Done()
	if err := ctx.Err(); err != nil {
		return nil, ended(ctx, lambdapool.OutcomeNotRun, "")
	}
	if n := len(req.Payload); n > codec.MaxRequest {
		return nil, &lambdapool.InvokeError{
			Outcome:   lambdapool.OutcomeNotRun,
			Kind:      lambdapool.ErrTooLarge,
			Err:       fmt.Errorf("the request is %d bytes, the limit is %d", n, codec.MaxRequest),
			Permanent: true,
			Hint:      "pass less per call; base64 makes four bytes of three",
		}
	}
	id := "inproc-" + strconv.FormatUint(b.number.Add(1), 10)
	run, cancel := context.WithTimeout(b.base, b.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	run = lambdacontext.NewContext(run, &lambdacontext.LambdaContext{AwsRequestID: id})

	began := time.Now()
	payload, err := h.Invoke(run, req.Payload)
	if err == nil {
		return &lambdapool.Response{Payload: payload, RequestID: id, Duration: time.Since(began)}, nil
	}
	var bad *agent.BadRequestError
	switch {
	case errors.As(err, &bad):
		return nil, &lambdapool.InvokeError{
			Outcome:   lambdapool.OutcomeNotRun,
			Kind:      lambdapool.ErrDecode,
			Err:       err,
			Permanent: true,
			RequestID: id,
		}
	case ctx.Err() != nil:
		return nil, ended(ctx, lambdapool.OutcomeUnknown, id)
	case b.base.Err() != nil:
		return nil, &lambdapool.InvokeError{
			Kind:      lambdapool.ErrClosed,
			Err:       errors.New("the backend was closed while the function ran"),
			Permanent: true,
			RequestID: id,
		}
	case run.Err() != nil:
		return nil, &lambdapool.InvokeError{
			Outcome:   lambdapool.OutcomeRan,
			Kind:      lambdapool.ErrTimeout,
			Err:       fmt.Errorf("the function ran for %v, its timeout", b.timeout),
			RequestID: id,
		}
	}
	return nil, &lambdapool.InvokeError{Err: err, RequestID: id}
}

// begin enters an Invoke, or InvokeEvent, and finds its handler.
func (b *Backend) begin(asked *lambdapool.Registry) (*agent.Handler, error) {
	if b.err != nil {
		return nil, refusal(lambdapool.ErrBadArguments, b.err)
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
		return nil, refusal(lambdapool.ErrClosed, errors.New("the inproc backend was closed"))
	}
	if h = b.handlers[r]; h == nil {
		h = b.newHandler(r)
		b.handlers[r] = h
	}
	b.active.Add(1)
	return h, nil
}

// refusal is the error of a request that no repetition will help.
func refusal(kind, err error) *lambdapool.InvokeError {
	return &lambdapool.InvokeError{Outcome: lambdapool.OutcomeNotRun, Kind: kind, Err: err, Permanent: true}
}

// ended is the error of a request whose caller's context has ended.
func ended(ctx context.Context, outcome lambdapool.Outcome, id string) *lambdapool.InvokeError {
	kind := lambdapool.ErrCanceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = lambdapool.ErrTimeout
	}
	return &lambdapool.InvokeError{Outcome: outcome, Kind: kind, Err: context.Cause(ctx), Permanent: true, RequestID: id}
}

// Close ends the context of every function that runs, and waits for them for up
// to five seconds. Invocations in flight and later ones fail with ErrClosed; the
// queue of InvokeEvent is dropped.
// The error says how many functions ignore their context and run on. Closing
// twice returns the same.
func (b *Backend) Close() error { return b.closing() }

func (b *Backend) close() error {
	b.mu.Lock()
	b.closed = true
	handlers := b.handlers
	b.mu.Unlock()
	b.events.close()
	b.cancel()
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
