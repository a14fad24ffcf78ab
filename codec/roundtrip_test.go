package codec_test

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/codec"
)

// same checks that values of T arrive deeply equal.
func same[T any](vs ...T) func(*testing.T) {
	return func(t *testing.T) {
		for i, v := range vs {
			if got := roundTrip(t, v); !reflect.DeepEqual(got, v) {
				t.Errorf("value %d: got %#v, want %#v", i, got, v)
			}
			// The other way in: a value that is not addressable.
			data, err := codec.Marshal([]*codec.Type{typeOf(t, reflect.TypeFor[T]())}, []reflect.Value{reflect.ValueOf(v)})
			if want := encode(t, v); err != nil || string(data) != string(want) {
				t.Errorf("value %d, not addressable: %x, %v; want %x", i, data, err, want)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	long := make([]float64, 70_000)
	for i := range long {
		long[i] = float64(i) / 3
	}
	many := make(map[int]string)
	for i := range 1000 {
		many[i*i-500] = strings.Repeat("x", i%40)
	}
	link, err := url.Parse("https://user:pw@example.org:8080/a%2Fb?q=1#f")
	if err != nil {
		t.Fatal(err)
	}
	chain := &node{1, &node{2, &node{3, nil}}}
	tests := map[string]func(*testing.T){
		"bool":            same(true, false),
		"int":             same(0, 1, -1, 127, 128, -32, -33, 255, 256, -129, math.MaxInt32+1, math.MinInt32-1, math.MaxInt, math.MinInt),
		"int8":            same[int8](math.MinInt8, -1, 0, math.MaxInt8),
		"int16":           same[int16](math.MinInt16, math.MaxInt16),
		"int32":           same[int32](math.MinInt32, math.MaxInt32),
		"int64":           same[int64](math.MinInt64, math.MaxInt64),
		"uint":            same[uint](0, math.MaxUint),
		"uint8":           same[uint8](0, 127, 128, math.MaxUint8),
		"uint16":          same[uint16](math.MaxUint16),
		"uint32":          same[uint32](math.MaxUint32),
		"uint64":          same[uint64](0, math.MaxInt64, math.MaxInt64+1, math.MaxUint64),
		"float32":         same[float32](0, 1.5, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(1))),
		"float64":         same(0, 1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1)),
		"complex":         same(complex(1.5, -2), complex(math.Inf(1), 0)),
		"complex64":       same[complex64](complex(1.5, -2)),
		"string":          same("", "a", "grüße", strings.Repeat("long ", 20_000)),
		"bytes not UTF-8": same("\xff\xfe\x00\xc1", string([]byte{0x80})),
		"byte slice":      same([]byte(nil), []byte{}, []byte{0, 255}, make([]byte, 70_000)),
		"int slice":       same([]int(nil), []int{}, []int{math.MinInt, 0, math.MaxInt}),
		"number slices":   same(long, nil, []float64{}),
		"complex slice":   same([]complex64(nil), []complex64{1, 2i}),
		"bool slice":      same([]bool(nil), []bool{}, []bool{true, false}),
		"string slice":    same([]string(nil), []string{}, []string{"", "a", "\xff"}),
		"nested slices":   same([][]int(nil), [][]int{}, [][]int{nil, {}, {1, 2}}),
		"named": same(struct {
			A switched
			B level
			C ratio
			D label
			E weights
			F grid
			G index
		}{true, -1, 2.5, "l", weights{1, 2}, grid{{1, 2, 3}, {-4}}, index{"a": {1}, "b": nil, "c": {}}}),
		"durations":        same([]time.Duration{time.Second, -1}),
		"array":            same([3]string{"a", "", "c"}),
		"byte array":       same([5]byte{1, 2, 3}),
		"empty array":      same([0]string{}),
		"map":              same(map[string]int(nil), map[string]int{}, map[string]int{"": 0, "b": 1, "a": 2}),
		"large map":        same(many),
		"map of maps":      same(map[bool]map[float64][]string{true: {1.5: {"x"}, math.Inf(-1): nil}, false: nil}),
		"struct keys":      same(map[point]string{{1, 2}: "a", {-1, 0}: "b"}),
		"array keys":       same(map[[2]string]int{{"a", "b"}: 1, {"b", "a"}: 2}),
		"address keys":     same(map[netip.Addr]int{netip.MustParseAddr("10.0.0.1"): 1, netip.MustParseAddr("fe80::1%eth0"): 2}),
		"sets":             same(map[string]struct{}{"a": {}, "b": {}}),
		"pointer":          same((*int)(nil), new(0), new(7)),
		"pointer pointer":  same((**int)(nil), new(*int), new(new(7))),
		"pointer slice":    same((*[]int)(nil), new([]int), new([]int{}), new([]int{1})),
		"pointer map":      same((*map[string]int)(nil), new(map[string]int), new(map[string]int{}), new(map[string]int{"a": 1})),
		"pointers":         same([]*point{nil, {1, 2}, {}}),
		"struct":           same(point{1, 2}, point{}),
		"empty struct":     same(nothing{}),
		"empty structs":    same([]nothing(nil), []nothing{}, make([]nothing, 100)),
		"anonymous":        same(struct{ A, B int }{1, 2}),
		"list":             same(chain, nil),
		"tree":             same(tree{Leaves: []tree{{}, {Leaves: []tree{}}}, Named: map[string]tree{"x": {}}}),
		"mutual":           same(mutual{&mutual2{&mutual{}}}),
		"self slice":       same(links{nil, {}, {nil, {{}}}}),
		"self map":         same(lookup{"a": nil, "b": {"c": {}}}),
		"embedded":         same(embedding{base{1}, Public{"n"}, "o"}),
		"embedded ptr":     same(embeddingPointer{nil, "o"}, embeddingPointer{&Public{"n"}, "o"}),
		"big.Int":          same(big.NewInt(-5), nil, new(big.Int).Lsh(big.NewInt(1), 300)),
		"big.Float":        same(big.NewFloat(1.25)),
		"big.Rat":          same(big.NewRat(-3, 7)),
		"url":              same(link, nil),
		"addresses":        same(netip.Addr{}, netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("::ffff:1.2.3.4")),
		"prefix":           same(netip.MustParsePrefix("10.0.0.0/8")),
		"UTC":              same(time.Time{}, time.Date(2026, 2, 28, 23, 59, 59, 123456789, time.UTC)),
		"pointer methods":  same(gobbed{7}, gobbed{}),
		"embedded methods": same(holder{gobbed{7}, "n"}),
		"own methods":      same(renamed{name: "r"}),
		"generic methods":  same(box[string]{inner: "", Size: 3}),
		"lopsided":         same(lopsided{5}),
		"everything": same(everything{}, everything{
			true, -1, -8, math.MinInt64, 1, math.MaxUint64, 1.5, math.Pi, 2i, complex(3, 4), "s\xff", []byte{}, []int{1}, []float64{},
			[]string{"a"}, [4]byte{1}, grid{}, map[string]int{"k": 1}, map[int]map[string][]point{1: {"a": {{1, 2}}}},
			new(1), new(new("s")), new([]int), point{1, 2}, time.Unix(1e9, 5).UTC(), time.Minute, big.NewInt(9), *link,
			netip.IPv6Loopback(), struct{}{}, index{"i": {1, 2}},
		}),
	}
	for name, test := range tests {
		t.Run(name, test)
	}
}

func TestRegexp(t *testing.T) {
	if got := roundTrip(t, regexp.MustCompile(`^a+(b|c)$`)); got.String() != `^a+(b|c)$` || !got.MatchString("aab") {
		t.Errorf("got %v", got)
	}
}

// NaNs keep their bits, signaling ones too.
func TestNaNBits(t *testing.T) {
	for _, bits := range []uint64{0x7ff8000000000001, 0x7ff0000000000001, 0xfff8dead0000beef, 1 << 63} {
		f := math.Float64frombits(bits)
		got := roundTrip(t, struct {
			F float64
			S []float64
			C complex128
			A [1]float64
		}{f, []float64{f}, complex(f, f), [1]float64{f}})
		for _, g := range []float64{got.F, got.S[0], real(got.C), imag(got.C), got.A[0]} {
			if math.Float64bits(g) != bits {
				t.Errorf("%016x arrived as %016x", bits, math.Float64bits(g))
			}
		}
	}
	for _, bits := range []uint32{0x7fc00001, 0x7f800001, 0xffc0dead, 1 << 31} {
		f := math.Float32frombits(bits)
		got := roundTrip(t, struct {
			F float32
			R ratio
			S []float32
			P *float32
			M map[int]float32
		}{f, ratio(f), []float32{f}, &f, map[int]float32{1: f}})
		for i, g := range []float32{got.F, got.S[0], *got.P, got.M[1]} {
			if math.Float32bits(g) != bits {
				t.Errorf("float32 %d: %08x arrived as %08x", i, bits, math.Float32bits(g))
			}
		}
	}
}

// NaN keys are all different, so none of them is a duplicate.
func TestNaNKeys(t *testing.T) {
	in := map[float64]int{math.NaN(): 1, math.NaN(): 2, 0: 3}
	if got := roundTrip(t, in); len(got) != 3 || got[0] != 3 {
		t.Errorf("got %v", got)
	}
}

// Of a time.Time the instant and the offset arrive, not the name of the location
// and not the monotonic clock reading.
func TestTime(t *testing.T) {
	zone := time.FixedZone("Atlantis", -(3*3600 + 1800 + 7))
	in := time.Date(2026, 11, 20, 12, 0, 0, 1, zone)
	got := roundTrip(t, in)
	name, offset := got.Zone()
	if !got.Equal(in) || offset != -(3*3600+1800+7) || name == "Atlantis" {
		t.Errorf("%v arrived as %v (%q, %d)", in, got, name, offset)
	}
	now := time.Now()
	if got := roundTrip(t, now); !got.Equal(now) || strings.Contains(got.String(), "m=") {
		t.Errorf("%v arrived as %v", now, got)
	}
}

// Unexported and excluded fields stay at home.
func TestLost(t *testing.T) {
	got := roundTrip(t, partial{Kept: 1, lost: 2, Skipped: make(chan int)})
	if got.Kept != 1 || got.lost != 0 || got.Skipped != nil {
		t.Errorf("got %+v", got)
	}
	if got := roundTrip(t, excluded{1, 2}); got != (excluded{}) {
		t.Errorf("got %+v", got)
	}
}

// A struct that inherits a marshaler keeps all of its fields.
func TestInheritedMarshaler(t *testing.T) {
	in := Stamped{time.Unix(1e9, 0).UTC(), "n"}
	if got := roundTrip(t, in); got != in {
		t.Errorf("got %v, want %v", got, in)
	}
	for want, typ := range map[string]reflect.Type{
		"struct{N int; Tiny codec_test.Tiny(binary)}": reflect.TypeFor[struct {
			N int
			Tiny
		}](),
		"struct{Tiny *codec_test.Tiny(binary); N int}": reflect.TypeFor[struct {
			*Tiny
			N int
		}](),
		"codec_test.renamed(binary)":         reflect.TypeFor[renamed](),
		"codec_test.renamedBox[int](binary)": reflect.TypeFor[renamedBox[int]](),
	} {
		if got := typeOf(t, typ).Shape(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	moved := struct {
		*Stamped
		Also int
	}{&in, 5}
	if got := roundTrip(t, moved); *got.Stamped != in || got.Also != 5 {
		t.Errorf("got %v", got)
	}
}

// Pointers to one variable arrive as pointers to two.
func TestAliases(t *testing.T) {
	n := 1
	got := roundTrip(t, [2]*int{&n, &n})
	if got[0] == got[1] || *got[0] != 1 || *got[1] != 1 {
		t.Errorf("got %v", got)
	}
}

// What arrives shares no memory with the bytes, and replaces what was there.
func TestUnmarshalOwnsItsMemory(t *testing.T) {
	type holds struct {
		B []byte
		S string
		F []float64
		M map[string]int
		P *int
	}
	in := holds{[]byte("abc"), "def", []float64{1}, map[string]int{"k": 1}, nil}
	data := encode(t, in)
	out := holds{[]byte("zzzz"), "old", nil, map[string]int{"old": 1}, new(9)}
	old := out.M
	ct := typeOf(t, reflect.TypeFor[holds]())
	if err := codec.Unmarshal(data, []*codec.Type{ct}, []reflect.Value{reflect.ValueOf(&out).Elem()}); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	if len(old) != 1 {
		t.Errorf("the map that was there is now %v", old)
	}
}

func TestSeveralValues(t *testing.T) {
	ts := []*codec.Type{typeOf(t, reflect.TypeFor[int]()), typeOf(t, reflect.TypeFor[string]()), typeOf(t, reflect.TypeFor[[]float32]())}
	data, err := codec.Marshal(ts, []reflect.Value{reflect.ValueOf(1), reflect.ValueOf("s"), reflect.ValueOf([]float32{2})})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var s string
	var f []float32
	into := []reflect.Value{reflect.ValueOf(&n).Elem(), reflect.ValueOf(&s).Elem(), reflect.ValueOf(&f).Elem()}
	if err := codec.Unmarshal(data, ts, into); err != nil || n != 1 || s != "s" || len(f) != 1 || f[0] != 2 {
		t.Errorf("got %v %q %v, %v", n, s, f, err)
	}
	none, err := codec.Marshal(nil, nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no values: %x, %v", none, err)
	}
	if err := codec.Unmarshal(none, nil, nil); err != nil {
		t.Errorf("no values: %v", err)
	}
}

// A million encoded arguments wait in a queue: each must cost its own size only.
func TestMarshalReturnsSmallSlices(t *testing.T) {
	if data := encode(t, 7); cap(data) > 8 {
		t.Errorf("the encoding of 7 has a capacity of %d", cap(data))
	}
	big := encode(t, make([]byte, 1<<20))
	if slack := cap(big) - len(big); slack > len(big)/4 {
		t.Errorf("an encoding of %d bytes has a capacity of %d", len(big), cap(big))
	}
}

// Equal maps have equal encodings, whatever order Go walks them in.
func TestMapOrder(t *testing.T) {
	build := func(from, to, step int) map[string]map[int]string {
		m := make(map[string]map[int]string)
		for i := from; i != to; i += step {
			m[fmt.Sprint(i)] = map[int]string{i: "a", -i: "b", i * i: "c"}
		}
		return m
	}
	want := encode(t, build(0, 100, 1))
	for range 20 {
		if got := encode(t, build(99, -1, -1)); string(got) != string(want) {
			t.Fatal("equal maps have different encodings")
		}
	}
}
