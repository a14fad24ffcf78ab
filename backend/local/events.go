package local

import (
	"errors"
	"log/slog"
	"sync"
	"time"
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

// eventTerms is what becomes of an event that cannot run, or fails.
type eventTerms struct {
	age    time.Duration   // when it is dropped, at the latest
	delays []time.Duration // before each retry after a function error
}

// An event is an asynchronous invocation that waits for its turn.
type event struct {
	eventTerms

	inv      *invocation
	accepted time.Time
	tries    int           // that ended in a function error
	pause    time.Duration // the last one after an error of the service
}

// events is the queue of Event invocations. They run in order as environments
// become free, again after function errors, and are dropped when they are too
// old or the backend closes.
type events struct {
	fn *function

	mu     sync.Mutex
	queue  []*event
	queued int // bytes, of those that wait for a retry too
	wake   chan struct{}
	stop   chan struct{}
	closed bool
	wg     sync.WaitGroup
}

func newEvents(fn *function) *events {
	e := &events{fn: fn, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	e.wg.Go(e.dispatch)
	return e
}

// push queues an invocation and does not block.
func (e *events) push(inv *invocation, terms eventTerms) *apiError {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return errShutDown
	case e.queued+len(inv.payload) > maxQueued:
		return errThrottled
	}
	copies := e.fn.faults.befall(inv)
	if copies == 0 {
		inv.end()
		return nil
	}
	inv.runs.Store(int64(copies))
	for range copies {
		e.queued += len(inv.payload)
		e.append(&event{eventTerms: terms, inv: inv, accepted: time.Now()})
	}
	return nil
}

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
		s, err := e.environment(ev)
		switch {
		case errors.Is(err, errTooOld):
			e.forget(ev, "too old")
		case errors.Is(err, errClosed):
			e.forget(ev, "the backend closes")
			return
		default:
			e.wg.Go(func() { e.run(ev, s, err) })
		}
	}
}

// left is how long the event may still wait.
func (ev *event) left() time.Duration { return ev.age - time.Since(ev.accepted) }

// environment waits until there is a free one, or the event is too old.
func (e *events) environment(ev *event) (*sandbox, error) {
	for {
		left := ev.left()
		if left <= 0 {
			return nil, errTooOld
		}
		s, err := e.fn.acquire()
		if !errors.Is(err, errBusy) && !errors.Is(err, errAccountBusy) {
			return s, err
		}
		if e.fn.quota != nil { // what other functions free is not signalled here
			left = min(left, tryAgain)
		}
		if !e.wait(left, e.fn.pool.freed) {
			return nil, errClosed
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
func (e *events) run(ev *event, s *sandbox, err error) {
	inv := ev.inv.again()
	if ev.tries > 0 {
		inv.fate = nil // it has met it
	}
	var res result
	delivered := true
	if err != nil {
		res = e.fn.refuse(inv, err)
	} else {
		res, delivered = e.fn.runOn(s, inv)
	}
	var delay time.Duration
	switch {
	case !delivered:
	case res.refused == errShutDown || res.refused == errCutOff:
		e.forget(ev, "the backend closes")
		return
	case res.refused != nil:
		ev.pause = min(max(2*ev.pause, minPause), maxPause)
		delay = min(ev.pause, max(ev.left(), 0))
	case res.errType == "":
		e.forget(ev, "")
		return
	case ev.tries == len(ev.delays):
		e.forget(ev, "out of retries")
		return
	default:
		delay = ev.delays[ev.tries]
		ev.tries++
	}
	if !e.wait(delay, nil) {
		e.forget(ev, "the backend closes")
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.append(ev)
}

// again returns the invocation as it was when it was accepted: a run leaves its marks.
func (inv *invocation) again() *invocation {
	return &invocation{
		id: inv.id, arn: inv.arn, version: inv.version, clientContext: inv.clientContext, traceID: inv.traceID,
		payload: inv.payload, fate: inv.fate,
	}
}

// end says that the invocation is over and will not run again.
func (inv *invocation) end() {
	if inv.runs.Add(-1) <= 0 && inv.over != nil {
		inv.over()
	}
}

// forget ends an event: done when why is empty, otherwise dropped.
func (e *events) forget(ev *event, why string) {
	e.mu.Lock()
	e.queued -= len(ev.inv.payload)
	e.mu.Unlock()
	ev.inv.end()
	if why != "" {
		e.fn.cfg.logger.Warn("event dropped", slog.String("request", ev.inv.id), slog.String("why", why))
	}
}

// close takes no more events and ends the waiting of those that are queued.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	close(e.stop)
}

// finish blocks until no event is under way. Environments must be ending.
func (e *events) finish() {
	e.wg.Wait()
	for ev := e.pop(); ev != nil; ev = e.pop() {
		e.forget(ev, "the backend closes")
	}
}
