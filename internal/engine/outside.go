package engine

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// What detached runs need of an executor: their calls are sent and ended by others, and wait in none of its queues.

// Await has p wait for a call of fn that somebody else runs, and has run, or may have. c is the call's place.
func (e *Executor) Await(c *Call, p *Promise, to Sink, fn *registry.Function) {
	*c = Call{Promise: p, sink: to, accepted: time.Since(e.epoch), outside: true, mayHaveRun: true}
	p.exec, p.fn, p.call = e, fn, c
}

// Arrived ends a call that somebody else has run.
func (c *Call) Arrived(reply Reply, stats CallStats) {
	c.mu.Lock()
	if !c.done {
		*c.measured() = stats
	}
	c.mu.Unlock()
	if reply.Err != nil {
		reply.Err = c.finalError(reply.Err, schedule.Again)
	}
	c.finish(reply.Value, reply.Own, reply.Err)
}

// Lost ends a call of which nothing more will be heard, unless it has ended.
func (c *Call) Lost(why func() *failure.Pool) {
	if c.claim() {
		c.complete(why())
	}
}

// Background has p wait for run, which runs on a goroutine of its own and is told by stop when p is canceled. keep is called
// before p is done, if run brought it that far. Shutdown and Close wait for it.
func (e *Executor) Background(p *Promise, to Sink, fn *registry.Function, stop func(), run func() (keep func(), err error)) {
	c := new(Call)
	e.Await(c, p, to, fn)
	c.running = true
	p.Hook(&Hook{Run: stop})
	e.mu.Lock()
	aborted := e.aborted
	if !aborted { // or Close might not wait for it
		e.callbacks++
		e.following.Add(1)
	}
	e.mu.Unlock()
	if aborted {
		c.Lost(func() *failure.Pool { return errClosed(fn) })
		return
	}
	go func() {
		defer e.following.Done()
		var keep func()
		var err error
		if fault := contain.Do("the input of a run", nil, func() { keep, err = run() }); fault != nil {
			err = failure.NotRun("map", fn.Name(), driver.ErrBadArguments, e.Complain(fn.Name(), fault), "")
		}
		if c.claim() {
			if keep != nil {
				keep()
			}
			c.complete(err)
		}
		e.mu.Lock()
		e.callbacks--
		e.settleIdle()
		e.mu.Unlock()
	}()
}

// Public returns the program's Executor.
func (e *Executor) Public() any { return e.public }

// newPrefix returns what this executor's invocation ids begin with.
func newPrefix() string { return rand.Text()[:8] + "-" }

// NewID names an invocation. No other of any executor has the name.
func (e *Executor) NewID() string {
	name := make([]byte, 0, 32) // stays on the stack
	return string(strconv.AppendUint(append(name, e.on.Prefix...), e.sequence.Add(1), 36))
}

// Decide says whether what a has become of is tried again, and when.
func (e *Executor) Decide(a schedule.Attempt) schedule.Decision {
	return e.policy.Retry.Decide(a, e.random)
}

// UntilClosed runs f, which ends when the executor is closed. It reports false if it is closed already.
func (e *Executor) UntilClosed(wait interface{ Go(func()) }, f func()) bool {
	e.mu.Lock()
	aborted := e.aborted
	if !aborted { // or Close might not wait for it
		e.following.Add(1)
	}
	e.mu.Unlock()
	if aborted {
		return false
	}
	wait.Go(func() {
		defer e.following.Done()
		f()
	})
	return true
}
