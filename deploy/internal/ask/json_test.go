package ask_test

import (
	"context"
	"math/big"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
)

type (
	point       struct{ X, Y int }
	meters      float64
	pair[T any] struct {
		First, Second T
	}
	base  struct{ ID string }
	order struct {
		base
		Items   []point
		Prices  map[string]float64
		Next    *point
		Level   int8
		Samples []meters
		Raw     []byte
		Grid    [2][2]int
		When    time.Time
	}
	tree struct {
		Value    int
		Children []tree
	}
)

// Each function gives back what it got, so that the whole way is seen: text to JSON to
// bytes, the function's own decoding and encoding, and back.
func echoes() *lambdapool.Registry {
	r := lambdapool.NewRegistry()
	register(r, "int", func(v int) int { return v })
	register(r, "uint8", func(v uint8) uint8 { return v })
	register(r, "bool", func(v bool) bool { return v })
	register(r, "float", func(v float64) float64 { return v })
	register(r, "string", func(v string) string { return v })
	register(r, "bytes", func(v []byte) []byte { return v })
	register(r, "floats", func(v []float64) []float64 { return v })
	register(r, "order", func(v order) order { return v })
	register(r, "pointer", func(v *[]int) *[]int { return v })
	register(r, "pair", func(v pair[point]) pair[point] { return v })
	register(r, "twice", func(v [2]point) map[int]point { return map[int]point{1: v[0], 2: v[1]} })
	register(r, "time", func(v time.Time) time.Time { return v })
	register(r, "big", func(v big.Int) big.Int { return v })
	register(r, "addr", func(v netip.Addr) netip.Addr { return v })
	register(r, "url", func(v url.URL) url.URL { return v })
	lambdapool.RegisterFuncIn(r, "add", func(_ context.Context, a, b int) int { return a + b })
	lambdapool.RegisterFuncIn(r, "join", func(sep string, words ...string) string { return strings.Join(words, sep) })
	lambdapool.RegisterFuncIn(r, "silent", func() {})
	register(r, "tree", func(v tree) tree { return v })
	register(r, "complex", func(v complex128) complex128 { return v })
	register(r, "byPoint", func(v map[point]int) map[point]int { return v })
	return r
}

func register[A, R any](r *lambdapool.Registry, name string, f func(A) R) {
	lambdapool.RegisterIn(r, name, func(_ context.Context, a A) (R, error) { return f(a), nil })
}

func TestJSONCalls(t *testing.T) {
	r := echoes()
	for _, tc := range []struct {
		function string
		args     []string
		want     string // the result, or after "!" a part of the error
	}{
		{"int", []string{"-9223372036854775808"}, "-9223372036854775808"},
		{"int", []string{"1.5"}, "!JSON number 1.5, not an int"},
		{"int", []string{"9223372036854775808"}, "!not an int"},
		{"int", []string{"null"}, "!null is not an int"},
		{"int", []string{"1 2"}, "!more than one JSON value"},
		{"int", []string{""}, `!argument 1: "" is not JSON: an int belongs there`},
		{"int", []string{"thirty"}, `!argument 1: "thirty" is not JSON: an int belongs there`},
		{"int", nil, "!0 arguments where 1 belong"},
		{"uint8", []string{"256"}, "!not a uint8"},
		{"bool", []string{"true"}, "true"},
		{"float", []string{"1e300"}, "1e+300"},
		{"string", []string{"plain text"}, `"plain text"`},
		{"string", []string{`"quoted\n"`}, `"quoted\n"`},
		{"string", []string{"30"}, `"30"`},
		{"string", []string{""}, `""`},
		{"bytes", []string{`"AQID"`}, `"AQID"`},
		{"bytes", []string{"null"}, "null"},
		{"floats", []string{"[1, 2.5]"}, "[1,2.5]"},
		{"floats", []string{"[]"}, "[]"},
		{
			"order", []string{`{"base":{"ID":"a"},"Items":[{"X":1,"Y":2}],"Prices":{"b":0.5},"Next":{"X":3,"Y":4},"Level":-5,"Samples":[1.5],"Raw":"AQ==","Grid":[[1,2],[3,4]],"When":"2026-11-20T10:00:00+02:00"}`},
			`{"base":{"ID":"a"},"Items":[{"X":1,"Y":2}],"Prices":{"b":0.5},"Next":{"X":3,"Y":4},"Level":-5,"Samples":[1.5],"Raw":"AQ==","Grid":[[1,2],[3,4]],"When":"2026-11-20T10:00:00+02:00"}`,
		},
		{"order", []string{`{"Itmes":[]}`}, `!unknown field "Itmes"`},
		{"order", []string{`{"Items":[{"X":"1"}]}`}, "!at Items."}, // Items.X, since Go 1.27 Items.0.X
		{"order", []string{"{}"}, `{"base":{"ID":""},"Items":null,"Prices":null,"Next":null,"Level":0,"Samples":null,"Raw":null,"Grid":[[0,0],[0,0]],"When":"0001-01-01T00:00:00Z"}`},
		{"pointer", []string{"[1]"}, "[1]"},
		{"pointer", []string{"null"}, "null"},
		{"pair", []string{`{"First":{"X":1,"Y":2},"Second":{"X":3,"Y":4}}`}, `{"First":{"X":1,"Y":2},"Second":{"X":3,"Y":4}}`},
		{"twice", []string{`[{"X":1,"Y":2},{"X":3,"Y":4}]`}, `{"1":{"X":1,"Y":2},"2":{"X":3,"Y":4}}`},
		{"time", []string{`"2026-11-20T10:00:00.5Z"`}, `"2026-11-20T10:00:00.5Z"`},
		{"big", []string{"123456789012345678901234567890"}, "123456789012345678901234567890"},
		{"addr", []string{`"127.0.0.1"`}, `"127.0.0.1"`},
		{"url", []string{`"aHR0cHM6Ly9hLmIvYz9k"`}, `"aHR0cHM6Ly9hLmIvYz9k"`}, // it encodes itself: base64 of its text
		{"add", []string{"2", "3"}, "5"},
		{"add", []string{"2", "3", "4"}, "!3 arguments where 2 belong"},
		{"join", []string{", ", "a", "b"}, `"a, b"`},
		{"join", []string{", "}, `""`},
		{"silent", nil, "null"},
		{"tree", []string{"{}"}, "!contains itself"},
		{"complex", []string{"1"}, "!complex number has no JSON"},
		{"byPoint", []string{"{}"}, "!has no JSON"},
	} {
		t.Run(tc.function+" "+strings.Join(tc.args, " "), func(t *testing.T) {
			f, ok := r.Lookup(tc.function)
			if !ok {
				t.Fatal("not registered")
			}
			got, err := ask.CallJSON(t.Context(), f, tc.args...)
			if part, fails := strings.CutPrefix(tc.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%s (%s): got %s, error %v, want one with %q", f.Signature(), f.Shape(), got, err, part)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("%s: got %s, %v, want %s", f.Signature(), got, err, tc.want)
			}
		})
	}
}

func TestFingerprintIsTheRegistrys(t *testing.T) {
	for _, f := range echoes().Functions() {
		if got := ask.Fingerprint(f.Name(), f.Signature()); got != f.Fingerprint() {
			t.Errorf("%s: %x, the registry has %x", f.Name(), got, f.Fingerprint())
		}
	}
}

// A signature comes from another machine.
func FuzzParseShape(f *testing.F) {
	for _, fn := range echoes().Functions() {
		f.Add(fn.Signature())
	}
	for _, bad := range []string{"", "func(", "func(int", "func([99999999999]int)", "func([-1]int)", "func(a.B{X int; X int})", "func(a.B)", "func([1048576][1048576]int)", "func(a.B(a.B))"} {
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, signature string) {
		if err := ask.ParseShape(signature); err == nil && !strings.HasPrefix(signature, "func(") {
			t.Errorf("%q is a signature", signature)
		}
	})
}
