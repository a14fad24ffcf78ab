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
)

// A Mark stands for one invocation.
type Mark struct {
	Executor any       // the program's, that runs the function
	Owner    any       // whose it is: an executor knows its own
	Until    time.Time // when the context of its functions ends; zero: never, or not known
}

type key struct{}

// With returns ctx with m.
func With(ctx context.Context, m *Mark) context.Context { return context.WithValue(ctx, key{}, m) }

// From returns the mark in ctx, or nil.
func From(ctx context.Context) *Mark {
	m, _ := ctx.Value(key{}).(*Mark)
	return m
}

// Bound notes when ctx, which its functions get, ends. It is called before they begin.
func Bound(ctx context.Context) {
	if m := From(ctx); m != nil {
		m.Until, _ = ctx.Deadline()
	}
}
