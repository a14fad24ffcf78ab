package deploy

import (
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/price"
)

// A Sample is what running one item took.
type Sample struct {
	Run        time.Duration // wall time in the agent
	CPU        time.Duration // of all its threads
	PeakMemory int64         // bytes
	Memory     int           // MB, the function's setting when it was measured
}

// An Estimate is what items cost at one memory setting.
type Estimate struct {
	Memory   int           `json:"memory_mb"`
	Run      time.Duration `json:"run_ns"` // expected, of one item
	USD      float64       `json:"usd"`
	Measured bool          `json:"measured"` // taken at this setting; the others are calculated
	Cheapest bool          `json:"cheapest"`
}

// Estimates calculates what items cost, one per invocation, from samples at one memory
// setting, and at which setting they are cheapest. The part of a run that used the CPU
// is taken to shrink with the share of a vCPU that comes with memory, up to
// one; the part that waited stays. Settings below 1.25 times the peak memory are left out.
// Cold starts, retries, storage and transfer are not counted.
func Estimates(samples []Sample, items int64, arch string, memories ...int) []Estimate {
	if len(samples) == 0 {
		return nil
	}
	s := typical(samples)
	if len(memories) == 0 {
		memories = []int{128, 256, 512, 1024, fullCPU, 2048, 3072}
	}
	memories = append(slices.Clone(memories), s.Memory)
	slices.Sort(memories)
	needed := int(s.PeakMemory * 5 / 4 >> 20)
	var estimates []Estimate
	for _, memory := range slices.Compact(memories) {
		if memory < MinMemory || memory > MaxMemory || memory < needed && memory != s.Memory {
			continue
		}
		run := scaled(s, memory)
		billed := max(run.Truncate(time.Millisecond), time.Millisecond)
		if billed < run {
			billed += time.Millisecond // what Lambda rounds up to
		}
		gb := price.GBSeconds(int64(memory)<<20, billed) * float64(items)
		estimates = append(estimates, Estimate{Memory: memory, Run: run, USD: price.Cost(gb, items, price.Arch(arch)), Measured: memory == s.Memory})
	}
	best := 0
	for i := range estimates {
		if estimates[i].USD < estimates[best].USD {
			best = i
		}
	}
	estimates[best].Cheapest = true
	return estimates
}

// typical is the median run, with the CPU that belongs to it, and the highest peak.
func typical(samples []Sample) Sample {
	sorted := slices.SortedFunc(slices.Values(samples), func(a, b Sample) int { return int(a.Run - b.Run) })
	s := sorted[len(sorted)/2]
	for _, other := range samples {
		s.PeakMemory = max(s.PeakMemory, other.PeakMemory)
	}
	return s
}

func scaled(s Sample, memory int) time.Duration {
	cpu := min(s.CPU, s.Run)
	share := func(mb int) float64 { return min(float64(mb)/fullCPU, 1) }
	return s.Run - cpu + time.Duration(float64(cpu)*share(s.Memory)/share(memory))
}
