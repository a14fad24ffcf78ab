package registry

import (
	"fmt"
	"math"
	"reflect"

	"github.com/lambdapool/lambdapool/internal/english"
)

// Bind checks a dynamic call's arguments against f and returns them with the types that f takes. A
// variadic tail becomes one slice. It runs before anything is sent, so a wrong argument costs no
// invocation; an agent would find it too, minutes later. The error is a [Problem] of kind
// ErrBadArguments that names the argument, counted from 1, and the signature.
func Bind(f *Function, args []any) ([]reflect.Value, error) {
	fixed := len(f.args)
	if f.variadic {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !f.variadic {
		want := fmt.Sprint(fixed)
		if f.variadic {
			want = fmt.Sprintf("at least %d", fixed)
		}
		return nil, problem(f.name, ErrBadArguments,
			fmt.Errorf("%s, want %s", english.Count(len(args), "argument"), want), f.name+" is "+f.shape)
	}
	values := make([]reflect.Value, len(f.args))
	for i := range fixed {
		v, err := convert(args[i], f.args[i].Go())
		if err != nil {
			return nil, badArgument(f, i, err)
		}
		values[i] = v
	}
	if f.variadic {
		tail := reflect.MakeSlice(f.args[fixed].Go(), len(args)-fixed, len(args)-fixed)
		for i := range tail.Len() {
			v, err := convert(args[fixed+i], tail.Type().Elem())
			if err != nil {
				return nil, badArgument(f, fixed+i, err)
			}
			tail.Index(i).Set(v)
		}
		values[fixed] = tail
	}
	return values, nil
}

// badArgument says which argument is wrong, beside what the function takes.
func badArgument(f *Function, i int, err error) error {
	return problem(f.name, ErrBadArguments, fmt.Errorf("argument %d: %w", i+1, err), f.name+" is "+f.shape)
}

// convert returns v as a t. Values of predeclared types convert between numeric types as constants
// would, when nothing is lost, and to named types of their kind; everything else must be
// assignable.
//
// Callers of a dynamic call write 1 where a float64 belongs, as they would in Go, and get JSON's
// float64 where an int belongs. A named type converts to nothing: seconds are no minutes, although
// both are numbers.
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

// isNumeric reports whether values of the kind are numbers. An address is none.
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
		if !ok || t.Kind() == reflect.Float32 && !narrow(x) {
			return to, false
		}
		to.SetFloat(x)
	default:
		z, ok := asComplex(from)
		if !ok || t.Kind() == reflect.Complex64 && !(narrow(real(z)) && narrow(imag(z))) {
			return to, false
		}
		to.SetComplex(z)
	}
	return to, true
}

// narrow reports whether a float32 holds x. NaN is not equal to itself, but it is one there too.
func narrow(x float64) bool { return float64(float32(x)) == x || math.IsNaN(x) }

// Floats at and above these are outside of the integers' ranges.
const (
	firstAboveInt64  = 1 << 63
	firstAboveUint64 = 1 << 64
)

// asInt returns v as an int64, and whether it is one: no fraction, no imaginary part, and in range.
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

// asUint is asInt for a uint64.
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

// asFloat returns v as a float64, and whether all of an integer's digits survive: above 2^53 only
// some integers are floats.
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

// asComplex returns v as a complex128, and whether it is one.
func asComplex(v reflect.Value) (complex128, bool) {
	if v.CanComplex() {
		return v.Complex(), true
	}
	x, ok := asFloat(v)
	return complex(x, 0), ok
}
