package inproc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

// What Lambda does with asynchronous invocations: it keeps them for six hours, and delivers one
// that failed twice more, after one and two minutes. Source:
// docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html, 2026-11.
const (
	maxEventAge     = 6 * time.Hour
	maxEventRetries = 2
)

// lambdaDelays are the waits before the second and the third delivery.
var lambdaDelays = []time.Duration{time.Minute, 2 * time.Minute}

var _ driver.Detacher = (*Backend)(nil)

// An event is a request for which nobody waits.
type event struct {
	id       string
	handler  *agent.Handler
	payload  []byte
	accepted time.Time
	tries    int // deliveries that failed
}

// events is the queue of a Backend, in memory: in the order of acceptance, by as
// many goroutines as the backend has workers.
type events struct {
	mu      sync.Mutex
	waiting []*event
	busy    int // goroutines that deliver
	closed  bool
	active  sync.WaitGroup // of these goroutines
}

// InvokeEvent queues a request in memory and returns at once. It is what detached runs are sent by;
// programs call lambdapool.MapDetached instead. The request runs when one of the backend's workers
// is free, again after the delays of [WithEventRetries] when the handler's answer is an error, and
// not at all once it is too old or the backend closes. What its functions return is not an error of
// the handler.
//
// The queue is gone with this process, and so is the store. A run on inproc therefore does not
// outlive its program: use it to test what a detached run does, and backend/local or Lambda for one
// that should go on. The queue has no limit but memory.
//
// Every error is a *lambdapool.InvokeError of kind ErrTooLarge, ErrCanceled, ErrTimeout or
// ErrClosed, and ErrBadArguments for a bad option; the request is not queued then.
func (b *Backend) InvokeEvent(ctx context.Context, req *driver.Request) (string, error) {
	h, err := b.begin(req.Registry)
	if err != nil {
		return "", err
	}
	defer b.active.Done()
	if err := ctx.Err(); err != nil {
		return "", ended(ctx, driver.OutcomeNotRun, "")
	}
	if n := len(req.Payload); n > codec.MaxEventRequest {
		return "", &driver.InvokeError{
			Outcome:   driver.OutcomeNotRun,
			Kind:      driver.ErrTooLarge,
			Err:       fmt.Errorf("the request is %d bytes, the limit of asynchronous ones is %d", n, codec.MaxEventRequest),
			Permanent: true,
			Hint:      "pass less per call; base64 makes four bytes of three",
		}
	}
	ev := &event{
		id:       b.newID(),
		handler:  h,
		payload:  bytes.Clone(req.Payload),
		accepted: time.Now(),
	}
	if !b.enqueue(ev) {
		return "", refusal(driver.ErrClosed, errors.New("the inproc backend was closed"))
	}
	return ev.id, nil
}

// EventLimits returns Lambda's limit on the size, and what [WithEventRetries] says.
func (b *Backend) EventLimits() driver.EventLimits {
	return driver.EventLimits{Request: codec.MaxEventRequest, Age: b.eventAge, Retries: len(b.eventDelays)}
}

// enqueue puts an event at the end and sees to it that it is delivered, unless the
// backend was closed.
func (b *Backend) enqueue(ev *event) bool {
	e := &b.events
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.waiting = append(e.waiting, ev)
	if e.busy < b.workers {
		e.busy++
		e.active.Go(b.deliverAll)
	}
	return true
}

// next returns the oldest event, or nil when the goroutine that asks is not needed.
func (e *events) next() *event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		e.busy--
		return nil
	}
	ev := e.waiting[0]
	e.waiting[0] = nil
	e.waiting = e.waiting[1:]
	return ev
}

// deliverAll delivers what waits until there is nothing. An event that failed comes back to the end
// of the queue after its delay, which holds no worker.
func (b *Backend) deliverAll() {
	for ev := b.events.next(); ev != nil; ev = b.events.next() {
		if time.Since(ev.accepted) > b.eventAge || b.deliver(ev) == nil || ev.tries == len(b.eventDelays) || b.base.Err() != nil {
			continue
		}
		delay := b.eventDelays[ev.tries]
		ev.tries++
		time.AfterFunc(delay, func() { b.enqueue(ev) })
	}
}

// deliver runs an event once. Every delivery has the same request id, as on Lambda.
func (b *Backend) deliver(ev *event) error {
	run := b.newRun(ev.id, time.Now())
	defer run.End()
	_, err := ev.handler.Invoke(run, ev.payload)
	return err
}

// close forgets the events that wait, and takes no more.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed, e.waiting = true, nil
}
