package registry

import (
	"context"
	"iter"
	"reflect"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/contain"
)

// Encode encodes one call's arguments, which have f's types. The result shares no memory with them,
// so the caller may change them at once. The error is a [Problem] of kind ErrEncode.
//
// Methods by which arguments encode themselves are contained: they are the program's, and may block
// or end their goroutine.
func Encode(f *Function, values []reflect.Value) (data []byte, err error) {
	if f.customArgs {
		data, err = encodeCustom(f, values)
	} else {
		data, err = codec.Marshal(f.args, values)
	}
	if err != nil {
		return nil, problem(f.name, ErrEncode, err, "")
	}
	return data, nil
}

// encodeCustom is for arguments that encode themselves, by methods that may do anything. It is a
// function of its own because its closure would cost every other call an allocation.
func encodeCustom(f *Function, values []reflect.Value) ([]byte, error) {
	return contain.Value(context.Background(), "a marshaling method of "+f.shape, nil, func() ([]byte, error) {
		return codec.Marshal(f.args, values)
	})
}

// EncodeEach encodes items as they are pulled, one at a time: an input that never ends needs the
// memory of one. The errors are [Problem]s, each of one item; the others go on.
func EncodeEach[A any](f *Function, args iter.Seq[A]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		values := make([]reflect.Value, 1)
		for arg := range args {
			values[0] = reflect.ValueOf(&arg).Elem()
			if !yield(Encode(f, values)) {
				return
			}
		}
	}
}

// EncodeSource is [EncodeEach] of arguments whose source can fail: a [SourceError] ends them.
func EncodeSource[A any](f *Function, args iter.Seq2[A, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		values := make([]reflect.Value, 1)
		for arg, err := range args {
			if err != nil {
				yield(nil, &SourceError{err})
				return
			}
			values[0] = reflect.ValueOf(&arg).Elem()
			if !yield(Encode(f, values)) {
				return
			}
		}
	}
}

// Sure returns args as a source that does not fail. One that is nil stays so.
func Sure[A any](args iter.Seq[A]) iter.Seq2[A, error] {
	if args == nil {
		return nil
	}
	return func(yield func(A, error) bool) {
		for arg := range args {
			if !yield(arg, nil) {
				return
			}
		}
	}
}

// A SourceError is why there are no more arguments. It is of no argument.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return contain.Tame(e.Err).Error() }

// Unwrap returns what the source said.
func (e *SourceError) Unwrap() error { return e.Err }

// EncodeLists encodes lists of arguments as they are pulled, each checked as by [Bind]. The errors
// are [Problem]s, each of one list.
func EncodeLists(f *Function, argLists [][]any) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, args := range argLists {
			values, err := Bind(f, args)
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			if !yield(Encode(f, values)) {
				return
			}
		}
	}
}

// Decode decodes what f returned into v. A dynamic call's value, an any, gets the type that f was
// registered with; without a result it is nil. The error is a *codec.DecodeError, or of a method
// that was contained.
//
// own says that data is nobody else's. Then a large value may be a part of it instead of a copy,
// and keeps it alive: a result of a gigabyte is in memory once.
//
// Unmarshaling methods of the program's are contained: one that outlives ctx is left behind, with
// the value that it fills, and v is zero.
func Decode[T any](ctx context.Context, v *T, f *Function, data []byte, own bool) (err error) {
	if !f.customResult {
		return decode(v, f, data, own)
	}
	*v, err = contain.Value(ctx, "an unmarshaling method of "+f.shape, nil, func() (value T, err error) {
		err = decode(&value, f, data, own)
		return value, err
	})
	return err
}

// decode is Decode without containment.
func decode[T any](v *T, f *Function, data []byte, own bool) error {
	dynamic, ok := any(v).(*any)
	if !ok && own {
		return codec.UnmarshalShared(data, f.results, []reflect.Value{reflect.ValueOf(v).Elem()})
	} else if !ok {
		return codec.Unmarshal(data, f.results, []reflect.Value{reflect.ValueOf(v).Elem()})
	}
	unmarshal := codec.Unmarshal
	if own {
		unmarshal = codec.UnmarshalShared
	}
	values := make([]reflect.Value, len(f.results))
	for i, t := range f.results {
		values[i] = reflect.New(t.Go()).Elem()
	}
	if err := unmarshal(data, f.results, values); err != nil {
		return err
	}
	for _, value := range values {
		*dynamic = value.Interface()
	}
	return nil
}
