package deploy

import (
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/price"
)

// A Sample is what running one item took. [Client.Call] returns such numbers, and so do the
// records of a run. Take several: [Estimates] uses the median.
type Sample struct {
	// Run is the wall time in the agent.
	Run time.Duration

	// CPU is the time of all its threads. More than Run counts as Run.
	CPU time.Duration

	// PeakMemory is in bytes. The highest of all samples counts.
	PeakMemory int64

	// Memory is the function's setting when it was measured, in MB. All samples should have the
	// same.
	Memory int
}

// An Estimate is what items cost at one memory setting, by Lambda's prices in package price.
type Estimate struct {
	// Memory is the setting, in MB.
	Memory int `json:"memory_mb"`

	// Run is the expected wall time of one item.
	Run time.Duration `json:"run_ns"`

	// USD is for all items together, requests included.
	USD float64 `json:"usd"`

	// Measured says that the samples were taken at this setting. The others are calculated.
	Measured bool `json:"measured"`

	// Cheapest is set for one of the estimates. Among equals it is the smallest setting.
	Cheapest bool `json:"cheapest"`
}

// Estimates calculates what items cost when each has an invocation of its own. It is
// [ChunkEstimates] with chunks of one. Use that for a map, which puts short items together.
func Estimates(samples []Sample, items int64, arch string, memories ...int) []Estimate {
	return ChunkEstimates(samples, items, 1, arch, memories...)
}

// ChunkEstimates calculates what items cost at several memory settings, with chunk of them in
// an invocation, and marks the cheapest. The result is in the order of the settings. It does
// not block and asks nobody.
//
// The samples are of one memory setting, which is always among the estimates. memories are
// further ones in MB, by default 128, 256, 512, 1024, 1769, 2048 and 3072. Settings that Lambda
// does not have are left out, and those below 1.25 times the peak memory. arch is [ARM64] or
// [X8664], which differ in price. Without samples, or where no setting is left, there are no
// estimates.
//
// An invocation is one request, and its time is rounded up to a millisecond. Its items share
// both, which is why a map puts short ones together. The items of a chunk are taken to run one
// after another. A chunk below 1 counts as 1.
//
// It is an estimate. The part of a run that used the CPU is taken to shrink with the share of a
// vCPU that comes with memory, up to one vCPU at 1769 MB. The part that waited stays. Cold
// starts, retries, storage and transfer are not counted.
func ChunkEstimates(samples []Sample, items int64, chunk int, arch string, memories ...int) []Estimate {
	if len(samples) == 0 {
		return nil
	}
	s, size := typical(samples), int64(max(chunk, 1))
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
		whole, rest := items/size, items%size
		gb := price.GBSeconds(int64(memory)<<20, rounded(run*time.Duration(size))) * float64(whole)
		invocations := whole
		if rest > 0 {
			gb += price.GBSeconds(int64(memory)<<20, rounded(run*time.Duration(rest)))
			invocations++
		}
		estimates = append(estimates, Estimate{Memory: memory, Run: run, USD: price.Cost(gb, invocations, price.Arch(arch)), Measured: memory == s.Memory})
	}
	if len(estimates) == 0 {
		return nil
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

// rounded is what Lambda bills of a run: whole milliseconds, at least one.
func rounded(run time.Duration) time.Duration {
	billed := max(run.Truncate(time.Millisecond), time.Millisecond)
	if billed < run {
		billed += time.Millisecond
	}
	return billed
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
