// Package nested tells a call that a function makes which invocation the function runs in, and
// gives the function an executor to make it with.
//
// Where functions run in the executor's own process, the executor puts a mark into the context of
// an attempt, and the backend hands it on to them. Elsewhere the agent puts in a frame: it opens a
// backend, when a function first asks, by what the program has linked for its platform.
package nested

import (
	"context"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/relief"
)

// A Mark stands for one invocation.
type Mark struct {
	Executor any       // the program's, that runs the function
	Owner    any       // whose it is: an executor knows its own
	Until    time.Time // when the context of its functions ends; zero: never, or not known

	Backend driver.Backend                  // that is invoked
	Relief  relief.Relief[*driver.Response] // of the goroutine that invokes it; nil: it cannot be relieved
}

// RelievedIn returns who relieves a call of b's Invoke, or nil: if the call is not the one that the mark is made for. A backend
// around b has called it then, which wants to hear of the outcome, or the function itself has. m may be nil.
func (m *Mark) RelievedIn(b driver.Backend) relief.Relief[*driver.Response] {
	if m == nil || m.Relief == nil || m.Backend != b {
		return nil
	}
	to := m.Relief
	m.Relief = nil
	return to
}

type markKey struct{}

// From returns the mark in ctx, or nil.
func From(ctx context.Context) *Mark {
	m, _ := ctx.Value(markKey{}).(*Mark)
	return m
}

// Value returns m if that is what a context has under key, or nil. It is for contexts of this module that have a mark,
// whose Value methods ask it: one of package context's would cost more than many a call.
func (m *Mark) Value(key any) any {
	if _, ok := key.(markKey); ok && m != nil {
		return m
	}
	return nil
}

// A Scope is what the context of functions has in an agent. It is used as a [Mark] is.
type Scope struct {
	trace string // a traceparent; empty: none
	frame *Frame // nil: none
}

// Value returns what the scope has under key, or nil.
func (s *Scope) Value(key any) any {
	switch key.(type) {
	case traceKey:
		if s.trace != "" {
			return s.trace
		}
	case frameKey:
		if s.frame != nil {
			return s.frame
		}
	}
	return nil
}

// Bound notes when ctx, which its functions get, ends. It is called before they begin.
func Bound(ctx context.Context) {
	if m := From(ctx); m != nil {
		m.Until, _ = ctx.Deadline()
	}
}
