package registry

import (
	"encoding"
	"reflect"
	"slices"
)

// ResultSize returns the bytes that a result of f takes at most when encoded, if there is such a
// bound: numbers, and structs and arrays of them, have one. With it a client knows how many results
// a reply holds before it has seen the first.
func ResultSize(f *Function) (int, bool) {
	if len(f.results) == 0 {
		return 0, true
	}
	return f.size, f.sized
}

// ReturnsBytes reports whether f's result is a []byte or a string, which can be read as a stream.
func ReturnsBytes(f *Function) bool {
	if len(f.results) == 0 {
		return false
	}
	t := f.results[0].Go()
	return t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// fixedSize returns the bytes that a value of type t takes at most when encoded, if
// there is such a bound.
func fixedSize(t reflect.Type) (int, bool) {
	const header = 9 // the longest of a msgpack value
	if encodesItself(t) {
		return 0, false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return header, true
	case reflect.Complex64, reflect.Complex128:
		return header + 16, true
	case reflect.Array:
		size, ok := fixedSize(t.Elem())
		return header + t.Len()*size, ok
	case reflect.Struct:
		total := header
		for field := range t.Fields() {
			size, ok := fixedSize(field.Type)
			if !ok {
				return 0, false
			}
			total += size
		}
		return total, true
	default:
		return 0, false
	}
}

// encodesItself says whether a method of t may decide what its encoding is. It asks for
// interfaces, not for methods by name: that would have the linker keep every
// method of the program.
func encodesItself(t reflect.Type) bool {
	return slices.ContainsFunc(encoders, reflect.PointerTo(t).Implements)
}

var encoders = []reflect.Type{
	reflect.TypeFor[encoding.BinaryAppender](), reflect.TypeFor[encoding.BinaryMarshaler](),
	reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[interface{ GobEncode() ([]byte, error) }](),
}
