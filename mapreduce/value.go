package mapreduce

import (
	"fmt"
	"reflect"

	"github.com/lambdapool/lambdapool/codec"
)

// A valueCodec encodes values as arguments of calls are.
type valueCodec[V any] struct {
	types []*codec.Type
	fixed bool // every value has about the size of its type
}

func valuesOf[V any]() (valueCodec[V], error) {
	t, err := codec.TypeOf(reflect.TypeFor[V]())
	if err != nil {
		return valueCodec[V]{}, err
	}
	return valueCodec[V]{[]*codec.Type{t}, fixedSize(reflect.TypeFor[V]())}, nil
}

func (c valueCodec[V]) encode(v *V) ([]byte, error) {
	return codec.Marshal(c.types, []reflect.Value{reflect.ValueOf(v).Elem()})
}

func (c valueCodec[V]) decode(data []byte) (v V, err error) {
	if err := codec.Unmarshal(data, c.types, []reflect.Value{reflect.ValueOf(&v).Elem()}); err != nil {
		return v, fmt.Errorf("a value: %w", err)
	}
	return v, nil
}

// fixedSize says whether values of t refer to nothing outside of them.
func fixedSize(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return fixedSize(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			if !fixedSize(field.Type) {
				return false
			}
		}
		return true
	default:
		return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Complex128
	}
}
