package mapreduce

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"

	"github.com/lambdapool/lambdapool/codec"
)

// pairHeader begins a msgpack array of two. Source: github.com/msgpack/msgpack/blob/master/spec.md, "fixarray".
const pairHeader = 0x92

// maxPair bounds what is read in search of the end of one result, in bytes.
const maxPair = codec.MaxStored

func pairTypes[K cmp.Ordered, R any]() ([]*codec.Type, error) {
	key, err := codec.TypeOf(reflect.TypeFor[K]())
	if err != nil {
		return nil, fmt.Errorf("mapreduce: a key: %w", err)
	}
	value, err := codec.TypeOf(reflect.TypeFor[R]())
	if err != nil {
		return nil, fmt.Errorf("mapreduce: a result: %w", err)
	}
	return []*codec.Type{key, value}, nil
}

// msgpackWriter returns what writes results to w.
func msgpackWriter[K cmp.Ordered, R any](w io.Writer) (func(Pair[K, R]) error, error) {
	types, err := pairTypes[K, R]()
	if err != nil {
		return nil, err
	}
	return func(p Pair[K, R]) error {
		data, err := codec.Marshal(types, []reflect.Value{reflect.ValueOf(&p.Key).Elem(), reflect.ValueOf(&p.Value).Elem()})
		if err == nil {
			_, err = w.Write([]byte{pairHeader})
		}
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}, nil
}

// ReadMsgpack reads an object that a job has written as [Msgpack], in its order: results of keys K and values R, which must be
// the job's. It reads from r as it goes on, blocks as r does, and holds little more than the largest result. An error is the last: r's, or
// of bytes that are not such results, with the result's number. It does not close r.
func ReadMsgpack[K cmp.Ordered, R any](r io.Reader) iter.Seq2[Pair[K, R], error] {
	return func(yield func(Pair[K, R], error) bool) {
		types, err := pairTypes[K, R]()
		if err != nil {
			yield(Pair[K, R]{}, err)
			return
		}
		results := results{from: r}
		for n := 0; ; n++ {
			var p Pair[K, R]
			data, err := results.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = codec.Unmarshal(data, types, []reflect.Value{reflect.ValueOf(&p.Key).Elem(), reflect.ValueOf(&p.Value).Elem()})
			}
			if err != nil {
				yield(Pair[K, R]{}, fmt.Errorf("mapreduce: read result %d: %w", n, err))
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// results finds where results end.
type results struct {
	from io.Reader
	buf  []byte // what was read and not taken
	end  error  // of from
}

// next returns what follows the header of the next result, or io.EOF. It is good until the next call.
func (s *results) next() ([]byte, error) {
	for {
		if len(s.buf) > 0 {
			if s.buf[0] != pairHeader {
				return nil, fmt.Errorf("it begins with 0x%02x and not as an array of two", s.buf[0])
			}
			n, err := codec.Length(s.buf[1:], 2)
			if err == nil {
				data := s.buf[1 : 1+n]
				s.buf = s.buf[1+n:]
				return data, nil
			}
			if s.end != nil || len(s.buf) > maxPair {
				return nil, cmp.Or(notEOF(s.end), err)
			}
		} else if s.end != nil {
			return nil, s.end
		}
		s.fill()
	}
}

// notEOF is err, if it is another one.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// fill reads at least as much as there is already, so that a large result is not looked through for each piece of it.
func (s *results) fill() {
	more := make([]byte, max(len(s.buf), readAhead))
	n, err := io.ReadFull(s.from, more)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	s.buf, s.end = append(slices.Clip(s.buf), more[:n]...), err
}
