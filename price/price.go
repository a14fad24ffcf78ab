// Package price has what platforms cost: one table for each, with its date and source. That of AWS Lambda
// is what progress, budgets and reports estimate from; [CloudRun] is Google Cloud Run's.
//
// The prices are on-demand list prices of us-east-1. Most large regions have the same, some are
// up to 40 % dearer. Free tier, savings plans, ephemeral storage, logs and data transfer are
// left out, and so is S3. It is an estimate, not a bill.
//
// Use it to compare settings, or to know the order of a run's cost before it begins:
// deploy.Estimates and rundeploy.Estimates do that from samples. lambdapool.WithBudget ends a run at a sum. Nothing
// here asks anybody, blocks or fails.
package price

import "time"

// Where the table comes from, and what it is for. Show Date and Region beside an estimate: prices
// change.
const (
	// Date is the day on which AWS published these prices, as YYYY-MM-DD.
	Date = "2026-09-19"
	// Region is the region that they are for. Others differ.
	Region = "us-east-1"
	// Source is where AWS lists the prices of all regions.
	//
	// The table is that of the AWS Price List, offer AWSLambda:
	// https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSLambda/current/us-east-1/index.json
	Source = "https://aws.amazon.com/lambda/pricing/"
	// PerMillionRequests is in US dollars, for either architecture.
	PerMillionRequests = 0.20
)

// An Arch is a Lambda function's instruction set, as the Lambda API names it. Any value but
// [ARM] is charged as [X86], so that an estimate is rather too high.
type Arch string

// The architectures of Lambda. The same work costs a fifth less on ARM, if it takes as long there.
const (
	X86 Arch = "x86_64" // the dearer one, and what an unknown Arch is charged as
	ARM Arch = "arm64"
)

// A tier is a price for GB-seconds up to a sum.
type tier struct {
	upTo         float64 // GB-seconds in a month, of one architecture in one region and account
	perGBSecond  float64 // US dollars
	withoutLimit bool
}

// The boundaries are also in
// https://aws.amazon.com/blogs/compute/introducing-tiered-pricing-for-aws-lambda/
var (
	tiersX86 = []tier{
		{upTo: 6e9, perGBSecond: 0.0000166667},
		{upTo: 15e9, perGBSecond: 0.0000150000},
		{withoutLimit: true, perGBSecond: 0.0000133334},
	}
	tiersARM = []tier{
		{upTo: 7.5e9, perGBSecond: 0.0000133334},
		{upTo: 18.75e9, perGBSecond: 0.0000120001},
		{withoutLimit: true, perGBSecond: 0.0000106667},
	}
)

// PerGBSecond returns the price of one GB-second in US dollars, in the first tier, which ends
// at 6 billion of them a month (7.5 for [ARM]). Few accounts use more. [Cost] knows the other
// tiers.
func PerGBSecond(arch Arch) float64 { return tiers(arch)[0].perGBSecond }

func tiers(arch Arch) []tier {
	if arch == ARM {
		return tiersARM
	}
	return tiersX86
}

// Cost returns the price in US dollars of that many GB-seconds and requests, as if they were
// all that the account used in the month: the tiers count from zero. What is negative counts as
// nothing. gbSeconds is the sum of [GBSeconds] over all runs.
func Cost(gbSeconds float64, requests int64, arch Arch) float64 {
	usd := float64(max(requests, 0)) * PerMillionRequests / 1e6
	from := 0.0
	for _, t := range tiers(arch) {
		if t.withoutLimit || gbSeconds <= t.upTo {
			return usd + max(gbSeconds-from, 0)*t.perGBSecond
		}
		usd += (t.upTo - from) * t.perGBSecond
		from = t.upTo
	}
	return usd
}

// GBSeconds returns what a run of billed length with memory bytes counts as. memory is the
// function's setting, not what it used. billed is not rounded: Lambda rounds up to a
// millisecond, and its own figures are so already. Negative values count as zero.
//
// Lambda's GB is 1,024 MB, as in its examples at [Source].
func GBSeconds(memory int64, billed time.Duration) float64 {
	return float64(max(memory, 0)) / (1 << 30) * max(billed, 0).Seconds()
}
