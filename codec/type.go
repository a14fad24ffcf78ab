package codec

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// A Type is the compiled codec of one Go type. Get it from [TypeOf]; its zero value cannot be
// used. It is immutable and safe for concurrent use.
type Type struct {
	plan   *plan
	shape  string
	custom bool
}

// types caches what TypeOf returned without an error: reflect.Type to *Type.
var types sync.Map

// TypeOf returns the codec of t. The error is an *[UnsupportedError] that names the field when
// values of t, or something inside of them, cannot travel. A nil t is such an error.
//
// The result is cached for the life of the process, so only the first call for a type is dear.
// TypeOf is safe for concurrent use.
func TypeOf(t reflect.Type) (*Type, error) {
	if t == nil {
		return nil, &UnsupportedError{Reason: "it has no type; use a concrete type"}
	}
	if c, ok := types.Load(t); ok {
		return c.(*Type), nil
	}
	compiler := &compiler{plans: make(map[reflect.Type]*plan), root: t}
	p, err := compiler.plan("", t)
	if err != nil {
		return nil, err
	}
	c, _ := types.LoadOrStore(t, &Type{plan: p, shape: shapeOf(p), custom: compiler.custom()})
	return c.(*Type), nil
}

// Go returns the Go type that TypeOf was given.
func (t *Type) Go() reflect.Type { return t.plan.typ }

// Shape describes how values of the type travel: a struct shows its fields in order, a named
// type is expanded where it first appears. Types of equal shape have the same encoding. The
// text depends only on the declarations, so two programs may compare its hash.
//
//	[]main.Order{Items []string; Paid bool}
//
// It has the names of types and fields, since renaming is mostly a change of meaning. So two
// types may have the same encoding and different shapes. A type that encodes itself shows how,
// not what: its methods must agree by themselves.
func (t *Type) Shape() string { return t.shape }

// Custom reports whether values of the type, or something inside of them, encode
// themselves by methods that are not the standard library's: [Marshal] and
// [Unmarshal] then run code of the program, which may end its goroutine or block. A
// panic of such a method is an error of theirs.
func (t *Type) Custom() bool { return t.custom }

// String returns the name of the Go type.
func (t *Type) String() string { return t.plan.typ.String() }

// Marshal returns the encodings of vs, back to back, in a slice of their size. Each value must
// be of the type at the same place of ts. Neither values nor types give an empty encoding, as a
// function without arguments has.
//
// The error is an *[EncodeError]. Marshal is safe for concurrent use if nobody writes to vs. It
// keeps nothing of them. Methods of the values may run: see [Type.Custom].
func Marshal(ts []*Type, vs []reflect.Value) ([]byte, error) {
	if err := match(ts, vs); err != nil {
		return nil, &EncodeError{Value: -1, Reason: err.Error()}
	}
	e := getEncoder()
	defer putEncoder(e)
	for i, t := range ts {
		e.out.roots = append(e.out.roots, root{t.plan, addressable(vs[i])})
	}
	for i, r := range e.out.roots {
		if err := r.plan.enc(e, r.value); err != nil {
			pe := asPathError(err)
			return nil, &EncodeError{Value: i, Path: pe.path(r.plan.typ), Reason: pe.reason}
		}
	}
	return e.out.take(), nil
}

// Unmarshal decodes what [Marshal] returned into vs, which must be settable, zero and of the
// types ts. The types must have the shapes of the sender's: compare them before, since the
// encoding has no names.
//
// It shares no memory with data. The error is a *[DecodeError], after which vs may be half
// filled. What data makes Unmarshal allocate, hostile or not, is bounded by [MaxExpansion].
// Unmarshal is safe for concurrent use.
func Unmarshal(data []byte, ts []*Type, vs []reflect.Value) error {
	return unmarshal(data, ts, vs, false)
}

// UnmarshalShared is [Unmarshal] for data that the caller gives up: it must not be changed
// afterwards, and stays in memory as long as a value that is a part of it. Use it for large
// results, where a copy would double the memory.
//
// A slice of bytes or numbers that is at least half of data becomes a part of data instead of a
// copy, and so do all strings where they are at least half of it together. Numbers must happen
// to be aligned for that, as those of one value are that came through [FrameReply] and
// [ReadReply]. Where they are not, they are copied.
func UnmarshalShared(data []byte, ts []*Type, vs []reflect.Value) error {
	return unmarshal(data, ts, vs, true)
}

func unmarshal(data []byte, ts []*Type, vs []reflect.Value, share bool) error {
	if err := match(ts, vs); err != nil {
		return &DecodeError{Value: -1, Reason: err.Error()}
	}
	if err := scan(data, len(ts)); err != nil {
		return &DecodeError{Value: -1, Reason: err.Error()}
	}
	d := getDecoder(data, false)
	d.share = share
	d.texts = share && mostStrings(data)
	defer putDecoder(d)
	for i, t := range ts {
		if err := t.plan.dec(d, vs[i]); err != nil {
			pe := asPathError(err)
			return &DecodeError{Value: i, Path: pe.path(t.plan.typ), Reason: pe.reason}
		}
	}
	return nil
}

var errNoValue = errors.New("no value")

// match reports why vs are not values of the types ts. A caller that mixes them up would otherwise
// write through a pointer of another type.
func match(ts []*Type, vs []reflect.Value) error {
	if len(ts) != len(vs) {
		return fmt.Errorf("%d values for %d types", len(vs), len(ts))
	}
	for i, t := range ts {
		if !vs[i].IsValid() {
			return errNoValue
		}
		if got := vs[i].Type(); got != t.plan.typ {
			return fmt.Errorf("value %d is %v where %v belongs", i+1, got, t.plan.typ)
		}
	}
	return nil
}
