package registry

import "errors"

// The kinds of a [Problem]. Programs know them by the root's names. They are made here and not in
// the root, so that errors.Is finds them in what this package returns.
var (
	ErrNotRegistered = errors.New("function not registered")
	ErrBadArguments  = errors.New("bad arguments")
	ErrEncode        = errors.New("cannot encode")
)

// A Problem is why a call could not be made: nothing was sent. The root makes the public error of it.
type Problem struct { //nolint:errname // an error of this room only, and no program's
	Func string // the name, where one is known
	Kind error  // one of the above
	Err  error  // the cause, never nil
	Hint string // what to do about it
}

// problem makes a Problem whose cause is the kind itself where there is no other.
func problem(name string, kind, err error, hint string) *Problem {
	if err == nil {
		err = kind
	}
	return &Problem{Func: name, Kind: kind, Err: err, Hint: hint}
}

func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the kind and the cause.
func (p *Problem) Unwrap() []error { return []error{p.Kind, p.Err} }
