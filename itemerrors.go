package lambdapool

import (
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/lambdapool/lambdapool/internal/failure"
)

// An ItemError says which item of a [Map], [StarMap] or [Stream] failed, or which future of
// [Collect]. errors.Is and errors.As look through it, to the item's own error.
type ItemError struct {
	Index int // position in the input, from 0
	Err   error
}

func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Index, e.Err) }

// Unwrap returns the item's own error, a [FunctionError] or a [PoolError].
func (e *ItemError) Unwrap() error { return e.Err }

// Format prints the message, and with %+v what Err has to say with it: the stack of a panic, for one.
func (e *ItemError) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		fmt.Fprintf(s, "item %d: %+v", e.Index, e.Err)
		return
	}
	failure.FormatText(s, verb, e.Error())
}

// ItemErrors yields the [ItemError]s in err, in the order in which they are joined: that of the
// input where err is from [Map], [StarMap] or [Run.Wait]. Use it where errors.As, which finds
// only the first, is not enough.
//
//	values, err := lambdapool.Map(ctx, pool, resize, images, lambdapool.ContinueOnError())
//	for item := range lambdapool.ItemErrors(err) {
//		log.Printf("%s: %v", images[item.Index], item.Err)
//	}
//
// It looks through whatever wraps or joins them, fmt.Errorf with %w and errors.Join included,
// but not into an ItemError: what an item itself ran is its own affair. It yields nothing for
// nil, and does not block.
func ItemErrors(err error) iter.Seq[*ItemError] {
	return func(yield func(*ItemError) bool) { walkItems(err, 0, yield) }
}

// deepestItem bounds how far down an ItemError is looked for: an error that is longer
// probably bites its own tail.
const deepestItem = 100

// walkItems reports whether to go on.
func walkItems(err error, depth int, yield func(*ItemError) bool) bool {
	if depth > deepestItem {
		return true
	}
	switch e := err.(type) {
	case *ItemError:
		return e == nil || yield(e)
	case interface{ Unwrap() error }:
		return walkItems(e.Unwrap(), depth+1, yield)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if !walkItems(inner, depth+1, yield) {
				return false
			}
		}
	}
	return true
}

// itemsError joins the errors of items. It is the program's to see, so it is here.
type itemsError struct{ errs []error }

// joinItems joins those of errs that are not nil, or returns nil when there are none.
func joinItems(errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return &itemsError{errs}
}

// Unwrap returns all of them, so that errors.Is and errors.As reach each.
func (e *itemsError) Unwrap() []error { return e.errs }

// Error prints the first few, a line each, and how many more there are.
func (e *itemsError) Error() string { return failure.ItemsText(e.errs, false) }

// Format prints as Error does, and with %+v more of each of the first few.
func (e *itemsError) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		io.WriteString(s, failure.ItemsText(e.errs, true))
		return
	}
	failure.FormatText(s, verb, e.Error())
}
