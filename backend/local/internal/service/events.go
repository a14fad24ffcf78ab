package service

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// maxQueued bounds the bytes of the events that wait. Lambda has no such
// limit; this machine has.
const maxQueued = 256 << 20

// tryAgain is when an event that found its function's concurrency exhausted tries again.
const tryAgain = 50 * time.Millisecond

// How long an event waits that met an error of the service, not of its function: twice
// as long each time.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html (2026-11).
const (
	minPause = time.Second
	maxPause = 5 * time.Minute
)

// Terms are what becomes of an event that cannot run, or fails.
type Terms struct {
	Age    time.Duration   // at which it is dropped, at the latest
	Delays []time.Duration // before each retry after a function error
}

// An event is an asynchronous invocation that waits for its turn.
type event struct {
	Terms

	inv      *sandbox.Invocation
	use      *use
	accepted time.Time
	ticket   *ticket       // nil: it is lost with this process
	tries    int           // that ended in a function error
	pause    time.Duration // the last one after an error of the service
}

// A use of a function is an event's, in all its copies.
type use struct {
	copies atomic.Int64 // that have not ended
	over   func()       // if any, called when all have
}

// end says that a copy is over and will not run again.
func (u *use) end() {
	if u.copies.Add(-1) <= 0 && u.over != nil {
		u.over()
	}
}

// events is the queue of Event invocations. They run in order as environments
// become free, again after function errors, and are dropped when they are too
// old or the backend closes.
type events struct {
	fn *Function

	mu     sync.Mutex
	queue  []*event
	queued int // bytes, of those that wait for a retry too
	wake   chan struct{}
	stop   chan struct{}
	closed bool
	wg     sync.WaitGroup
}

func newEvents(fn *Function) *events {
	e := &events{fn: fn, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	e.wg.Go(e.dispatch)
	return e
}

// push queues an invocation and does not block. over, if any, is called when it has ended,
// unless it is refused.
func (e *events) push(inv *sandbox.Invocation, over func(), terms Terms) *wire.Refusal {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return sandbox.ShutDown
	case e.queued+len(inv.Payload) > maxQueued:
		return errThrottled
	}
	var copies int
	inv.Fate, copies = e.fn.cfg.Faults.Event()
	if copies == 0 {
		(&use{over: over}).end()
		return nil
	}
	use := &use{over: over}
	use.copies.Store(int64(copies))
	all := make([]*event, copies)
	for i := range all {
		all[i] = &event{Terms: terms, inv: inv, use: use, accepted: time.Now()}
		if err := keepEvent(e.fn.cfg.Data, e.fn, all[i]); err != nil {
			for _, ev := range all[:i] {
				e.note(ev, ev.ticket.remove())
			}
			return wire.Failed("the event cannot be kept", err)
		}
	}
	for _, ev := range all {
		e.queued += len(inv.Payload)
		e.append(ev)
	}
	return nil
}

// Restore queues an event that was kept. Whatever the queue's bounds are, it was accepted.
// over, if any, is called when it has ended.
func (f *Function) Restore(kept *KeptEvent, over func()) { f.events.restore(kept, over) }

func (e *events) restore(kept *KeptEvent, over func()) {
	inv := &sandbox.Invocation{
		ID: kept.head.ID, ARN: kept.head.Arn, Version: e.fn.cfg.Version, ClientContext: kept.head.ClientContext, TraceID: kept.head.TraceID,
		Payload: kept.Payload,
	}
	use := &use{over: over}
	use.copies.Store(1)
	ev := &event{
		Terms: Terms{kept.head.Age, kept.head.Delays}, inv: inv, use: use, accepted: kept.ticket.accepted, ticket: kept.ticket, tries: kept.ticket.tries,
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queued += len(inv.Payload)
	if wait := time.Until(kept.ticket.due); wait > 0 {
		e.wg.Go(func() { e.later(ev, wait) })
		return
	}
	e.append(ev)
}

// later queues an event after a delay.
func (e *events) later(ev *event, delay time.Duration) {
	if !e.wait(delay, nil) {
		e.forget(ev, closing)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.append(ev)
}

// note logs that something of an event could not be kept as it should.
func (e *events) note(ev *event, err error) {
	if err != nil {
		e.fn.cfg.Logger.Error("event not kept as it is", slog.String("request", ev.inv.ID), slog.Any("error", err))
	}
}

// closing is why an event does not run on that could.
const closing = "the backend closes"

// append puts an event at the end. The lock is held.
func (e *events) append(ev *event) {
	e.queue = append(e.queue, ev)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) pop() *event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 {
		return nil
	}
	ev := e.queue[0]
	e.queue[0] = nil
	e.queue = e.queue[1:]
	return ev
}

var errTooOld = errors.New("too old")

// dispatch hands events to environments, one after another, until close.
func (e *events) dispatch() {
	for {
		ev := e.pop()
		if ev == nil {
			select {
			case <-e.wake:
				continue
			case <-e.stop:
				return
			}
		}
		select {
		case <-e.stop: // what waits is kept, or lost: an idle environment is no reason to begin it
			e.forget(ev, closing)
			continue
		default:
		}
		s, err := e.environment(ev)
		switch {
		case errors.Is(err, errTooOld):
			e.forget(ev, "too old")
		case errors.Is(err, sandbox.ErrClosed):
			e.forget(ev, closing)
			return
		default:
			e.wg.Go(func() { e.run(ev, s, err) })
		}
	}
}

// left is how long the event may still wait.
func (ev *event) left() time.Duration { return ev.Age - time.Since(ev.accepted) }

// environment waits until there is a free one, or the event is too old.
func (e *events) environment(ev *event) (*sandbox.Sandbox, error) {
	for {
		left := ev.left()
		if left <= 0 {
			return nil, errTooOld
		}
		s, err := e.fn.acquire()
		if !errors.Is(err, sandbox.ErrBusy) && !errors.Is(err, errAccountBusy) {
			return s, err
		}
		if e.fn.cfg.Quota != nil { // what other functions free is not signalled here
			left = min(left, tryAgain)
		}
		if !e.wait(left, e.fn.pool.Freed()) {
			return nil, sandbox.ErrClosed
		}
	}
}

// wait waits for that long, or until early, and says no when the queue closes meanwhile.
func (e *events) wait(long time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-e.stop:
		return false
	}
	return true
}

// run tries an event once, in s or, when that could not be had, not at all,
// and decides what becomes of it.
func (e *events) run(ev *event, s *sandbox.Sandbox, err error) {
	inv := ev.inv.Again()
	if ev.tries > 0 {
		inv.Fate = nil // it has met it
	}
	var res sandbox.Result
	delivered := true
	if err != nil {
		res = e.fn.refuse(inv, err)
	} else {
		res, delivered = e.fn.runOn(s, inv)
	}
	var delay time.Duration
	switch {
	case !delivered:
	case res.Refused == sandbox.ShutDown || res.Refused == sandbox.CutOff:
		e.forget(ev, closing)
		return
	case res.Refused != nil:
		ev.pause = min(max(2*ev.pause, minPause), maxPause)
		delay = min(ev.pause, max(ev.left(), 0))
	case res.ErrType == "":
		e.forget(ev, "")
		return
	case ev.tries == len(ev.Delays):
		e.forget(ev, "out of retries")
		return
	default:
		delay = ev.Delays[ev.tries]
		ev.tries++
	}
	e.note(ev, ev.ticket.again(ev.tries, time.Now().Add(delay)))
	e.later(ev, delay)
}

// forget ends an event: done when why is empty, otherwise dropped. What is kept survives
// that the backend closes.
func (e *events) forget(ev *event, why string) {
	e.mu.Lock()
	e.queued -= len(ev.inv.Payload)
	e.mu.Unlock()
	ev.use.end()
	if why == closing && ev.ticket != nil {
		return
	}
	e.note(ev, ev.ticket.remove())
	if why != "" {
		e.fn.cfg.Logger.Warn("event dropped", slog.String("request", ev.inv.ID), slog.String("why", why))
	}
}

// close takes no more events and ends the waiting of those that are queued.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	close(e.stop)
}

// drainTime is how long Close waits for events that run, where they are kept: the function
// of one that is cut off runs again only if it is idempotent.
const drainTime = 10 * time.Second

// drain waits for the events that run, after close.
func (e *events) drain() {
	if e.fn.cfg.Data == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(ended)
	}()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// finish blocks until no event is under way. Environments must be ending.
func (e *events) finish() {
	e.wg.Wait()
	for ev := e.pop(); ev != nil; ev = e.pop() {
		e.forget(ev, closing)
	}
}
