package codec_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

func sizeOf[T any](t *testing.T, v T) int {
	t.Helper()
	return codec.SizeOf([]*codec.Type{typeOf(t, reflect.TypeFor[T]())}, []reflect.Value{reflect.ValueOf(&v).Elem()})
}

func wantSize[T any](v T) func(*testing.T) {
	return func(t *testing.T) {
		if got, want := sizeOf(t, v), len(encode(t, v)); got != want {
			t.Errorf("the size is said to be %d, the encoding has %d bytes", got, want)
		}
	}
}

// The size of an encoding is known without making it.
func TestSizeOf(t *testing.T) {
	var ints []struct{ N int64 }
	var uints []struct{ N uint64 }
	for bit := range 64 {
		for d := range uint64(3) {
			n := uint64(1)<<bit + d - 1
			ints, uints = append(ints, struct{ N int64 }{int64(n)}, struct{ N int64 }{-int64(n)}), append(uints, struct{ N uint64 }{n})
		}
	}
	t.Run("ints", wantSize(ints))
	t.Run("uints", wantSize(uints))
	lengths := []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536}
	for _, n := range lengths {
		t.Run("string", wantSize(strings.Repeat("x", n)))
		t.Run("bytes", wantSize(make([]byte, n)))
		t.Run("numbers", wantSize(make([]float64, n)))
		t.Run("complex numbers", wantSize(make([]complex64, n)))
		t.Run("list", wantSize(make([]bool, n)))
		m := make(map[int]string, n)
		for i := range n {
			m[i] = "x"
		}
		t.Run("map", wantSize(m))
	}
	t.Run("scalars", wantSize(struct {
		A bool
		B float32
		C float64
		D complex64
		E complex128
		F label
		G nothing
	}{}))
	t.Run("arrays", wantSize(struct {
		A grid
		B [3]string
		C [0]int
	}{B: [3]string{"a"}}))
	t.Run("nil", wantSize(everythingPlain{}))
	t.Run("nested", wantSize(everythingPlain{
		Slices: [][]string{{"a"}, nil, {}}, Maps: map[string]map[int][]bool{"a": {1: {true}}, "b": nil},
		Pointer: new(int), PointerToNil: new([]int), Deep: &node{1, &node{2, nil}}, Times: []time.Time{time.Now(), {}},
		Embedded: embedding{Own: "x"}, Floats: []float32{math.Pi},
	}))
}

type everythingPlain struct {
	Slices       [][]string
	Maps         map[string]map[int][]bool
	Pointer      *int
	PointerToNil *[]int
	Deep         *node
	Times        []time.Time
	Embedded     embedding
	Floats       []float32
}

// What cannot be encoded has no size, but asking for it comes to an end.
func TestSizeOfCycle(t *testing.T) {
	n := &node{Value: 1}
	n.Next = n
	if got := sizeOf(t, n); got > 10*codec.MaxDepth {
		t.Errorf("a cycle is said to take %d bytes", got)
	}
}

func rows(n int) []record {
	s := make([]record, n)
	for i := range s {
		s[i] = record{Name: strings.Repeat("n", 20+i%5), Tags: []string{strings.Repeat("t", 30), "u"}, Score: float64(i), At: time.Unix(int64(i), 0)}
	}
	return s
}

type record struct {
	Name  string
	Tags  []string
	Score float64
	At    time.Time
}

// A large encoding is made in one buffer, of its size.
func TestMarshalMemory(t *testing.T) {
	lines := slices.Repeat([]string{strings.Repeat("x", 99)}, 100_000)
	table := make(map[int]string, len(lines))
	for i, line := range lines {
		table[i] = line
	}
	t.Run("lines", marshals(1, lines, 1))
	t.Run("lists of lines", marshals(1, slices.Collect(slices.Chunk(lines, 1000)), 1))
	t.Run("records", marshals(1, rows(100_000), 1))
	t.Run("two values", marshals(1, lines, make([]byte, 10<<20)))
	t.Run("bytes", marshals(1, make([]byte, 10<<20), 1))
	t.Run("map", marshals(2, table, 1)) // and once more to be sorted
}

func marshals(times int, vs ...any) func(*testing.T) {
	return func(t *testing.T) {
		var ts []*codec.Type
		var values []reflect.Value
		for _, v := range vs {
			ts, values = append(ts, typeOf(t, reflect.TypeOf(v))), append(values, reflect.ValueOf(v))
		}
		var data []byte
		var err error
		n := allocated(func() { data, err = codec.Marshal(ts, values) })
		if err != nil {
			t.Fatal(err)
		}
		if most := times*len(data) + 4<<20; n > most {
			t.Errorf("an encoding of %d bytes allocates %d, want %d at most", len(data), n, most)
		}
		if cap(data) > len(data)+len(data)/16 {
			t.Errorf("an encoding of %d bytes lies in a buffer of %d", len(data), cap(data))
		}
	}
}
