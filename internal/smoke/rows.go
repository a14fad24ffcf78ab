package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/smoke/claims"
	"github.com/lambdapool/lambdapool/internal/smoke/work"
)

// rows are the claims, the basic ones first: what comes later makes little sense if a reply does
// not arrive. Each is a line of docs/not-proven.md that can be struck out when it holds.
func (a *account) rows(workers int) []claims.Row {
	return []claims.Row{
		{Claim: "Invoke works end to end, and a reply of arbitrary bytes arrives exact", Check: a.bytesExact},
		{Claim: fmt.Sprintf("A request may have %d bytes", codec.MaxRequest), Check: a.requestSize},
		{Claim: fmt.Sprintf("A reply may have %d bytes", codec.MaxReply), Check: a.replySize},
		{Claim: "Each error of the service is classified rightly", Check: a.errors},
		{Claim: fmt.Sprintf("%d workers are reached", workers), Check: func(ctx context.Context) (string, error) { return a.ramp(ctx, workers) }},
		{Claim: "Shards are deployed, found and invoked as one function", Check: func(ctx context.Context) (string, error) { return a.shards(ctx, workers) }},
		{Claim: "The agent is ready within milliseconds", Check: a.initDuration},
		{Claim: "Large payloads go through S3 by links and forms", Check: a.largePayload},
		{Claim: "Detached runs are delivered by Lambda's queue and recorded once", Check: a.detached},
		{Claim: "The least policies suffice", Check: a.leastPolicies},
		{Claim: "The conformance suite passes", Check: a.conformance},
	}
}

// invoke calls a plain handler.
func (a *account) invoke(ctx context.Context, name string, payload []byte) ([]byte, string, error) {
	out, err := a.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload}, func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return nil, "", err
	}
	return out.Payload, aws.ToString(out.FunctionError), nil
}

// on runs a row with an executor on the function.
func (a *account) on(ctx context.Context, row func(*lambdapool.Executor) (string, error), opts ...awslambda.Option) (string, error) {
	b, err := a.backend(ctx, opts...)
	if err != nil {
		return "", err
	}
	defer b.Close()             //nolint:errcheck // it never fails
	e, err := lambdapool.New(b) // with the workers that opts say
	if err != nil {
		return "", err
	}
	defer e.Close() //nolint:errcheck // nothing is left in it
	return row(e)
}

// bytesExact looks whether a reply may be any bytes. AWS's documentation does not say so of custom
// runtimes. If it did not hold, replies would have to be JSON and base64, a third larger. A plain
// handler shows what Lambda does, and a call what the client makes of it.
func (a *account) bytesExact(ctx context.Context) (string, error) {
	const n = 100_000
	payload, err := json.Marshal(work.RawJob{N: n})
	if err != nil {
		return "", err
	}
	got, failed, err := a.invoke(ctx, a.raw(), payload)
	switch {
	case err != nil:
		return "", err
	case failed != "":
		return "", fmt.Errorf("%s: %.200s", failed, got)
	case !bytes.Equal(got, work.Pattern(n)):
		return "", fmt.Errorf("%d bytes came back for %d, and not the same", len(got), n)
	}
	return a.on(ctx, func(e *lambdapool.Executor) (string, error) {
		back, err := lambdapool.Call(ctx, e, work.Echo, work.Pattern(n))
		if err == nil && !bytes.Equal(back, work.Pattern(n)) {
			err = errors.New("a call returned other bytes than it was given")
		}
		return fmt.Sprintf("%d bytes of all values, plain and in a call", n), err
	})
}

// largest finds the largest size that fits, from low, which must, to high, which must not. It
// looks first at what we claim.
func largest(claim, low, high int, fits func(int) (bool, error)) (int, error) {
	next := []int{claim, claim + 1}
	for low+1 < high {
		n := (low + high) / 2
		if len(next) > 0 {
			n, next = next[0], next[1:]
		}
		ok, err := fits(n)
		if err != nil {
			return 0, err
		}
		if ok {
			low = max(low, n)
		} else {
			high = min(high, n)
		}
	}
	return low, nil
}

// requestSize finds the largest request to the byte. The client refuses what is above our number,
// and fills chunks up to it. With a number too large whole chunks fail; with one too small nothing
// does.
func (a *account) requestSize(ctx context.Context) (string, error) {
	code := ""
	n, err := largest(codec.MaxRequest, 6_000_000, 7_000_000, func(n int) (bool, error) {
		payload := bytes.Repeat([]byte{'x'}, n)
		payload[0], payload[n-1] = '"', '"'
		_, _, err := a.invoke(ctx, a.raw(), payload)
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			code = e.ErrorCode()
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && n != codec.MaxRequest {
		err = fmt.Errorf("we say %d", codec.MaxRequest)
	}
	return fmt.Sprintf("%d bytes, one more is %s", n, code), err
}

// replySize finds the largest reply. With a number too large an agent sends what Lambda throws
// away, and its process ends with every call that it has.
func (a *account) replySize(ctx context.Context) (string, error) {
	said := ""
	n, err := largest(codec.MaxReply, 6_000_000, 7_000_000, func(n int) (bool, error) {
		payload, err := json.Marshal(work.RawJob{N: n})
		if err != nil {
			return false, err
		}
		got, failed, err := a.invoke(ctx, a.raw(), payload)
		if failed != "" {
			var e struct {
				Type string `json:"errorType"`
			}
			_ = json.Unmarshal(got, &e) // it is said as it is
			said = e.Type
		}
		return failed == "" && len(got) == n, err
	})
	if err == nil && n != codec.MaxReply {
		err = fmt.Errorf("we say %d", codec.MaxReply)
	}
	return fmt.Sprintf("%d bytes, one more is %s", n, said), err
}

// errors provokes each, and compares it with the sentinel that it should match. What these stand
// for decides whether a call runs again, so a wrong one loses a call or runs a function twice.
func (a *account) errors(ctx context.Context) (seen string, err error) {
	call := func(f func(*lambdapool.Executor) error, opts ...awslambda.Option) error {
		b, err := a.backend(ctx, opts...)
		if err != nil {
			return err
		}
		defer b.Close() //nolint:errcheck // it never fails
		e, err := lambdapool.New(b, lambdapool.WithTimeout(time.Minute))
		if err != nil {
			return err
		}
		defer e.Close() //nolint:errcheck // nothing is left in it
		return f(e)
	}
	of := func(fn *lambdapool.Func[int, int], arg int) func(*lambdapool.Executor) error {
		return func(e *lambdapool.Executor) error { _, err := lambdapool.Call(ctx, e, fn, arg); return err }
	}
	linger := func(e *lambdapool.Executor) error {
		_, err := lambdapool.Call(ctx, e, work.Linger, time.Minute)
		return err
	}
	id, err := a.client.Config().Credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range []struct {
		name string
		got  func() error
		want error
	}{
		{"an exit", func() error { return call(of(work.Exit, 3)) }, lambdapool.ErrAgentCrashed},
		{"out of memory", func() error { return call(of(work.Hoard, 4*memory)) }, lambdapool.ErrOutOfMemory},
		{"a time-out", func() error { return call(linger) }, lambdapool.ErrTimeout},
		{"a name that is not registered", func() error {
			return call(func(e *lambdapool.Executor) error { _, err := e.Submit(ctx, "smoke.None", 1).Result(ctx); return err })
		}, lambdapool.ErrNotRegistered},
		{"a wrong secret", func() error {
			return call(of(work.Square, 2), awslambda.WithStaticCredentials(id.AccessKeyID, "wrong-"+id.SecretAccessKey, id.SessionToken))
		}, lambdapool.ErrAccessDenied},
		{"a qualifier that is not there", func() error { return call(of(work.Square, 2), awslambda.WithQualifier("none")) }, lambdapool.ErrFunctionNotFound},
		{"no concurrency", func() error { return a.throttled(ctx, call) }, lambdapool.ErrThrottled},
		{"an init that fails", func() error { return a.initFails(ctx) }, lambdapool.ErrAgentCrashed},
	} {
		got := c.got()
		if errors.Is(got, c.want) {
			seen += c.name + ", "
			continue
		}
		err = errors.Join(err, fmt.Errorf("%s is %w, and not %w", c.name, got, c.want))
	}
	return seen + "as they should be", err
}

// throttled takes the function's concurrency away for one call.
func (a *account) throttled(ctx context.Context, call func(func(*lambdapool.Executor) error, ...awslambda.Option) error) (err error) {
	if _, err := a.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &a.name, ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		return err
	}
	defer func() {
		_, back := a.lambda.DeleteFunctionConcurrency(context.WithoutCancel(ctx), &lambda.DeleteFunctionConcurrencyInput{FunctionName: &a.name})
		err = errors.Join(err, back)
	}()
	return call(func(e *lambdapool.Executor) error {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := lambdapool.Call(short, e, work.Square, 2)
		return err
	})
}

// initFails calls the function whose agent ends before it asks for work. Nothing has run, and the
// error must say ErrAgentCrashed.
func (a *account) initFails(ctx context.Context) error {
	b, err := awslambda.New(ctx, a.broken(), awslambda.WithFunctionTimeout(longTimeout))
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // it never fails
	e, err := lambdapool.New(b, lambdapool.WithTimeout(time.Minute))
	if err != nil {
		return err
	}
	defer e.Close() //nolint:errcheck // nothing is left in it
	_, err = lambdapool.Call(ctx, e, work.Exit, 0)
	return err
}

var initDuration = regexp.MustCompile(`Init Duration: ([0-9.]+) ms`)

// initDuration reads what the platform says in the log of the calls so far. It measures what the
// agent cannot see: the process before Go begins.
func (a *account) initDuration(ctx context.Context) (string, error) {
	var all []float64
	for wait := time.Duration(0); len(all) == 0; wait = 5 * time.Second { // logs arrive late
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(wait):
		}
		for line, err := range a.client.Logs(ctx, a.name, deploy.LogQuery{Filter: `"Init Duration"`}) {
			if err != nil {
				return "", err
			}
			if m := initDuration.FindStringSubmatch(line.Text); m != nil {
				ms, err := strconv.ParseFloat(m[1], 64)
				if err != nil {
					return "", err
				}
				all = append(all, ms)
			}
		}
	}
	slices.Sort(all)
	seen := fmt.Sprintf("median %.1f ms of %d cold starts, from %.1f to %.1f ms", all[len(all)/2], len(all), all[0], all[len(all)-1])
	if all[len(all)/2] > 1000 {
		return seen, errors.New("that is more than a second")
	}
	return seen, nil
}

// ramp has ten calls for each worker, one invocation each. What is reported is how long that took
// beside the ideal, how many environments Lambda started, and how many requests it refused. It
// fails only for wrong values: how fast an account grows is AWS's to say.
func (a *account) ramp(ctx context.Context, workers int) (string, error) {
	return a.on(ctx, func(e *lambdapool.Executor) (string, error) {
		in := make([]int, 10*workers)
		for i := range in {
			in[i] = i
		}
		began := time.Now()
		out, err := lambdapool.Map(ctx, e, work.Square, in, lambdapool.ChunkSize(1))
		if err != nil {
			return "", err
		}
		took := time.Since(began)
		for i, n := range out {
			if n != i*i {
				return "", fmt.Errorf("item %d is %d", i, n)
			}
		}
		s := e.Stats()
		return fmt.Sprintf("%d calls of 0.2 s in %.1f s (2.0 s would be ideal), %d cold starts, %d throttles", len(in), took.Seconds(), s.ColdStarts, s.Throttles), nil
	}, awslambda.WithWorkers(workers))
}

// largePayload sends twice what an invocation carries, so that arguments and result both go through
// S3.
func (a *account) largePayload(ctx context.Context) (string, error) {
	return a.on(ctx, func(e *lambdapool.Executor) (string, error) {
		data := work.Pattern(12 << 20)
		got, err := lambdapool.Call(ctx, e, work.Echo, data)
		if err == nil && !bytes.Equal(got, data) {
			err = errors.New("other bytes came back")
		}
		return fmt.Sprintf("%d bytes there and back", len(data)), err
	})
}

// detached sends 40 calls to Lambda's queue, and reads them back as another program would, by the
// name of the run.
func (a *account) detached(ctx context.Context) (string, error) {
	return a.on(ctx, func(e *lambdapool.Executor) (string, error) {
		in := make([]int, 40)
		for i := range in {
			in[i] = i
		}
		r, err := lambdapool.MapDetached(ctx, e, work.Square, in)
		if err != nil {
			return "", err
		}
		again, err := lambdapool.Attach(ctx, e, work.Square, r.ID()) // as another program would
		if err != nil {
			return "", err
		}
		out, err := again.Wait(ctx)
		if err != nil {
			return "", err
		}
		for i, n := range out {
			if n != i*i {
				return "", fmt.Errorf("call %d is %d", i, n)
			}
		}
		return fmt.Sprintf("%d calls", len(out)), nil
	})
}
