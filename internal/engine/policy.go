package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Policy is what holds for calls: of a run, of a function, or of an executor. What is zero, the next of them says.
type Policy struct {
	Timeout time.Duration // of a call
	Attempt time.Duration // of each attempt
	Retry   *Retrier
}

// DefaultsOf returns what holds for calls of fn unless they say otherwise.
func DefaultsOf(fn *registry.Function) Policy {
	p, _ := fn.Defaults().(Policy)
	return p
}

// over returns p, and what of it is zero from below.
func (p Policy) over(below Policy) Policy {
	return Policy{
		Timeout: cmp.Or(p.Timeout, below.Timeout), Attempt: cmp.Or(p.Attempt, below.Attempt), Retry: cmp.Or(p.Retry, below.Retry),
	}
}

// policyOf returns what holds for calls of fn that are in no run.
func (e *Executor) policyOf(fn *registry.Function) Policy { return DefaultsOf(fn).over(e.policy) }

// policy returns what holds for the call.
func (c *Call) policy() Policy {
	if l := c.lane(); l != nil {
		return l.holds
	}
	return c.exec.policyOf(c.fn)
}

// NewRetrier returns a policy at work. wanted asks the program about errors of functions; nil: nobody does.
func NewRetrier(p schedule.Policy, wanted func(context.Context, *registry.Function, *registry.Registry, *failure.Function) (bool, error)) *Retrier {
	p.MaxRejected = maxRejected
	return &Retrier{Policy: p, Wanted: wanted}
}
