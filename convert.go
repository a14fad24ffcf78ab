package lambdapool

import (
	"fmt"
	"math"
	"reflect"
)

// bind checks a dynamic call's arguments against f and returns them with the
// types that f takes. A variadic tail becomes one slice.
func (f *Function) bind(args []any) ([]reflect.Value, error) {
	fixed := len(f.args)
	if f.variadic {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !f.variadic {
		want := fmt.Sprint(fixed)
		if f.variadic {
			want = fmt.Sprintf("at least %d", fixed)
		}
		return nil, callError("submit", f.name, ErrBadArguments,
			fmt.Errorf("%d arguments, want %s", len(args), want), f.name+" is "+f.shape)
	}
	values := make([]reflect.Value, len(f.args))
	for i := range fixed {
		v, err := convert(args[i], f.args[i].Go())
		if err != nil {
			return nil, f.badArgument(i, err)
		}
		values[i] = v
	}
	if f.variadic {
		tail := reflect.MakeSlice(f.args[fixed].Go(), len(args)-fixed, len(args)-fixed)
		for i := range tail.Len() {
			v, err := convert(args[fixed+i], tail.Type().Elem())
			if err != nil {
				return nil, f.badArgument(fixed+i, err)
			}
			tail.Index(i).Set(v)
		}
		values[fixed] = tail
	}
	return values, nil
}

func (f *Function) badArgument(i int, err error) error {
	return callError("submit", f.name, ErrBadArguments, fmt.Errorf("argument %d: %w", i+1, err), f.name+" is "+f.shape)
}

// convert returns v as a t. Values of predeclared types convert between
// numeric types as constants would, when nothing is lost, and to named types of
// their kind; everything else must be assignable.
func convert(v any, t reflect.Type) (reflect.Value, error) {
	if v == nil {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			return reflect.Zero(t), nil
		default:
			return reflect.Value{}, fmt.Errorf("nil, want %v", t)
		}
	}
	from := reflect.ValueOf(v)
	switch {
	case from.Type() == t:
		return from, nil
	case from.Type().AssignableTo(t):
		return from.Convert(t), nil
	case from.Type().PkgPath() != "":
		// A named type has a meaning that its numbers alone do not carry.
	case isNumeric(from.Kind()) && isNumeric(t.Kind()):
		to, ok := convertNumber(from, t)
		if !ok {
			return reflect.Value{}, fmt.Errorf("%v (%T) does not convert to %v without loss", v, v, t)
		}
		return to, nil
	case from.Kind() == t.Kind() && (t.Kind() == reflect.String || t.Kind() == reflect.Bool):
		return from.Convert(t), nil
	}
	return reflect.Value{}, fmt.Errorf("%T, want %v", v, t)
}

func isNumeric(k reflect.Kind) bool {
	return k >= reflect.Int && k <= reflect.Complex128 && k != reflect.Uintptr
}

// convertNumber converts between numeric types and reports whether the value
// is the same afterwards. Converting there and back is not enough for that:
// math.MaxInt64 survives it by way of float64 although the float is larger.
func convertNumber(from reflect.Value, t reflect.Type) (reflect.Value, bool) {
	to := reflect.New(t).Elem()
	switch {
	case to.CanInt():
		n, ok := asInt(from)
		if !ok || to.OverflowInt(n) {
			return to, false
		}
		to.SetInt(n)
	case to.CanUint():
		n, ok := asUint(from)
		if !ok || to.OverflowUint(n) {
			return to, false
		}
		to.SetUint(n)
	case to.CanFloat():
		x, ok := asFloat(from)
		if !ok || t.Kind() == reflect.Float32 && float64(float32(x)) != x && !math.IsNaN(x) {
			return to, false
		}
		to.SetFloat(x)
	default:
		z, ok := asComplex(from)
		if !ok || t.Kind() == reflect.Complex64 && complex128(complex64(z)) != z {
			return to, false
		}
		to.SetComplex(z)
	}
	return to, true
}

// Floats at and above these are outside of the integers' ranges.
const (
	firstAboveInt64  = 1 << 63
	firstAboveUint64 = 1 << 64
)

func asInt(v reflect.Value) (int64, bool) {
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), v.Uint() <= math.MaxInt64
	case v.CanFloat():
		x := v.Float()
		if x != math.Trunc(x) || x < -firstAboveInt64 || x >= firstAboveInt64 {
			return 0, false
		}
		return int64(x), true
	default:
		z := v.Complex()
		if imag(z) != 0 {
			return 0, false
		}
		return asInt(reflect.ValueOf(real(z)))
	}
}

func asUint(v reflect.Value) (uint64, bool) {
	switch {
	case v.CanInt():
		return uint64(v.Int()), v.Int() >= 0
	case v.CanUint():
		return v.Uint(), true
	case v.CanFloat():
		x := v.Float()
		if x != math.Trunc(x) || x < 0 || x >= firstAboveUint64 {
			return 0, false
		}
		return uint64(x), true
	default:
		z := v.Complex()
		if imag(z) != 0 {
			return 0, false
		}
		return asUint(reflect.ValueOf(real(z)))
	}
}

func asFloat(v reflect.Value) (float64, bool) {
	switch {
	case v.CanInt():
		x := float64(v.Int())
		back, ok := asInt(reflect.ValueOf(x))
		return x, ok && back == v.Int()
	case v.CanUint():
		x := float64(v.Uint())
		back, ok := asUint(reflect.ValueOf(x))
		return x, ok && back == v.Uint()
	case v.CanFloat():
		return v.Float(), true
	default:
		z := v.Complex()
		return real(z), imag(z) == 0
	}
}

func asComplex(v reflect.Value) (complex128, bool) {
	if v.CanComplex() {
		return v.Complex(), true
	}
	x, ok := asFloat(v)
	return complex(x, 0), ok
}
