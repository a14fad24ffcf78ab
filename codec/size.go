package codec

import (
	"math"
	"reflect"
)

// sizeFrom is the size from which an encoding gets its buffer in one piece: a buffer
// that grows as it is filled is beside its successor when it is copied, and leaves as
// much again as garbage.
const sizeFrom = 256 << 10

// A root is one of the values that are encoded together.
type root struct {
	plan  *plan
	value reflect.Value
}

// sizeOf returns the size of the encodings of roots, back to back. It is exact but for
// what encodes itself, and for values that cannot be encoded anyway.
func sizeOf(roots []root) int {
	var s sizer
	for _, r := range roots {
		s.add(r.plan, r.value)
	}
	return s.n
}

// A sizer adds up sizes. Like an encoder it goes MaxDepth levels deep at most, and
// ends above MaxEncoded.
type sizer struct {
	n, depth  int
	spare     *plan // of the map that these are for
	key, elem reflect.Value
}

func (s *sizer) add(p *plan, v reflect.Value) {
	if s.depth > MaxDepth || s.n > MaxEncoded {
		return
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.n += intSize(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.n += uintSize(v.Uint())
	case reflect.Float32:
		s.n += 5
	case reflect.Float64:
		s.n += 9
	case reflect.Complex64, reflect.Complex128:
		s.n += binSize(int(p.typ.Size()))
	case reflect.String:
		s.n += stringSize(v.Len())
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer, reflect.Struct:
		s.depth++
		s.addDeep(p, v)
		s.depth--
	default: // bool
		s.n++
	}
}

// addDeep is add for what holds other values.
func (s *sizer) addDeep(p *plan, v reflect.Value) {
	kind := v.Kind()
	switch {
	case kind == reflect.Struct && p.marshaler != nil:
		const guess = 16 // right for time.Time
		s.n += binSize(guess)
	case kind == reflect.Struct:
		s.n += listSize(len(p.fields))
		for i := range p.fields {
			s.add(p.fields[i].plan, v.Field(p.fields[i].index))
		}
	case kind != reflect.Array && v.IsNil():
		s.n++
	case kind == reflect.Pointer:
		if p.elem.nilable() {
			s.n++
		}
		s.add(p.elem, v.Elem())
	case kind == reflect.Map:
		s.n += listSize(v.Len())
		s.addEntries(p, v)
	default:
		if n, ok := numericOf(p.typ.Elem()); ok {
			s.n += binSize(v.Len() * n.size())
			return
		}
		s.n += listSize(v.Len())
		for i := range v.Len() {
			s.add(p.elem, v.Index(i))
		}
	}
}

func (s *sizer) addEntries(p *plan, v reflect.Value) {
	key, elem := s.key, s.elem
	if s.spare != p {
		key, elem = reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
	}
	s.spare = nil // in use; there may be such a map inside of this one
	for it := v.MapRange(); it.Next(); {
		key.SetIterKey(it)
		s.add(p.key, key)
		elem.SetIterValue(it)
		s.add(p.elem, elem)
	}
	s.spare, s.key, s.elem = p, key, elem
}

func intSize(n int64) int {
	switch {
	case n >= 0:
		return uintSize(uint64(n))
	case n >= -32:
		return 1
	case n >= math.MinInt8:
		return 2
	case n >= math.MinInt16:
		return 3
	case n >= math.MinInt32:
		return 5
	default:
		return 9
	}
}

func uintSize(n uint64) int {
	switch {
	case n <= math.MaxInt8:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	case n <= math.MaxUint32:
		return 5
	default:
		return 9
	}
}

func stringSize(n int) int {
	if n < 32 {
		return 1 + n
	}
	return binSize(n)
}

func binSize(n int) int {
	switch {
	case n <= math.MaxUint8:
		return 2 + n
	case n <= math.MaxUint16:
		return 3 + n
	default:
		return 5 + n
	}
}

// listSize returns the size of the header of an array or a map.
func listSize(n int) int {
	switch {
	case n < 16:
		return 1
	case n <= math.MaxUint16:
		return 3
	default:
		return 5
	}
}
