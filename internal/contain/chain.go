package contain

import "errors"

// maxWalk is how many errors are looked at; a chain that is longer probably bites
// its own tail.
const maxWalk = 100_000

// finite reports whether there is an end to what err wraps.
func finite(err error) bool {
	pending := []error{err}
	for seen := 0; len(pending) > 0; seen++ {
		if seen == maxWalk {
			return false
		}
		last := len(pending) - 1
		next := pending[last]
		pending = append(pending[:last], Below(next)...)
	}
	return true
}

// Below returns the errors that err wraps directly, those that are nil left out. It calls
// Unwrap, which may be the code of others: contain it.
func Below(err error) (wrapped []error) {
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			return []error{inner}
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			if inner != nil {
				wrapped = append(wrapped, inner)
			}
		}
	}
	return wrapped
}

// probe calls the Is and As methods of err and of all that it wraps.
func probe(err error) {
	var target *probed
	_ = errors.Is(err, &probed{})
	_ = errors.As(err, &target)
}

// probed is an error that no other is.
type probed struct{}

func (*probed) Error() string { return "probed" }
