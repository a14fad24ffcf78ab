package codec

import (
	"bytes"
	"math"
	"reflect"
	"testing"
	"unsafe"
)

// The way of machines with another byte order, or with a 32-bit int, must write the
// same bytes as the fast one.
func TestPortableNumerics(t *testing.T) {
	for _, v := range []any{
		[]int{1, -2, math.MaxInt, math.MinInt}, []uint{math.MaxUint}, []int8{-1, 2}, []uint16{1, 0x1234}, []int32{-5, 0x12345678},
		[]uint64{1 << 63}, []float32{1.5, float32(math.NaN())}, []float64{math.Inf(-1), 2}, []complex64{1i, 2}, []complex128{3 + 4i},
	} {
		rv := reflect.ValueOf(v)
		fast, ok := numericOf(rv.Type().Elem())
		if !ok {
			t.Fatalf("%T: not numeric", v)
		}
		slow := fast
		slow.native = false
		want, got := written(t, fast, rv), written(t, slow, rv)
		if littleEndian && !bytes.Equal(got, want) {
			t.Errorf("%T: got %x, want %x", v, got, want)
		}
		back := reflect.MakeSlice(rv.Type(), rv.Len(), rv.Len())
		if err := slow.read(back.UnsafePointer(), got[2:]); err != nil {
			t.Fatal(err)
		}
		if again := written(t, fast, back); !bytes.Equal(again, want) {
			t.Errorf("%T: read back as %x, want %x", v, again, want)
		}
	}
}

func written(t *testing.T, n numeric, v reflect.Value) []byte {
	t.Helper()
	e := getEncoder()
	defer putEncoder(e)
	if err := n.write(e, v.UnsafePointer(), v.Len()); err != nil {
		t.Fatal(err)
	}
	return e.out.take()
}

// Where int has 32 bits it travels in 64, and what does not fit is an error.
func TestShortInts(t *testing.T) {
	short := numeric{mem: 4, wire: 8, parts: 1, signed: true}
	in := []int32{1, -2, math.MinInt32}
	wide, _ := numericOf(reflect.TypeFor[int64]())
	want := written(t, wide, reflect.ValueOf([]int64{1, -2, math.MinInt32}))
	if got := written(t, short, reflect.ValueOf(in)); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	out := make([]int32, 3)
	if err := short.read(unsafe.Pointer(&out[0]), want[2:]); err != nil || out[2] != math.MinInt32 || out[1] != -2 {
		t.Errorf("got %v, %v", out, err)
	}
	large := written(t, wide, reflect.ValueOf([]int64{1 << 31}))
	if err := short.read(unsafe.Pointer(&out[0]), large[2:]); err == nil {
		t.Error("2^31 fits into 32 bits")
	}
	short.signed = false
	if err := short.read(unsafe.Pointer(&out[0]), large[2:]); err != nil {
		t.Errorf("2^31, unsigned: %v", err)
	}
}
