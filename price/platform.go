package price

import "time"

// A Platform is what one platform charges: a table with its date. All are list prices of one region, without free tiers,
// commitments, storage, logs and transfer.
type Platform struct {
	// Name is for people: "AWS Lambda".
	Name string

	// Date is the day that the prices are of, as YYYY-MM-DD, Region the region that they are for, and Source where they
	// are listed.
	Date, Region, Source string

	// Granularity is what billed time is rounded up to.
	Granularity time.Duration

	// PerMillionRequests is in US dollars.
	PerMillionRequests float64

	// PerVCPUSecond and PerGiBSecond are in US dollars, where the two are charged by themselves. On Lambda the vCPU comes
	// with the memory: PerVCPUSecond is 0, and PerGiBSecond is that of [X86] in the first tier.
	PerVCPUSecond, PerGiBSecond float64
}

// Lambda returns AWS Lambda's table. [Cost] knows its architectures and tiers.
func Lambda() Platform {
	return Platform{
		Name: "AWS Lambda", Date: Date, Region: Region, Source: Source, Granularity: time.Millisecond,
		PerMillionRequests: PerMillionRequests, PerGiBSecond: PerGBSecond(X86),
	}
}

// CloudRun returns the table of Google Cloud Run's services with request-based billing, which is how lambdapool deploys
// them. It is of us-central1; some regions are dearer. An instance is charged while it answers a request, and while it
// starts; requests that it answers at once share that. It has been read from a stored copy of the page at Source.
func CloudRun() Platform {
	return Platform{
		Name: "Google Cloud Run", Date: "2026-11-29", Region: "us-central1", Source: "https://cloud.google.com/run/pricing", Granularity: 100 * time.Millisecond,
		PerMillionRequests: 0.40, PerVCPUSecond: 0.000024, PerGiBSecond: 0.0000025,
	}
}

// Billed returns what a request that takes run is charged as: rounded up to whole steps of Granularity, at least one.
// What is negative counts as zero.
func (p Platform) Billed(run time.Duration) time.Duration {
	step := max(p.Granularity, 1)
	billed := max(run.Truncate(step), step)
	if billed < run {
		billed += step
	}
	return billed
}

// Cost returns the price in US dollars of requests that are billed for a time each, by instances with so many vCPUs and
// bytes of memory. [Platform.Billed] rounds. What is negative counts as nothing.
func (p Platform) Cost(requests int64, billed time.Duration, vcpus float64, memory int64) float64 {
	n := float64(max(requests, 0))
	second := max(vcpus, 0)*p.PerVCPUSecond + float64(max(memory, 0))/(1<<30)*p.PerGiBSecond
	return n * (p.PerMillionRequests/1e6 + max(billed, 0).Seconds()*second)
}
