package deploy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// A Level says how bad a [Finding] is.
type Level string

// The levels, from the best.
const (
	OK      Level = "ok"
	Note    Level = "note"
	Warning Level = "warning"
	Problem Level = "problem" // calls fail, or return what nobody expects
)

// A Finding is one thing that [Client.Doctor] looked at.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // empty where there is nothing to do
}

// DoctorOptions say what to compare a function with.
type DoctorOptions struct {
	Workers int                                               // of the run that is planned; 0: 256, the default of package awslambda
	Package string                                            // main package of the agent; "": the code is not compared
	Dir     string                                            // where Package is looked up
	Local   func(ctx context.Context) ([]RegisteredFn, error) // what the local code registers; nil: shapes are not compared
}

// Doctor looks at everything between this machine and a function that could keep calls
// from succeeding, and says what to do about it. It goes on after a problem as
// far as that makes sense. The error is only for a ctx that ended or a bad name.
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

type doctor struct {
	c        *Client
	o        DoctorOptions
	name     string
	f        *Function
	findings []Finding
}

func (d *doctor) add(check string, level Level, text, remedy string) {
	d.findings = append(d.findings, Finding{check, level, text, remedy})
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
	d.memory(&f)
	d.code(ctx, &f)
	if f.Reserved != nil && *f.Reserved == 0 {
		d.add("agent", Note, "not called, as it has no execution to run in: see concurrency", "")
		return
	}
	d.shapes(ctx)
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

func (d *doctor) code(ctx context.Context, f *Function) {
	if d.o.Package == "" {
		d.add("code", Note, "not compared with local code", "name the package: lambdapool doctor "+d.name+" PACKAGE")
		return
	}
	goos, arch := d.c.target(f.Arch)
	a, err := build(ctx, d.o.Dir, d.o.Package, goos, arch)
	switch {
	case err != nil:
		d.add("code", Problem, "the local code does not build: "+err.Error(), "correct it")
	case a.Sum != f.CodeSHA256:
		d.add("code", Warning, fmt.Sprintf("deployed %.12s differs from local %.12s", f.CodeSHA256, a.Sum), "lambdapool update "+d.name+" "+d.o.Package)
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
	d.add("agent", OK, fmt.Sprintf("answers with %d functions", len(deployed.Functions)), "")
	if d.o.Local == nil {
		return
	}
	local, err := d.o.Local(ctx)
	if err != nil {
		d.add("shapes", Warning, "the local code cannot be asked: "+err.Error(), "")
		return
	}
	differences := diffShapes(local, deployed.Functions)
	for _, text := range differences {
		d.add("shapes", Problem, text, "lambdapool update "+d.name+" "+d.o.Package)
	}
	if len(differences) == 0 {
		d.add("shapes", OK, "all functions have the same shape here and there", "")
	}
}

func diffShapes(local, deployed []RegisteredFn) []string {
	shapes := map[string]string{}
	for _, f := range deployed {
		shapes[f.Name] = f.Shape
	}
	var differences []string
	for _, f := range local {
		switch shape, ok := shapes[f.Name]; {
		case !ok:
			differences = append(differences, fmt.Sprintf("%s: client %s, agent has none", f.Name, f.Shape))
		case shape != f.Shape:
			differences = append(differences, fmt.Sprintf("%s: client %s, agent %s", f.Name, f.Shape, shape))
		}
		delete(shapes, f.Name)
	}
	for _, name := range sortedKeys(shapes) {
		differences = append(differences, fmt.Sprintf("%s: client has none, agent %s", name, shapes[name]))
	}
	return differences
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
		d.add("concurrency", Note, "unknown: "+brief(cause(ctx, err)), "")
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
	if seconds := math.Ceil(float64(workers) / LogStreamRate); seconds > 2 {
		d.add("log streams", Note, fmt.Sprintf("%d cold starts open %d log streams, and CloudWatch Logs opens %d a second for the whole account: for %.0f s other functions log late", workers, workers, LogStreamRate, seconds),
			"ask for a higher limit under Service Quotas, CloudWatch Logs, CreateLogStream throttle limit")
	} else {
		d.add("log streams", OK, fmt.Sprintf("%d cold starts stay within the %d streams a second that CloudWatch Logs opens", workers, LogStreamRate), "")
	}
}
