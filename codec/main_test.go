package codec_test

import (
	"reflect"
	"runtime"
	"testing"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

func typeOf(tb testing.TB, t reflect.Type) *codec.Type {
	tb.Helper()
	ct, err := codec.TypeOf(t)
	if err != nil {
		tb.Fatal(err)
	}
	return ct
}

// encode returns the encoding of one value.
func encode[T any](tb testing.TB, v T) []byte {
	tb.Helper()
	data, err := tryEncode(tb, v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func tryEncode[T any](tb testing.TB, v T) ([]byte, error) {
	tb.Helper()
	return codec.Marshal([]*codec.Type{typeOf(tb, reflect.TypeFor[T]())}, []reflect.Value{reflect.ValueOf(&v).Elem()})
}

func tryDecode[T any](tb testing.TB, data []byte) (T, error) {
	tb.Helper()
	var v T
	err := codec.Unmarshal(data, []*codec.Type{typeOf(tb, reflect.TypeFor[T]())}, []reflect.Value{reflect.ValueOf(&v).Elem()})
	return v, err
}

// roundTrip returns what arrives of v.
func roundTrip[T any](tb testing.TB, v T) T {
	tb.Helper()
	got, err := tryDecode[T](tb, encode(tb, v))
	if err != nil {
		tb.Fatalf("%T: %v", v, err)
	}
	return got
}

// allocated returns how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// allowance is what decoding n bytes may allocate: the documented bound, an eighth
// for the allocator's size classes, and the errors and pools of this package.
func allowance(n int) int {
	bound := codec.MaxExpansion*n + 64<<10
	return bound + bound/8 + 64<<10
}
