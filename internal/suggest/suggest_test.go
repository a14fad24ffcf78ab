package suggest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/suggest"
)

func TestNearest(t *testing.T) {
	known := []string{"fibonacci", "factorial", "geo.Distance", "sum"}
	for _, tc := range []struct {
		name string
		want []string
	}{
		{"fibonaci", []string{"fibonacci"}},
		{"Factorial", []string{"factorial"}},
		{"distance", []string{"geo.Distance"}},
		{"math.sum", []string{"sum"}},
		{"sun", []string{"sum"}},
		{"usm", []string{"sum"}},
		{"sort", nil},
		{"", nil},
		{strings.Repeat("x", 1<<20), nil},
	} {
		if got := suggest.Nearest(tc.name, known); !slices.Equal(got, tc.want) {
			t.Errorf("Nearest(%.20q) = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func ExampleNearest() {
	fmt.Println(suggest.Nearest("memroy", []string{"memory", "timeout", "layers"}))
	// Output: [memory]
}
