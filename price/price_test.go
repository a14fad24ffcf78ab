package price_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/price"
)

func TestCost(t *testing.T) {
	for _, test := range []struct {
		name      string
		gbSeconds float64
		requests  int64
		arch      price.Arch
		want      float64
	}{
		{"nothing", 0, 0, price.X86, 0},
		{"requests", 0, 5_000_000, price.ARM, 1},
		{"the first tier", 1e6, 0, price.X86, 16.6667},
		{"the first tier of arm64", 1e6, 0, price.ARM, 13.3334},
		{"an unknown architecture is not estimated too low", 1e6, 0, "", 16.6667},
		{"a tier to its end", 6e9, 0, price.X86, 100_000.2},
		{"two tiers", 7e9, 0, price.X86, 100_000.2 + 15_000},
		{"all tiers", 16e9, 0, price.X86, 100_000.2 + 135_000 + 13_333.4},
		{"all tiers of arm64", 19.75e9, 0, price.ARM, 100_000.5 + 135_001.125 + 10_666.7},
		{"both", 1e6, 1_000_000, price.ARM, 13.5334},
		{"negative", -5, -5, price.X86, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := price.Cost(test.gbSeconds, test.requests, test.arch)
			if math.Abs(got-test.want) > 1e-6*max(1, test.want) {
				t.Errorf("Cost(%v, %v, %q) = %v, want %v", test.gbSeconds, test.requests, test.arch, got, test.want)
			}
		})
	}
}

func TestGBSeconds(t *testing.T) {
	for _, test := range []struct {
		memory int64
		billed time.Duration
		want   float64
	}{
		{1 << 30, time.Second, 1},
		{1536 << 20, 100 * time.Millisecond, 0.15},
		{128 << 20, 0, 0},
		{0, time.Hour, 0},
		{-1, time.Hour, 0},
		{1 << 30, -time.Hour, 0},
	} {
		if got := price.GBSeconds(test.memory, test.billed); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("GBSeconds(%d, %v) = %v, want %v", test.memory, test.billed, got, test.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		usd  float64
		want string
	}{
		{0, "$0"},
		{1e-12, "<$0.000000001"},
		{1e-9, "$0.00000000100"},
		{0.0000208334, "$0.0000208"},
		{0.012345, "$0.0123"},
		{0.25, "$0.250"},
		{0.99949, "$0.999"},
		{0.9996, "$1.00"},
		{1.005, "$1.00"},
		{999.999, "$1,000.00"},
		{1234.5, "$1,234.50"},
		{1234567.891, "$1,234,567.89"},
		{-0.5, "-$0.500"},
		{math.NaN(), "$?"},
		{math.Inf(-1), "$?"},
	} {
		if got := price.Format(test.usd); got != test.want {
			t.Errorf("Format(%v) = %q, want %q", test.usd, got, test.want)
		}
	}
}

// Dates are shown to people and compared as text.
func TestDateIsADay(t *testing.T) {
	if _, err := time.Parse(time.DateOnly, price.Date); err != nil {
		t.Error(err)
	}
}

func Example() {
	// A million runs of 100 ms with 1,769 MB, which is one vCPU.
	gbSeconds := 1e6 * price.GBSeconds(1769<<20, 100*time.Millisecond)
	fmt.Printf("%.0f GB-seconds\n", gbSeconds)
	for _, arch := range []price.Arch{price.X86, price.ARM} {
		fmt.Println(arch, price.Format(price.Cost(gbSeconds, 1e6, arch)))
	}
	fmt.Println("a single one:", price.Format(price.Cost(gbSeconds/1e6, 1, price.ARM)))
	// Output:
	// 172754 GB-seconds
	// x86_64 $3.08
	// arm64 $2.50
	// a single one: $0.00000250
}

func ExamplePerGBSecond() {
	fmt.Printf("%.10f\n", price.PerGBSecond(price.ARM))
	// Output: 0.0000133334
}
