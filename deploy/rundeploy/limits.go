package rundeploy

import "time"

// What Cloud Run allows, with the units beside. Memory is in megabytes of 2^20 bytes. [Spec.Check] compares with these
// before anything is sent.
//
// Sources: https://cloud.google.com/run/docs/configuring/services/memory-limits,
// https://cloud.google.com/run/docs/configuring/services/cpu, https://cloud.google.com/run/docs/configuring/request-timeout
// and https://cloud.google.com/run/docs/configuring/concurrency (2026-11).
const (
	MinMemory = 128    // MB; 512 where an instance has a vCPU or more and the second generation runs it
	MaxMemory = 32_768 // MB

	MinCPU = 0.08
	MaxCPU = 8.0

	MinTimeout = time.Second
	MaxTimeout = time.Hour - startAllowance // Cloud Run ends a request after an hour, its container's start included

	MaxConcurrency = 1000    // requests at once, of one instance
	MaxInstances   = 100_000 // far above any quota: a slip of the pen
	MaxLabels      = 64      // of which lambdapool uses two

	// MaxSource is how large an agent may be where there is no image: see [Settings].SourceBucket. Whether Google means
	// the archive or what is in it is not said: here neither may be larger.
	// Source: https://github.com/GoogleCloudPlatform/cloud-run-mcp, 2026-11.
	MaxSource = 250 << 20 // bytes

	startAllowance   = 10 * time.Second // what a start may take of the service's timeout
	defaultMemory    = 512              // MB, as Cloud Run has it
	defaultCPU       = 1.0
	defaultTimeout   = 5 * time.Minute
	defaultInstances = 100 // as Cloud Run has it
	defaultPoll      = time.Second
	readyWithin      = 10 * time.Minute // an operation: a container has four minutes to listen
	handshakeWithin  = 30 * time.Second
	uploadWithin     = 10 * time.Minute // of an image or an archive
	reads            = 3                // attempts of a request that changes nothing
)

// memories are how much memory goes with how many vCPUs, by the second page.
var memories = []struct {
	upTo        float64 // vCPUs
	least, most int     // MB
}{
	{0.5, MinMemory, 512}, // below half of one
	{1, MinMemory, 1024},  // below one
	{2, MinMemory, 4096},  // one
	{4, MinMemory, 8192},  // two
	{6, 2048, 16_384},     // four
	{8, 4096, 24_576},     // six
	{9, 4096, MaxMemory},  // eight
}

// cpus are the numbers above one that there are.
var cpus = []float64{1, 2, 4, 6, 8}
