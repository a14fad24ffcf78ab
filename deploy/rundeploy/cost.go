package rundeploy

import (
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/price"
)

// An Estimate is what items cost with so many of them in a request, by Cloud Run's prices in package price.
type Estimate struct {
	// Chunk is how many items share a request.
	Chunk int `json:"chunk"`

	// Run is the expected wall time of one item, Billed what a request with them is charged as.
	Run    time.Duration `json:"run_ns"`
	Billed time.Duration `json:"billed_ns"`

	// USD is for all items together, requests included.
	USD float64 `json:"usd"`

	// Cheapest marks the lowest price of all estimates, the smallest chunk of those that cost the same.
	Cheapest bool `json:"cheapest,omitempty"`
}

// Estimates calculates what items cost on instances like those of s, by how many share a request, and marks the cheapest.
// runs are what single items took: the median counts. chunks are 1, 10, 100 and 1000 by default. It does not block and
// asks nobody. Without runs there are no estimates.
//
// Cloud Run charges whole steps of 100 ms, so what matters most is how many short items share one. The items of a chunk
// are taken to run one after another; those of an instance with several vCPUs run side by side, and cost less. Chunks that
// take longer than the service's timeout are left out, and those below 1.
//
// It is an estimate. Starts, retries, free tier, storage and transfer are not counted. Requests that an instance takes at
// once share its price, which is not counted either.
func Estimates(runs []time.Duration, items int64, s Service, chunks ...int) []Estimate {
	if len(runs) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(runs))
	run := sorted[len(sorted)/2]
	if len(chunks) == 0 {
		chunks = []int{1, 10, 100, 1000}
	}
	p := price.CloudRun()
	var all []Estimate
	best := 0
	chunks = slices.Compact(slices.Sorted(slices.Values(chunks)))
	for _, chunk := range chunks {
		took := run * time.Duration(chunk)
		if chunk < 1 || chunk > 1 && s.Timeout > 0 && took > time.Duration(s.Timeout)*time.Second {
			continue
		}
		whole, rest := items/int64(chunk), items%int64(chunk)
		e := Estimate{Chunk: chunk, Run: run, Billed: p.Billed(took), USD: p.Cost(whole, p.Billed(took), s.CPU, int64(s.Memory)<<20)}
		if rest > 0 {
			e.USD += p.Cost(1, p.Billed(run*time.Duration(rest)), s.CPU, int64(s.Memory)<<20)
		}
		all = append(all, e)
		if e.USD < all[best].USD {
			best = len(all) - 1
		}
	}
	if len(all) > 0 {
		all[best].Cheapest = true
	}
	return all
}
