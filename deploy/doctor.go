package deploy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambdapool/lambdapool/deploy/internal/ask"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// DoctorOptions say what to compare a function with. With the zero value the function is looked
// at alone, for a run of 256 workers.
type DoctorOptions struct {
	// Workers is how many executions the planned run uses at once. It is compared with the
	// limits of account and function. 0 is 256, the default of package awslambda. Negative is
	// an error.
	Workers int

	// Package is the main package of the agent. It is built, and its hash is compared with the
	// deployed one. "": the code is not compared.
	Package string

	// Dir is where Package is looked up, "" is the current directory.
	Dir string

	// Local returns what the local code registers. It is called once, after the agent has
	// answered. Nil: shapes are not compared.
	Local func(ctx context.Context) ([]RegisteredFn, error)
}

// Doctor looks at everything between this machine and a function that could keep calls from
// succeeding: credentials, the function's state, its version, memory, code and shapes, and how
// many executions are free. It says what to do about each. It changes nothing, but it calls the
// agent once and builds the package, if one is named.
//
// name "" looks at the account alone. It goes on after a problem as far as that makes sense, so
// the findings may be fewer after a bad one. It blocks for some requests, and for a cold start.
//
// What is wrong is in the findings. The error is only for a ctx that ended, with what was found
// until then, or for a bad value, which matches [ErrInvalid].
func (c *Client) Doctor(ctx context.Context, name string, o DoctorOptions) ([]Finding, error) {
	if name != "" {
		if err := checkName(name); err != nil {
			return nil, fail("doctor", name, err)
		}
	}
	if o.Workers < 0 {
		return nil, fail("doctor", name, invalid("%d workers: must not be negative", o.Workers))
	}
	if o.Workers == 0 {
		o.Workers = 256
	}
	d := &doctor{c: c, o: o, name: name}
	d.add("region", OK, c.cfg.Region, "")
	if d.credentials(ctx) {
		if name != "" {
			d.function(ctx)
		}
		d.account(ctx)
	}
	return d.findings, fail("doctor", name, context.Cause(ctx))
}

// A doctor is one look at a function, and what it has found so far.
type doctor struct {
	c        *Client
	o        DoctorOptions
	name     string
	f        *Function
	findings []Finding
}

func (d *doctor) add(check string, level Level, text, remedy string) {
	d.findings = append(d.findings, Finding{Check: check, Level: level, Text: text, Remedy: remedy})
}

func (d *doctor) credentials(ctx context.Context) bool {
	id, err := d.c.WhoAmI(ctx)
	if err != nil {
		d.add("credentials", Problem, err.Error(), "sign in, set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		return false
	}
	d.add("credentials", OK, id.ARN+" in account "+id.Account, "")
	return true
}

func (d *doctor) function(ctx context.Context) {
	f, err := d.c.get(ctx, d.name, "")
	switch {
	case code(err) == notFound:
		d.add("function", Problem, d.name+" does not exist in "+d.c.cfg.Region, "lambdapool create "+d.name+" PACKAGE, or choose another --region or --profile")
		return
	case err != nil:
		d.add("function", Problem, err.Error(), "lambdapool policy deployer "+d.name+" prints the rights that are needed")
		return
	case f.Lambdapool == "":
		d.add("function", Problem, d.name+" was not made by lambdapool", "choose another name, and lambdapool create it")
		return
	case !callable(&f):
		d.add("function", Problem, fmt.Sprintf("state %s: %s", f.State, or(f.Reason, "no reason given")), "wait for it, or lambdapool update "+d.name)
	case f.update == "Failed":
		d.add("function", Problem, "the last update failed: "+f.Reason, "lambdapool update "+d.name+" once more")
	default:
		d.add("function", OK, fmt.Sprintf("%s, last changed %s", or(f.State, "Active"), f.LastModified.Format(time.DateTime)), "")
	}
	d.f = &f
	if v := Version(); f.Lambdapool != v {
		d.add("version", Warning, fmt.Sprintf("deployed by lambdapool %s, this is %s", f.Lambdapool, v), "lambdapool update "+d.name+" PACKAGE")
	} else {
		d.add("version", OK, "lambdapool "+v+" on both sides", "")
	}
	d.shards(ctx, &f)
	d.memory(&f)
	d.code(ctx, &f)
	if f.Reserved != nil && *f.Reserved == 0 {
		d.add("agent", Note, "not called, as it has no execution to run in: see concurrency", "")
		return
	}
	d.shapes(ctx)
}

// shards compares them, and makes of f what stands for all of them.
func (d *doctor) shards(ctx context.Context, f *Function) {
	if f.shard > 0 {
		d.add("shards", Warning, fmt.Sprintf("it is one of %d shards of %s", f.Shards, f.base), "lambdapool doctor "+f.base)
		return
	}
	if f.Shards == 0 {
		return
	}
	others, err := d.c.others(ctx, f)
	if err != nil {
		d.add("shards", Note, "cannot be looked at: "+err.Error(), "lambdapool policy deployer "+d.name+" prints the rights that are needed")
		return
	}
	together(f, others)
	if f.Uneven != "" {
		d.add("shards", Problem, f.Uneven+": which of them answers a call is chance", "lambdapool update "+d.name+" "+or(d.o.Package, "PACKAGE")+" makes them equal, and those that are missing")
		return
	}
	d.add("shards", OK, fmt.Sprintf("%d, of the same code and configuration: %d environments may start at once, and %.0f more a second",
		f.Shards, f.Shards*schedule.LambdaBurst, float64(f.Shards)*schedule.LambdaRamp), "")
}

// memory tells what CPU comes with it.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html (2026-11)
func (d *doctor) memory(f *Function) {
	cpus := float64(f.Memory) / fullCPU
	text := fmt.Sprintf("%d MB give %.2f vCPU", f.Memory, cpus)
	switch {
	case cpus < 0.5:
		d.add("memory", Warning, text+": functions that compute run "+fmt.Sprintf("%.1f", 1/cpus)+" times as long as with a whole one, for the same price",
			fmt.Sprintf("lambdapool update %s --memory %d, and see lambdapool cost", d.name, fullCPU))
	case cpus >= 2:
		d.add("memory", Note, text+": only calls in chunks, or functions that are parallel themselves, use more than one", "see lambdapool cost for the cheapest setting")
	default:
		d.add("memory", OK, text, "")
	}
}

// code compares the deployed zip with one of the local package, by its hash.
func (d *doctor) code(ctx context.Context, f *Function) {
	if d.o.Package == "" {
		text := "not compared with local code"
		if f.Env[agentmain.BuildVariable] != "" {
			text = "built from commit " + f.Env[agentmain.BuildVariable] + ", " + text
		}
		d.add("code", Note, text, "name the package: lambdapool doctor "+d.name+" PACKAGE")
		return
	}
	goos, arch := d.c.target(f.Arch)
	a, err := compile(ctx, d.o.Dir, d.o.Package, goos, arch)
	switch {
	case err != nil:
		d.add("code", Problem, "the local code does not build: "+err.Error(), "correct it")
	case a.Sum != f.CodeSHA256:
		text := fmt.Sprintf("deployed %.12s differs from local %.12s", f.CodeSHA256, a.Sum)
		if have := f.Env[agentmain.BuildVariable]; have != "" {
			text += fmt.Sprintf(": it was built from commit %s, and the local code is %s", have, or(a.Commit, "of no commit, or has changes"))
		}
		d.add("code", Warning, text, "lambdapool update "+d.name+" "+d.o.Package)
	default:
		d.add("code", OK, "deployed code is the local code", "")
	}
}

// shapes compares what the agent registers with what the local code does.
func (d *doctor) shapes(ctx context.Context) {
	deployed, err := d.c.Describe(ctx, d.name, "")
	if err != nil {
		d.add("agent", Problem, err.Error(), "lambdapool logs "+d.name+" --since 10m shows what it said")
		return
	}
	d.add("agent", OK, "answers with "+english.Count(len(deployed.Functions), "function"), "")
	if d.o.Local == nil {
		return
	}
	local, err := d.o.Local(ctx)
	if err != nil {
		d.add("shapes", Warning, "the local code cannot be asked: "+err.Error(), "")
		return
	}
	differences := ask.Differences(local, deployed.Functions)
	for _, text := range differences {
		d.add("shapes", Problem, text, "lambdapool update "+d.name+" "+d.o.Package)
	}
	if len(differences) == 0 {
		d.add("shapes", OK, "all functions have the same signature here and there; fields of structs are compared by each call", "")
	}
}

// account says what a run takes from others.
// Sources: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html and
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html (2026-11)
func (d *doctor) account(ctx context.Context) {
	out, err := d.c.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil || out.AccountLimit == nil {
		if err == nil {
			err = errors.New("no limits in the answer")
		}
		d.add("concurrency", Note, "unknown: "+strings.TrimPrefix((&Error{Err: cause(ctx, err)}).Error(), "lambdapool: "), "")
		return
	}
	workers := d.o.Workers
	total, free := int(out.AccountLimit.ConcurrentExecutions), int(aws.ToInt32(out.AccountLimit.UnreservedConcurrentExecutions))
	room := fmt.Sprintf("%d in the account, %d unreserved", total, free)
	const quota = "ask for a higher limit under Service Quotas, Lambda, Concurrent executions"
	switch {
	case d.f != nil && d.f.Reserved != nil && *d.f.Reserved == 0:
		d.add("concurrency", Problem, "0 executions are reserved: every call is throttled", "lambdapool update "+d.name+" --reserved-concurrency none")
	case d.f != nil && d.f.Reserved != nil && *d.f.Reserved < workers:
		d.add("concurrency", Warning, fmt.Sprintf("%d executions are reserved: %d workers are slowed down to that many", *d.f.Reserved, workers),
			fmt.Sprintf("lambdapool update %s --reserved-concurrency %d, or fewer workers", d.name, workers))
	case d.f != nil && d.f.Reserved != nil:
		d.add("concurrency", OK, fmt.Sprintf("%d executions are reserved: %d workers take nothing from others", *d.f.Reserved, workers), "")
	case workers > free:
		d.add("concurrency", Warning, fmt.Sprintf("%s: %d workers take all of it, and are throttled", room, workers), "use at most that many workers, or "+quota)
	case free > 0 && workers*2 > free:
		d.add("concurrency", Warning, fmt.Sprintf("%s: a run of %d workers leaves %d to all other functions", room, workers, free-workers),
			fmt.Sprintf("reserve: lambdapool update %s --reserved-concurrency %d; or %s", or(d.name, "NAME"), workers, quota))
	default:
		d.add("concurrency", OK, fmt.Sprintf("%s: a run of %d workers leaves %d to all other functions", room, workers, free-workers), "")
	}
	d.storage(out)
	if seconds := math.Ceil(float64(workers) / LogStreamRate); seconds > 2 {
		d.add("log streams", Note, fmt.Sprintf("%d cold starts open %d log streams, and CloudWatch Logs opens %d a second for the whole account: for %.0f s other functions log late", workers, workers, LogStreamRate, seconds),
			"ask for a higher limit under Service Quotas, CloudWatch Logs, CreateLogStream throttle limit")
	} else {
		d.add("log streams", OK, fmt.Sprintf("%d cold starts stay within the %d streams a second that CloudWatch Logs opens", workers, LogStreamRate), "")
	}
}

// storage tells how much room there is for code. Each shard has a copy of it, and each published version another.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11)
func (d *doctor) storage(out *lambda.GetAccountSettingsOutput) {
	if out.AccountUsage == nil || out.AccountLimit.TotalCodeSize == 0 {
		return
	}
	const mb = 1 << 20
	used, most := out.AccountUsage.TotalCodeSize, out.AccountLimit.TotalCodeSize
	text := fmt.Sprintf("%d of %d MB of code", used/mb, most/mb)
	var next int64 // of an update that publishes
	if d.f != nil {
		next = d.f.CodeSize * int64(max(d.f.Shards, 1))
		text += fmt.Sprintf("; a further version of this function takes %.1f MB", float64(next)/mb)
	}
	if used+10*next > most {
		d.add("code storage", Warning, text, "delete versions that nobody uses: aws lambda delete-function --function-name NAME --qualifier NUMBER")
		return
	}
	d.add("code storage", OK, text, "")
}
