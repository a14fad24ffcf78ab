package steps

import (
	"context"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/deploy/shared"
)

const (
	// Within bounds one request that makes something, what it uploads included.
	Within = 2 * time.Minute

	undoWithin = 30 * time.Second // what an interrupted command takes back
)

// An Undo remembers what was made, to take it back in reverse.
type Undo struct {
	ID    string // in a tag of what belongs to it
	Steps []*Step
}

// A Step is one thing that was made.
type Step struct {
	Left shared.Leftover
	Run  func(ctx context.Context) error // takes it back
}

// Add registers how to take back what is about to be made: before, because a
// request that is interrupted may have arrived. The returned function forgets it again.
func (u *Undo) Add(what, remove string, run func(ctx context.Context) error) (forget func()) {
	step := &Step{shared.Leftover{What: what, Remove: remove}, run}
	u.Steps = append(u.Steps, step)
	return func() { u.Steps = slices.DeleteFunc(u.Steps, func(s *Step) bool { return s == step }) }
}

// Rollback takes everything back, also when ctx has ended, and returns what is left. say is told of each step.
func (u *Undo) Rollback(ctx context.Context, say func(step, text string)) (left []shared.Leftover) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
	defer cancel()
	for _, s := range slices.Backward(u.Steps) {
		say("undo", "remove "+s.Left.What)
		if s.Run(ctx) != nil {
			left = append(left, s.Left)
		}
	}
	return left
}

// All takes everything back in reverse for good, which is how something is deleted. After the first failure
// it stops: left is what is still there then. With dry it only says what would go.
func (u *Undo) All(ctx context.Context, dry bool, say func(step, text string)) (gone []string, left []shared.Leftover, err error) {
	for _, s := range slices.Backward(u.Steps) {
		if !dry && err == nil {
			say("delete", s.Left.What)
			err = Cause(ctx, s.Run(ctx))
		}
		if err != nil {
			left = append(left, s.Left)
			continue
		}
		gone = append(gone, s.Left.What)
	}
	return gone, left, err
}

// Whole returns a context for a request that makes something. Such a request is not
// interrupted: nobody could tell whether it still arrives after everything
// has been taken back.
func Whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), Within)
}
