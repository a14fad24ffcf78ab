package deploy

import (
	"context"
	"slices"
)

// An undo remembers what was made, to take it back in reverse.
type undo struct {
	id    string // in a tag of the function that belongs to it
	steps []*undoStep
}

type undoStep struct {
	left Leftover
	run  func(ctx context.Context) error
}

// add registers how to take back what is about to be made: before, because a
// request that is interrupted may have arrived. The returned function forgets it again.
func (u *undo) add(what, remove string, run func(ctx context.Context) error) (forget func()) {
	step := &undoStep{Leftover{what, remove}, run}
	u.steps = append(u.steps, step)
	return func() { u.steps = slices.DeleteFunc(u.steps, func(s *undoStep) bool { return s == step }) }
}

// rollback takes everything back, also when ctx has ended, and returns what is left.
func (u *undo) rollback(ctx context.Context, c *Client) (left []Leftover) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
	defer cancel()
	for _, s := range slices.Backward(u.steps) {
		c.say("undo", "remove "+s.left.What)
		if s.run(ctx) != nil {
			left = append(left, s.left)
		}
	}
	return left
}

// whole returns a context for a request that makes something. Such a request is not
// interrupted: nobody could tell whether it still arrives after everything
// has been taken back.
func whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), requestWithin)
}
