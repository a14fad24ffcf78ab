package codec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// ErrVersion says that the other side speaks another version of the protocol. A [FrameError]
// wraps it, whose text says which side is older. Build client and agent from the same version
// of lambdapool.
var ErrVersion = errors.New("protocol versions differ")

// An UnsupportedError says why values of a type cannot travel. [TypeOf] returns it. It is found
// when a function is registered, long before a value is sent.
type UnsupportedError struct {
	Path   string       // where the type was met, such as "Order.Items[].Done"; empty for the type itself
	Type   reflect.Type // the type that cannot travel
	Reason string       // why, and what to use instead
}

func (e *UnsupportedError) Error() string {
	s := fmt.Sprintf("%v cannot travel: %s", e.Type, e.Reason)
	if e.Path != "" {
		return e.Path + ": " + s
	}
	return s
}

// An EncodeError says why a value could not be encoded. It never shows the value, which may be
// secret; what a MarshalBinary method said when it failed or panicked is repeated. [Marshal] returns
// it: for a pointer cycle, for more than [MaxDepth] levels or [MaxEncoded] bytes, and for such a method.
type EncodeError struct {
	Value  int    // which of the values, from 0; -1 when they do not fit their types
	Path   string // where inside of it, such as "Node.Next.Next"; empty for the value itself
	Reason string
}

func (e *EncodeError) Error() string { return describe("encode", e.Value, e.Path, e.Reason) }

// A DecodeError says why bytes are not the values that were expected. It never shows the bytes.
// [Unmarshal] returns it. Between a client and an agent of the same code it means that a type's
// own methods do not fit each other, or that bytes were changed.
type DecodeError struct {
	Value  int    // which of the values, from 0; -1 when the bytes as a whole are malformed
	Path   string // where inside of it, such as "Order.Items[3].Price"; empty for the value itself
	Reason string
}

func (e *DecodeError) Error() string { return describe("decode", e.Value, e.Path, e.Reason) }

// describe counts values from 1, as people do.
func describe(op string, value int, path, reason string) string {
	switch {
	case value < 0:
		return op + ": " + reason
	case path == "":
		return fmt.Sprintf("%s value %d: %s", op, value+1, reason)
	default:
		return fmt.Sprintf("%s value %d: %s: %s", op, value+1, path, reason)
	}
}

// A FrameError says why bytes are not a request or a reply, or why none could be made. Its text
// is for people, and says what to do where that is known. errors.Is finds [ErrVersion],
// [ErrDamaged] and [ErrNotStreamable] in it.
type FrameError struct {
	Reason string
	Err    error // ErrVersion, the cause inside the envelope, or nil
}

func (e *FrameError) Error() string { return e.Reason }

// Unwrap returns Err.
func (e *FrameError) Unwrap() error { return e.Err }

// A pathError is a reason on its way out of nested values. Each level adds where
// it was, innermost first.
type pathError struct {
	steps  []string
	reason string
}

func (e *pathError) Error() string { return e.reason }

// fail makes the innermost error of a value: the reason, without a path.
func fail(format string, args ...any) error {
	return &pathError{reason: fmt.Sprintf(format, args...)}
}

// at adds a step to the path of err.
func at(step string, err error) error {
	pe := asPathError(err)
	pe.steps = append(pe.steps, step)
	return pe
}

func atIndex(i int, err error) error { return at("["+strconv.Itoa(i)+"]", err) }

func asPathError(err error) *pathError {
	var pe *pathError
	if errors.As(err, &pe) {
		return pe
	}
	return &pathError{reason: err.Error()}
}

// path returns the steps outermost first, below the name of the root type. The
// middle of a very long path, as a pointer cycle makes, is left out.
func (e *pathError) path(root reflect.Type) string {
	const head, tail = 8, 4
	steps := slices.Clone(e.steps)
	slices.Reverse(steps)
	if len(steps) > head+tail {
		steps = slices.Concat(steps[:head], []string{".…"}, steps[len(steps)-tail:])
	}
	return joinPath(root, steps)
}

// joinPath writes steps below the type's name, as Go would: Order.Items[3].Price.
func joinPath(root reflect.Type, steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	s := strings.Join(steps, "")
	if name := rootName(root); name != "" {
		return name + s
	}
	return strings.TrimPrefix(s, ".")
}

// rootName looks through pointers: *Order reads as Order, as its fields do.
func rootName(t reflect.Type) string {
	for t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
