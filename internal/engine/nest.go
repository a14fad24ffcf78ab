package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A function that calls keeps its worker while it waits, so that with as many such functions as
// workers all would wait for ever. There are two ways out, by where functions run.
//
// In this process, the executor sees who waits. A call of a function's gets the slot of one that
// waits, and there may be one invocation of each depth in any case. So the deepest come to an end,
// then those above them.
//
// Elsewhere, each function has an executor of its own, and they know nothing of each other. So a
// request takes its part of the workers along, for all that is below it: see [codec.Nested].

// A Level is what an executor's calls may do, by the functions above it.
type Level = codec.Nested

// MaxDepth is the default of WithMaxDepth, and mostDepth the largest: a chain of calls takes as many
// workers, and on Lambda there is no end to what a mistake costs.
const (
	MaxDepth  = 2
	mostDepth = 16
)

// CheckMaxDepth returns why n cannot be the largest depth.
func CheckMaxDepth(n int) error {
	if n < 0 || n > mostDepth {
		return fmt.Errorf("WithMaxDepth(%d): must be from 0 to %d", n, mostDepth)
	}
	return nil
}

// A deeper is the calls of functions of one depth, that run in this process. e.mu guards it.
type deeper struct {
	ready   readyQueue
	flights int
}

// depth is that of a call which is made with ctx.
func (e *Executor) depth(ctx context.Context) int {
	inv := e.caller(ctx)
	if inv == nil {
		return 0
	}
	return min(inv.call.depth+1, len(e.deep)) // what is deeper is refused
}

// queue returns that of calls of a depth.
func (e *Executor) queue(depth int) *readyQueue {
	if depth == 0 {
		return &e.ready
	}
	return &e.deep[depth-1].ready
}

// lanes are the runs that have something to send. e.mu is held.
func (e *Executor) lanes() iter.Seq[*Lane] {
	return func(yield func(*Lane) bool) {
		for depth := range len(e.deep) + 1 {
			for l := range e.queue(depth).lanes() {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// deepParties counts who has calls of functions to send. e.mu is held.
func (e *Executor) deepParties() (n int) {
	for i := range e.deep {
		n += len(e.deep[i].ready.singles.parties) + len(e.deep[i].ready.runs.parties)
	}
	return n
}

// takeDeep forms the next invocation of a call that a function of this process has made, the
// deepest first: others wait for it. e.mu is held.
func (e *Executor) takeDeep(now time.Time) *invocation {
	for i := len(e.deep) - 1; i >= 0; i-- {
		q := &e.deep[i].ready
		next := q.pick(now)
		if next == nil {
			continue
		}
		ok, at := e.limiter.Acquire(now)
		switch {
		case ok:
		case !at.IsZero(): // the platform wants to be left alone
			e.wake(at)
			continue
		case e.nested.lent >= e.nested.held && e.deep[i].flights > 0:
			continue
		}
		c := q.take(next, now)
		inv := e.launch(c, now)
		if inv.lent = !ok; inv.lent {
			e.nested.lent++
		}
		return inv
	}
	return nil
}

// grants reports whether the workers suffice for one more invocation and the calls of its
// functions. e.mu is held.
func (e *Executor) grants() bool { return !e.shares() || e.shared-e.granted >= e.chain() }

// shares reports whether requests take a part of the workers along.
func (e *Executor) shares() bool { return e.nests && e.level.Depth < e.level.Max && e.inline == nil }

// chain is how many workers a request needs for one call at each depth, or all there are.
func (e *Executor) chain() int { return min(1+e.level.Max-e.level.Depth, e.shared) }

// sharers is how many invocations there may be at once. e.mu is held.
func (e *Executor) sharers() int {
	if !e.shares() {
		return e.limiter.Limit()
	}
	return max(1, min(e.limiter.Limit(), e.shared/e.chain()))
}

// takeRoom takes what an invocation needs beside its slot. What is free is shared with who else
// waits now; where nobody does, half is left for who comes next. e.mu is held.
func (e *Executor) takeRoom(inv *invocation) {
	if depth := inv.call.depth; depth > 0 {
		e.deep[depth-1].flights++
	}
	if !e.shares() {
		return
	}
	free, chain := e.shared-e.granted, e.chain()
	most := max(1, free/chain)
	waiting := e.live.n + e.waiting - e.limiter.Inflight()
	inv.room = max(0, free/min(max(2, waiting+1), most)-1)
	e.granted += 1 + inv.room
}

// leaveRoom gives back what takeRoom took. e.mu is held.
func (e *Executor) leaveRoom(inv *invocation) {
	if depth := inv.call.depth; depth > 0 && depth <= len(e.deep) {
		e.deep[depth-1].flights--
	}
	if inv.lent {
		e.nested.lent--
	}
	if e.shares() {
		e.granted -= 1 + inv.room
	}
}

// nestedIn is what the functions of an invocation may call.
func (e *Executor) nestedIn(inv *invocation) *codec.Nested {
	if !e.nests {
		return nil
	}
	level := e.level
	level.Depth += inv.call.depth
	level.Room = inv.room
	e.mu.Lock()
	left := e.left(inv)
	e.mu.Unlock()
	level.GBSeconds, level.Dollars = left.GBSeconds, left.Dollars
	if level.Trace == "" {
		level.Trace = inv.id
	}
	return &level
}

// rootOf is the ID of the request at the top, below which a call was made.
func (e *Executor) rootOf(c *Call) string {
	root := e.level.Trace
	for up := c.caller; up != nil && e.level.Trace == ""; up = up.call.caller {
		root = up.id
	}
	return root
}

// refusesDepth returns why a call with ctx can never get a worker, because of the functions above it.
func (e *Executor) refusesDepth(ctx context.Context, f *registry.Function) *failure.Pool {
	depth := e.level.Depth
	if inv := e.caller(ctx); inv != nil {
		depth += inv.call.depth + 1
	}
	switch {
	case depth > e.level.Max:
		return failure.NotRun("submit", f.Name(), driver.ErrTooDeep,
			fmt.Errorf("it is called by a function at depth %d, and the client allows calls down to depth %d", depth-1, e.level.Max),
			fmt.Sprintf("if it does not call itself for ever, give the client's executor WithMaxDepth(%d)", depth))
	case e.level.Depth > 0 && e.level.Room == 0:
		return failure.NotRun("submit", f.Name(), driver.ErrBadArguments,
			errors.New("no worker can ever be free for it: the client's workers do not suffice for a call at each depth"),
			fmt.Sprintf("give the client's executor %s or more with WithWorkers; the platform must have as many, local by WithConcurrency", english.Count(e.level.Max+1, "worker")))
	}
	return nil
}

// asksNests asks the backend whether functions can call back from where it runs them.
func (e *Executor) asksNests() {
	b, ok := e.on.Backend.(interface{ Nests() (int, bool) })
	if !ok {
		return
	}
	most, err := contain.Value(contain.Ended, "Nests", b, func() (most int, _ error) {
		most, e.nests = b.Nests()
		return most, nil
	})
	if e.nests = e.nests && e.Complain("", err) == nil; most > 0 {
		e.nestMost = most
		e.shared = min(e.shared, most)
	}
}
