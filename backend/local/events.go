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

// An event is an asynchronous invocation that waits for its turn.
type event struct {
	inv      *invocation
	accepted time.Time
	tries    int
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
func (e *events) push(inv *invocation) *apiError {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return errShutDown
	case e.queued+len(inv.payload) > maxQueued:
		return errThrottled
	}
	e.queued += len(inv.payload)
	e.append(&event{inv: inv, accepted: time.Now()})
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
		s, err := e.environment()
		if errors.Is(err, errClosed) {
			e.forget(ev, "the backend closes")
			return
		}
		e.wg.Go(func() { e.run(ev, s, err) })
	}
}

// environment waits until there is a free one.
func (e *events) environment() (*sandbox, error) {
	for {
		s, err := e.fn.acquire()
		if !errors.Is(err, errBusy) && !errors.Is(err, errAccountBusy) {
			return s, err
		}
		var again <-chan time.Time // what other functions free is not signalled here
		if e.fn.quota != nil {
			again = time.After(tryAgain)
		}
		select {
		case <-again:
		case <-e.fn.pool.freed:
		case <-e.stop:
			return nil, errClosed
		}
	}
}

// run tries an event once, in s or, when that could not be had, not at all,
// and decides what becomes of it.
func (e *events) run(ev *event, s *sandbox, err error) {
	inv := *ev.inv // a fresh run: the last one has left its marks
	var res result
	delivered := true
	if time.Since(ev.accepted) > e.fn.cfg.eventAge {
		if s != nil {
			e.fn.release(s)
		}
		e.forget(ev, "too old")
		return
	}
	if err != nil {
		res = e.fn.refuse(&inv, err)
	} else {
		res, delivered = e.fn.runOn(s, &inv)
	}
	switch {
	case !delivered:
		e.requeue(ev)
	case res.refused == errShutDown || res.refused == errCutOff:
		e.forget(ev, "the backend closes")
	case res.errType == "" && res.refused == nil:
		e.forget(ev, "")
	case ev.tries == len(e.fn.cfg.eventDelays):
		e.forget(ev, "out of retries")
	default:
		delay := time.NewTimer(e.fn.cfg.eventDelays[ev.tries])
		defer delay.Stop()
		ev.tries++
		select {
		case <-delay.C:
			e.requeue(ev)
		case <-e.stop:
			e.forget(ev, "the backend closes")
		}
	}
}

// end says that the invocation is over and will not run again.
func (inv *invocation) end() {
	if inv.over != nil {
		inv.over()
	}
}

func (e *events) requeue(ev *event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.append(ev)
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

// wait blocks until no event is under way. Environments must be ending.
func (e *events) wait() {
	e.wg.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.queue {
		ev.inv.end()
		e.fn.cfg.logger.Warn("event dropped", slog.String("request", ev.inv.id), slog.String("why", "the backend closes"))
	}
	e.queue = nil
}
