package deploy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/deploy"
)

// A chunk shares the request, and the millisecond that is rounded up to.
func TestChunkEstimates(t *testing.T) {
	samples := []deploy.Sample{{Run: 100 * time.Microsecond, Memory: 1769}}
	one := deploy.ChunkEstimates(samples, 1_000_000, 1, deploy.ARM64, 1769)[0]
	hundred := deploy.ChunkEstimates(samples, 1_000_000, 100, deploy.ARM64, 1769)[0]
	if old := deploy.Estimates(samples, 1_000_000, deploy.ARM64, 1769)[0]; old != one {
		t.Errorf("Estimates %+v, in chunks of one %+v", old, one)
	}
	// One item is billed 1 ms, a hundred of them 10: a tenth of the time, a hundredth of the requests.
	if ratio := one.USD / hundred.USD; ratio < 10 || ratio > 100 {
		t.Errorf("one by one %.2f times as dear", ratio)
	}
	// The last invocation has what is left.
	if a, b := deploy.ChunkEstimates(samples, 101, 100, deploy.ARM64, 1769)[0], deploy.ChunkEstimates(samples, 100, 100, deploy.ARM64, 1769)[0]; a.USD <= b.USD || a.USD >= 2*b.USD {
		t.Errorf("101 items cost %g, 100 %g", a.USD, b.USD)
	}
}

// Samples without a setting of Lambda's, whose memory no setting has, leave nothing to estimate.
func TestNoSettingIsLeft(t *testing.T) {
	for name, sample := range map[string]deploy.Sample{
		"unknown memory": {Run: time.Second, PeakMemory: 20 << 30},
		"negative":       {Run: time.Second, PeakMemory: 20 << 30, Memory: -1},
	} {
		if e := deploy.ChunkEstimates([]deploy.Sample{sample}, 10, 1, deploy.ARM64); len(e) != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := deploy.ChunkEstimates([]deploy.Sample{{Run: time.Second}}, 10, 1, deploy.ARM64, 64, 20_000); len(e) != 0 {
		t.Errorf("settings that Lambda does not have: %+v", e)
	}
}

func ExampleChunkEstimates() {
	samples := []deploy.Sample{{Run: 200 * time.Microsecond, CPU: 200 * time.Microsecond, Memory: 1769}}
	for _, chunk := range []int{1, 100} {
		e := deploy.ChunkEstimates(samples, 1_000_000, chunk, deploy.ARM64, 1769)[0]
		fmt.Printf("%d per invocation: $%.2f\n", chunk, e.USD)
	}
	// Output:
	// 1 per invocation: $0.22
	// 100 per invocation: $0.01
}
