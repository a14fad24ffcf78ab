package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// wide has many fields that take a byte on the wire and 24 in memory.
type wide struct{ A, B, C, D, E, F, G, H [][]int }

// huge is large in memory and small on the wire.
type huge struct {
	N int
	_ [1 << 20]byte
}

// must checks that decoding data into a T is a *DecodeError that says reason at
// path, and stays within the allowance.
func must[T any](data []byte, path, reason string) func(*testing.T) {
	return func(t *testing.T) {
		var err error
		n := allocated(func() { _, err = tryDecode[T](t, data) })
		var failed *codec.DecodeError
		if !errors.As(err, &failed) {
			t.Fatalf("got %v, want a DecodeError", err)
		}
		if failed.Path != path || !strings.Contains(failed.Reason, reason) {
			t.Errorf("got %q: %s, want %q: …%s…", failed.Path, failed.Reason, path, reason)
		}
		if n > allowance(len(data)) {
			t.Errorf("%d bytes made it allocate %d", len(data), n)
		}
	}
}

func TestHostileValues(t *testing.T) {
	const all = "\xff\xff\xff\xff"
	nils := append([]byte{0xdd, 0, 0x10, 0, 0}, bytes.Repeat([]byte{0xc0}, 1<<20)...)
	empties := append([]byte{0xdd, 0, 0x10, 0, 0}, bytes.Repeat([]byte{0x91, 1}, 1<<20)...)
	tests := map[string]func(*testing.T){
		"nothing":                            must[int](nil, "", "ends where a value belongs"),
		"never used byte":                    must[int]([]byte{0xc1}, "", "begins no value"),
		"extension":                          must[int]([]byte{0xd4, 1, 2}, "", "begins no value"),
		"long extension":                     must[[]byte]([]byte("\xc9"+all+"\x01"), "", "begins no value"),
		"timestamp extension":                must[time.Time]([]byte{0xd6, 0xff, 0, 0, 0, 0}, "", "begins no value"),
		"trailing":                           must[int]([]byte{1, 2}, "", "1 bytes follow"),
		"huge array":                         must[[]string]([]byte("\xdd"+all), "", "announces 4294967295 values"),
		"huge array of nothing":              must[[]nothing]([]byte("\xdd"+all+"\x90\x90"), "", "announces"),
		"huge array of six":                  must[[][]int]([]byte("\xdd"+all+"\xc0"), "", "announces"),
		"huge map":                           must[map[string]int]([]byte("\xdf"+all), "", "announces 8589934590 values"),
		"huge string":                        must[string]([]byte("\xdb"+all+"x"), "", "announces 4294967295 bytes"),
		"huge bytes":                         must[[]byte]([]byte("\xc6"+all+"x"), "", "announces"),
		"huge floats":                        must[[]float64]([]byte("\xc6"+all+"x"), "", "announces"),
		"half a length":                      must[[]byte]([]byte{0xc6, 0, 0}, "", "inside a length"),
		"map of one and a half":              must[map[int]int]([]byte{0x82, 1, 2, 3}, "", "announces"),
		"50 MB of arrays":                    must[links](bytes.Repeat([]byte{0x91}, 50<<20), "", "nested more than"),
		"50 MB of maps":                      must[lookup](bytes.Repeat([]byte{0x81, 0xa1, 'a'}, 16<<20), "", "nested more than"),
		"50 MB of lists":                     must[*node](bytes.Repeat([]byte{0x92, 1}, 25<<20), "", "nested more than"),
		"a megabyte of huge":                 must[[]huge](empties, "", "more than 256 bytes"),
		"pointer to huge":                    must[*[64]huge]([]byte{0xdc, 0, 0}, "", "more than 256 bytes"),
		"map of huge":                        must[map[int]huge]([]byte{0x81, 1, 0x91, 1}, "", "more than 256 bytes"),
		"kind: int":                          must[int]([]byte{0xa1, '1'}, "", "a string where an integer belongs"),
		"kind: nil int":                      must[int]([]byte{0xc0}, "", "nil where an integer belongs"),
		"kind: float int":                    must[int]([]byte("\xcb\x40\x00\x00\x00\x00\x00\x00\x00"), "", "a float64 where"),
		"kind: uint":                         must[uint]([]byte{0xc3}, "", "a bool where an integer belongs"),
		"kind: bool":                         must[bool]([]byte{1}, "", "an integer where a bool belongs"),
		"kind: string":                       must[string]([]byte{0xc4, 1, 'x'}, "", "bytes where a string belongs"),
		"kind: bytes":                        must[[]byte]([]byte{0xa1, 'x'}, "", "a string where bytes belongs"),
		"kind: float64":                      must[float64]([]byte("\xca\x40\x00\x00\x00"), "", "a float32 where a float64 belongs"),
		"kind: float32":                      must[float32]([]byte{1}, "", "an integer where a float32 belongs"),
		"kind: floats":                       must[[]float64]([]byte{0x91, 1}, "", "an array where bytes belongs"),
		"kind: slice":                        must[[]string]([]byte{0x80}, "", "a map where an array belongs"),
		"kind: map":                          must[map[string]int]([]byte{0x90}, "", "an array where a map belongs"),
		"kind: struct":                       must[point]([]byte{0xc0}, "", "nil where an array belongs"),
		"kind: marshaler":                    must[time.Time]([]byte{0x90}, "", "an array where bytes belongs"),
		"kind: wrapped pointer":              must[*[]int]([]byte{0xc4, 0}, "", "bytes where an array belongs"),
		"wide pointer":                       must[**int]([]byte{0x92, 1, 2}, "", "2 values where 1 belong"),
		"int8 300":                           must[int8]([]byte{0xcd, 1, 44}, "", "does not fit into int8"),
		"int8 -129":                          must[int8]([]byte{0xd1, 0xff, 0x7f}, "", "does not fit"),
		"uint8 300":                          must[uint8]([]byte{0xcd, 1, 44}, "", "does not fit into uint8"),
		"uint -1":                            must[uint64]([]byte{0xff}, "", "does not fit into uint64"),
		"uint -1 in 8 bytes":                 must[uint64]([]byte("\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), "", "does not fit"),
		"int64 2^63":                         must[int64]([]byte("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), "", "does not fit into int64"),
		"level 200":                          must[struct{ L level }]([]byte{0x91, 0xcc, 200}, "L", "does not fit into codec_test.level"),
		"missing field":                      must[point]([]byte("\x91\xcb\x00\x00\x00\x00\x00\x00\x00\x00"), "", "1 values where 2 belong"),
		"surplus field":                      must[nothing]([]byte{0x91, 1}, "", "1 values where 0 belong"),
		"short array":                        must[[3]string]([]byte{0x91, 0xa0}, "", "1 values where 3 belong"),
		"short byte array":                   must[[3]byte]([]byte{0xc4, 1, 0}, "", "1 elements where 3 belong"),
		"long byte array":                    must[[1]byte]([]byte{0xc4, 2, 0, 0}, "", "2 elements where 1 belong"),
		"odd floats":                         must[[]float64]([]byte{0xc4, 7, 1, 2, 3, 4, 5, 6, 7}, "", "no whole number of elements of 8"),
		"odd complex":                        must[complex128]([]byte{0xc4, 8, 1, 2, 3, 4, 5, 6, 7, 8}, "", "no whole number of elements of 16"),
		"key twice":                          must[map[string]int]([]byte{0x82, 0xa1, 'a', 1, 0xa1, 'a', 2}, "[key]", "the same key twice"),
		"key twice, spelled two ways":        must[map[int]int]([]byte{0x82, 1, 1, 0xcc, 1, 2}, "[key]", "the same key twice"),
		"path":                               must[struct{ T []map[string]point }]([]byte{0x91, 0x92, 0xc0, 0x81, 0xa0, 0x92, 1, 2}, "T[1][].X", "an integer where a float64 belongs"),
		"path of a type":                     must[node]([]byte{0x92, 1, 0x92, 2, 0x92, 0xa0, 0xc0}, "node.Next.Next.Value", "a string"),
		"bad time":                           must[time.Time]([]byte{0xc4, 1, 9}, "", "its time unmarshaler says: not a time"),
		"bad nanoseconds":                    must[time.Time](append([]byte{0xc4, 16}, bytes.Repeat([]byte{0x77}, 16)...), "", "not a time"),
		"bad marshaler":                      must[[]gobbed]([]byte{0x91, 0xc4, 2, 0, 0}, "[0]", "its gob unmarshaler says: one byte, please"),
		"panicking marshaler":                must[explosive]([]byte{0xc4, 0}, "", "its binary unmarshaler panicked"),
		"a million nil slices, one too many": must[[]wide](nils, "[0]", "nil where an array belongs"),
	}
	for name, test := range tests {
		t.Run(name, test)
	}
}

// What is accepted stays within the allowance too.
func TestAllocation(t *testing.T) {
	t.Run("nil slices", within(make([][]string, 1<<16)))
	t.Run("empty slices", within(func() [][]string {
		s := make([][]string, 1<<16)
		for i := range s {
			s[i] = []string{}
		}
		return s
	}()))
	t.Run("wide structs", within(make([]wide, 1<<14)))
	t.Run("nil pointers", within(make([]*everything, 1<<16)))
	t.Run("pointers to pointers", within(func() []**int {
		s := make([]**int, 1<<14)
		for i := range s {
			s[i] = new(new(1))
		}
		return s
	}()))
	t.Run("short strings", within(strings.Split(strings.Repeat("a,", 1<<15), ",")))
	t.Run("times", within(make([]time.Time, 1<<12)))
	t.Run("small maps", within(func() []map[int8][5][]int {
		s := make([]map[int8][5][]int, 1<<10)
		for i := range s {
			s[i] = map[int8][5][]int{1: {}}
		}
		return s
	}()))
	t.Run("small maps of large values", within(func() []map[int8][16][]int {
		s := make([]map[int8][16][]int, 1<<10)
		for i := range s {
			s[i] = map[int8][16][]int{1: {}}
		}
		return s
	}()))
	for _, n := range []int{8, 9, 14, 15, 100, 897, 1000, 20_000} {
		m := make(map[int32]uint8, n)
		for i := range n {
			m[int32(i)] = 1
		}
		t.Run("map", within(m))
	}
}

func within[T any](v T) func(*testing.T) {
	return func(t *testing.T) {
		data := encode(t, v)
		n := allocated(func() {
			if _, err := tryDecode[T](t, data); err != nil {
				t.Error(err)
			}
		})
		if n > allowance(len(data)) {
			t.Errorf("%d bytes made it allocate %d", len(data), n)
		}
		t.Logf("%.1f bytes of memory for each byte received", float64(n)/float64(len(data)))
	}
}

// Whatever is cut off, and whatever byte is wrong, decoding ends in a value or an
// error, and a value can be encoded again.
func TestDamage(t *testing.T) {
	in := everything{
		Strings: []string{"a", "b"}, Ints: []int{1, 2}, Map: map[string]int{"k": 1, "l": -1},
		Nested: map[int]map[string][]point{1: {"a": {{1, 2}}}}, PtrPtr: new(new("s")), Time: time.Unix(1, 2),
	}
	data := encode(t, in)
	for i := range data {
		_, err := tryDecode[everything](t, data[:i])
		var failed *codec.DecodeError
		if !errors.As(err, &failed) {
			t.Errorf("cut to %d of %d bytes: got %v", i, len(data), err)
		}
	}
	broken := bytes.Clone(data)
	for i := range data {
		for _, b := range []byte{0, 0x80, 0x91, 0xa1, 0xc0, 0xc1, 0xc6, 0xdd, 0xdf, 0xff, data[i] ^ 1} {
			broken[i] = b
			if v, err := tryDecode[everything](t, broken); err == nil {
				encode(t, v)
			}
		}
		broken[i] = data[i]
	}
}

// The errors never show what was decoded: it may be a secret.
func TestErrorsKeepSecrets(t *testing.T) {
	data := encode(t, map[string][]string{"hunter2": {"hunter2"}})
	_, err := tryDecode[map[string][]int](t, data)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// More values than types, and fewer.
func TestOtherCount(t *testing.T) {
	two := append(encode(t, 1), encode(t, "x")...)
	if _, err := tryDecode[int](t, two); err == nil {
		t.Error("two values for one: no error")
	}
	ts := []*codec.Type{typeOf(t, reflect.TypeFor[int]()), typeOf(t, reflect.TypeFor[int]())}
	var n, m int
	into := []reflect.Value{reflect.ValueOf(&n).Elem(), reflect.ValueOf(&m).Elem()}
	err := codec.Unmarshal(two, ts, into)
	var failed *codec.DecodeError
	if !errors.As(err, &failed) || failed.Value != 1 || err.Error() != "decode value 2: a string where an integer belongs" {
		t.Errorf("got %v", err)
	}
	if err := codec.Unmarshal(two[:1], ts, into); err == nil {
		t.Error("one value for two: no error")
	}
	if err := codec.Unmarshal(two, nil, nil); err == nil {
		t.Error("two values for none: no error")
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	data := binary.BigEndian.AppendUint32([]byte{0xdd}, 1<<16)
	data = append(data, bytes.Repeat([]byte{0x93, 0xc0, 1, 0x80}, 1<<16)...)
	if n := testing.AllocsPerRun(10, func() {
		if err := codec.Scan(data, 1); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
