package price_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/price"
)

func TestPlatformsRoundUp(t *testing.T) {
	for _, test := range []struct {
		of        price.Platform
		run, want time.Duration
	}{
		{price.CloudRun(), 0, 100 * time.Millisecond},
		{price.CloudRun(), -time.Second, 100 * time.Millisecond},
		{price.CloudRun(), 1, 100 * time.Millisecond},
		{price.CloudRun(), 100 * time.Millisecond, 100 * time.Millisecond},
		{price.CloudRun(), 100*time.Millisecond + 1, 200 * time.Millisecond},
		{price.Lambda(), 5 * time.Microsecond, time.Millisecond},
		{price.Lambda(), 1500 * time.Microsecond, 2 * time.Millisecond},
	} {
		if got := test.of.Billed(test.run); got != test.want {
			t.Errorf("%s bills %v as %v, want %v", test.of.Name, test.run, got, test.want)
		}
	}
}

func TestPlatformsCost(t *testing.T) {
	for _, test := range []struct {
		name     string
		of       price.Platform
		requests int64
		billed   time.Duration
		vcpus    float64
		memory   int64
		want     float64
	}{
		{"requests alone", price.CloudRun(), 1_000_000, 0, 1, 1 << 30, 0.40},
		{"an hour of a vCPU", price.CloudRun(), 1, time.Hour, 1, 0, 0.0864 + 0.4e-6},
		{"and of two GiB", price.CloudRun(), 1, time.Hour, 1, 2 << 30, 0.0864 + 0.018 + 0.4e-6},
		{"Lambda has no price of a vCPU", price.Lambda(), 1_000_000, time.Second, 4, 1 << 30, 0.20 + 16.6667},
		{"negative", price.CloudRun(), -1, -1, -1, -1, 0},
	} {
		if got := test.of.Cost(test.requests, test.billed, test.vcpus, test.memory); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	for _, p := range []price.Platform{price.Lambda(), price.CloudRun()} {
		if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
			t.Error(err)
		}
	}
}

// What is short is charged as 100 ms on Cloud Run: items of a request share that.
func ExamplePlatform() {
	p := price.CloudRun()
	alone := p.Cost(1_000_000, p.Billed(200*time.Microsecond), 1, 512<<20)
	together := p.Cost(1_000_000/500, p.Billed(500*200*time.Microsecond), 1, 512<<20)
	fmt.Println(p.Name, p.Region, p.Granularity)
	fmt.Println("alone:", price.Format(alone))
	fmt.Println("500 in a request:", price.Format(together))
	fmt.Println(price.Lambda().Granularity)
	// Output:
	// Google Cloud Run us-central1 100ms
	// alone: $2.93
	// 500 in a request: $0.00585
	// 1ms
}
