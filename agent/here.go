package agent

import (
	"context"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/relief"
)

// A call of one item in the client's own process runs on the goroutine of whoever invokes it, if another goroutine can
// relieve that one. A goroutine for each function would take longer than a short function.

// A here is such an invocation.
type here struct {
	run

	in invocation
	to relief.Relief[[]byte]

	opened bool // another goroutine may answer; guarded by mu
	early  bool // the context had ended before that; guarded by mu

	answering sync.Mutex // held by who answers in place of the function's goroutine
}

// heres lends what an invocation needs until it is answered, which would be most of the garbage of a small call.
var heres = sync.Pool{New: func() any { return new(here) }}

// canStay reports whether the request may run on the goroutine of its invoker.
func (h *Handler) canStay(req *codec.Request) bool {
	return h.Guest && req.Op == codec.OpCall && len(req.Items) == 1 && req.Detached == nil
}

// stay runs the only item of the request, and answers. The error is relief.ErrRelieved if another goroutine has
// answered, since the context had ended before the function returned. Nobody uses s after that.
func (s *here) stay(ctx context.Context) ([]byte, error) {
	fn, _, err := s.in.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if fn == nil {
		s.in.measure(time.Now())
		return s.in.h.answer(ctx, s.in.req, &s.in.reply)
	}
	s.stays = s
	s.set(ctx, &s.in, fn, nil)
	s.enter(s.in.req)
	if s.open() {
		s.watch()
	}
	if !s.work() {
		return nil, relief.ErrRelieved
	}
	reply, err := s.answer()
	if s.leave() && s.woken == nil { // nobody else knows of s
		*s = here{}
		heres.Put(s)
	}
	return reply, err
}

// work runs the item. It reports whether this goroutine has the replies.
func (s *here) work() bool {
	ended := true
	defer func() {
		if ended { // by the function: what is deferred is all that this goroutine still does
			s.relieve()
		}
	}()
	s.h.running.add()
	w := &s.only.worker
	w.run = &s.run
	w.work()
	ended = false
	return s.close()
}

// open lets another goroutine answer from now on. It reports whether the context had ended before.
func (s *here) open() (early bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = true
	return s.early
}

// watch has another goroutine answer in time, if the function does not return.
func (s *here) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.opened:
		s.early = true
	case s.closed:
	case s.woken == nil:
		s.woken = make(chan struct{}, 1)
		go func() {
			s.wait()
			s.relieve()
		}()
	default:
		s.wake()
	}
}

// relieve answers in place of the function's goroutine, unless that does. When it returns, somebody has answered, or that
// goroutine will: it may call relieve itself.
func (s *here) relieve() {
	s.answering.Lock()
	defer s.answering.Unlock()
	if !s.close() {
		return
	}
	reply, err := s.answer()
	s.leave()
	s.to.Relieve(reply, err)
}

// answer makes the reply of an invocation that was closed.
func (s *here) answer() (reply []byte, err error) {
	if s.in.reply.Items, err = s.answers(); err != nil {
		return nil, err
	}
	now := s.settled()
	if now.IsZero() { // it was not begun
		now = time.Now()
	}
	s.in.measure(now)
	return s.h.answer(s.from, s.in.req, &s.in.reply)
}
