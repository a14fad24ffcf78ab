package english_test

import (
	"errors"
	"math"
	"testing"

	"github.com/lambdapool/lambdapool/internal/english"
)

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "item", "0 items"}, {1, "item", "1 item"}, {2, "item", "2 items"}, {-1, "item", "-1 items"},
		{999, "call", "999 calls"}, {1000, "call", "1,000 calls"}, {-1000, "call", "-1,000 calls"}, {1234567, "byte", "1,234,567 bytes"},
		{2, "entry", "2 entries"}, {2, "key", "2 keys"}, {2, "match", "2 matches"}, {2, "alias", "2 aliases"}, {2, "y", "2 ys"},
		{math.MinInt64, "byte", "-9,223,372,036,854,775,808 bytes"},
	} {
		if got := english.Count(tt.n, tt.noun); got != tt.want {
			t.Errorf("Count(%d, %q) = %q, want %q", tt.n, tt.noun, got, tt.want)
		}
	}
}

func TestA(t *testing.T) {
	for word, want := range map[string]string{
		"int": "an int", "string": "a string", "uint8": "a uint8", "[]int": "an []int", "*url.URL": "a *url.URL",
		"error": "an error", "map[string]int": "a map[string]int", "[]uint64": "a []uint64", "Object": "an Object", "": "a ",
	} {
		if got := english.A(word); got != want {
			t.Errorf("A(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestFailure(t *testing.T) {
	kind := errors.New("cannot encode")
	for _, test := range []struct {
		kind, err error
		want      string
	}{
		{kind, nil, "cannot encode"},
		{kind, kind, "cannot encode"},
		{nil, errors.New("no way"), "no way"},
		{kind, errors.New("no way"), "cannot encode: no way"},
		{kind, errors.New("encode value 1: chan"), "cannot encode value 1: chan"},
		{kind, errors.New("cannot encode: chan"), "cannot encode: chan"},
		{kind, errors.New("lambdapool: no way"), "cannot encode: no way"},
	} {
		if got := english.Failure(test.kind, test.err); got != test.want {
			t.Errorf("Failure(%v, %v) = %q, want %q", test.kind, test.err, got, test.want)
		}
	}
}
