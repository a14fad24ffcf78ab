package contain

import (
	"context"
	"sync/atomic"
)

// A Gate leads to one function, of the kind that must not block, such as a log's handler. A
// call of it that takes longer than [Patience] is left behind. Until it returns, no other is
// made: goroutines would pile up behind it. Its zero value is ready. It is safe for concurrent
// use, and lets several calls through at once while none is stuck.
type Gate struct{ stuck atomic.Int64 }

// Do is the package's Do, with the Gate's bound. It returns a *[FaultError] at once while an
// earlier call is stuck.
func (g *Gate) Do(what string, of any, f func()) error {
	if g.stuck.Load() > 0 {
		return &FaultError{Who: name(what, of), How: "has not returned from an earlier call"}
	}
	var over atomic.Bool // set by who is first: f's end, or the end of our patience
	_, err := Value(Ended, what, of, func() (struct{}, error) {
		defer func() {
			if !over.CompareAndSwap(false, true) {
				g.stuck.Add(-1)
			}
		}()
		f()
		return struct{}{}, nil
	})
	if over.CompareAndSwap(false, true) {
		g.stuck.Add(1)
	}
	return err
}

// Ended is a context for [Value] that has ended: what has no time of its own gets
// [Patience].
var Ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
