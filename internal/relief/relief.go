// Package relief lets a function run on the goroutine that called for it, although that call returns early when its
// context ends. The goroutine cannot leave the function. So another one relieves it: that one takes the outcome, and goes on
// with what the first would have done. A goroutine of its own for each function would cost more than a short function takes.
//
// Who can be relieved says so, see [Key] and nested.Mark. Who calls the function then either returns as always, or
// calls Relieve and has the first goroutine return [ErrRelieved] once the function lets it go.
package relief

import (
	"context"
	"errors"
)

// A Relief takes the outcome of a call over.
type Relief[T any] interface {
	// Relieve is given what the call would have returned. It is called once, and then the call returns ErrRelieved, or
	// its goroutine ends. It does not block.
	Relieve(value T, err error)
}

// ErrRelieved is what a call returns whose outcome another goroutine has. Its caller has nothing more to do, and no
// right to what belongs to the call.
var ErrRelieved = errors.New("another goroutine has the outcome")

// Key is under which a context has the Relief[[]byte] of the one call that it is made for. It is given out once: what the
// function calls with its own context is not relieved.
var Key any = key{}

type key struct{}

// From returns who relieves a call with ctx, or nil.
func From(ctx context.Context) Relief[[]byte] {
	r, _ := ctx.Value(Key).(Relief[[]byte])
	return r
}
