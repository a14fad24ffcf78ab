package deploy

import (
	"time"

	"github.com/lambdapool/lambdapool/internal/shards"
)

// What Lambda allows, with the units beside. Memory and storage are in megabytes of 2^20 bytes.
// Spec.Check compares with these before anything is sent, so that a bad value costs no request.
// They are Lambda's general limits. Those of an account are lower at first: Client.Doctor shows
// them.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
// and the ranges of https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
// (2026-11).
const (
	MinMemory = 128    // MB
	MaxMemory = 10_240 // MB, in steps of 1

	MinTimeout = time.Second // in steps of one second
	MaxTimeout = 900 * time.Second

	MinEphemeralStorage = 512    // MB of /tmp
	MaxEphemeralStorage = 10_240 // MB of /tmp

	MaxLayers         = 5
	MaxEnv            = 4096             // bytes of all names and values
	MaxZip            = 50 << 20         // bytes of a zip that is sent in the request
	MaxUnpacked       = 250 << 20        // bytes, layers included
	MaxTags           = 50               // of which lambdapool uses three
	MaxShards         = shards.Most      // functions that stand for one; not Lambda's limit
	MaxSubnets        = 16               // of a VPC
	MaxSecurityGroups = 5                // of a VPC
	UnreservedFloor   = 100              // executions that must stay unreserved in the account
	LogStreamRate     = 50               // CreateLogStream per second, whole account and region: CloudWatch Logs quotas
	fullCPU           = 1769             // MB that come with one vCPU: configuration-memory.html
	maxNameLen        = 64               // of a function and of a role
	assumableWithin   = 60 * time.Second // a new role is usually known after ten
	activeWithin      = 5 * time.Minute  // functions in a VPC take longest
	defaultTimeout    = 5 * time.Minute  // of a function nobody chose one for
	defaultMemory     = fullCPU          // one vCPU
	defaultPoll       = 1 * time.Second  // between two looks at a state
	maxReservedValue  = 1_000_000        // far above any account's limit: a slip of the pen
)

// LogRetentions returns the numbers of days that CloudWatch Logs can keep a log, in order.
// Settings.LogRetention must be one of them, or negative for ever. The caller owns the slice.
//
// Source:
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html,
// 2026-11.
func LogRetentions() []int {
	return []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
}
