package failure

import (
	"fmt"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// An Item is the failure of one item of an input, before anything of the input is sent.
type Item struct { //nolint:errname // an error of the rooms below the root only, and no program's
	Index int // from 0
	Err   error
}

func (i *Item) Error() string { return fmt.Sprintf("item %d: %v", i.Index, i.Err) }

// Unwrap returns the item's own failure.
func (i *Item) Unwrap() error { return i.Err }

// Problem returns the failure of a call that could not be made, as registry says it. Other errors it returns as
// they are.
func Problem(err error) error {
	if p, ok := err.(*registry.Problem); ok { //nolint:errorlint // registry returns it as it is
		return NotRun("submit", p.Func, p.Kind, p.Err, p.Hint)
	}
	return err
}

// Invoke is the failure of what a backend or a store was asked for, while op was done, in its own words.
func Invoke(op, name string, err *driver.InvokeError) *Pool {
	return &Pool{Op: op, Func: name, Kind: err.Kind, Err: err.Err, Outcome: err.Outcome, Hint: err.Hint, RequestID: err.RequestID}
}
