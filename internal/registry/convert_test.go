package registry_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/registry"
)

type meters float64

// Arguments of a dynamic call convert as constants do in Go: when nothing is lost. Named types
// have a meaning, and convert to nothing else.
func TestBindConverts(t *testing.T) {
	t.Parallel()
	const refused = "refused"
	for _, test := range []struct {
		takes any // a function of one argument
		given any
		want  string
	}{
		{func(int) {}, 7.0, "7"},
		{func(int) {}, 7.5, refused},
		{func(int8) {}, 127, "127"},
		{func(int8) {}, 128, refused},
		{func(int64) {}, uint64(math.MaxInt64), "9223372036854775807"},
		{func(int64) {}, uint64(math.MaxInt64) + 1, refused},
		{func(int64) {}, float64(math.MaxInt64), refused}, // the float is larger
		{func(int64) {}, float64(math.MinInt64), "-9223372036854775808"},
		{func(uint) {}, -1, refused},
		{func(uint64) {}, float64(1 << 63), "9223372036854775808"},
		{func(uint64) {}, float64(1<<63) * 2, refused},
		{func(int) {}, math.NaN(), refused},
		{func(int) {}, complex(3, 0), "3"},
		{func(int) {}, complex(3, 1), refused},
		{func(float64) {}, 1 << 53, "9.007199254740992e+15"},
		{func(float64) {}, 1<<53 + 1, refused}, // between two floats
		{func(float64) {}, math.MaxInt64, refused},
		{func(float32) {}, 0.5, "0.5"},
		{func(float32) {}, 0.1, refused},
		{func(float32) {}, math.NaN(), "NaN"},
		{func(float32) {}, math.Inf(1), "+Inf"},
		{func(complex128) {}, 2, "(2+0i)"},
		{func(complex64) {}, complex(0.5, -1), "(0.5-1i)"},
		{func(complex64) {}, complex(0.1, 0), refused},
		{func(complex64) {}, complex(1, 0.1), refused},
		{func(complex64) {}, complex(math.NaN(), 1), "(NaN+1i)"},
		{func(complex64) {}, math.NaN(), "(NaN+0i)"},
		{func(meters) {}, 3, "3"},
		{func(float64) {}, meters(3), refused},
		{func(time.Duration) {}, 5, "5ns"},
		{func(int64) {}, time.Second, refused},
		{func(string) {}, 65, refused},
		{func(string) {}, []byte("a"), refused},
		{func(*int) {}, nil, "<nil>"},
		{func([]int) {}, nil, "[]"},
		{func(int) {}, nil, refused},
	} {
		f, err := registry.NewDynamic("f", test.takes)
		if err != nil {
			t.Fatal(err)
		}
		got := refused
		values, err := registry.Bind(f, []any{test.given})
		if err == nil {
			got = fmt.Sprint(values[0].Interface())
		} else if !errors.Is(err, registry.ErrBadArguments) {
			t.Errorf("%s of %T: %v, want ErrBadArguments", f.Shape(), test.given, err)
		}
		if got != test.want {
			t.Errorf("%s of %v (%T): %s, want %s; %v", f.Shape(), test.given, test.given, got, test.want, err)
		}
	}
}
