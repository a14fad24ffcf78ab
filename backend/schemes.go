package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/check"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/backend/httpagent"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
)

// parameters turn the values of a query into options of type O.
type parameters[O any] map[string]func(value string) (O, error)

// options reads a query, in the order of its names.
func (p parameters[O]) options(query url.Values) ([]O, error) {
	var opts []O
	for _, name := range slices.Sorted(maps.Keys(query)) {
		parse, ok := p[name]
		if !ok {
			return nil, fmt.Errorf("unknown parameter %q (%s)", name, choice(name, p))
		}
		values := query[name]
		if len(values) > 1 {
			return nil, fmt.Errorf("parameter %s is given %d times", name, len(values))
		}
		opt, err := parse(values[0])
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		opts = append(opts, opt)
	}
	return opts, nil
}

func text[O any](option func(string) O) func(string) (O, error) {
	return func(value string) (O, error) { return option(value), nil }
}

func number[O any](option func(int) O) func(string) (O, error) {
	return func(value string) (opt O, err error) {
		n, err := strconv.Atoi(value)
		if err != nil {
			return opt, fmt.Errorf("%q is not a whole number", value)
		}
		return option(n), nil
	}
}

func duration[O any](option func(time.Duration) O) func(string) (O, error) {
	return func(value string) (opt O, err error) {
		d, err := time.ParseDuration(value)
		if err != nil {
			return opt, fmt.Errorf("%q is not a duration such as 30s or 5m", value)
		}
		return option(d), nil
	}
}

// timeoutName is the parameter that most backends have.
const timeoutName = "timeout"

var localParameters = parameters[local.Option]{
	"binary":      text(local.WithBinary),
	"concurrency": number(local.WithConcurrency),
	"data":        text(local.WithData),
	"log":         logOutput,
	"memory":      number(local.WithMemory),
	"shards":      number(local.WithShards),
	timeoutName:   duration(local.WithTimeout),
}

// logOutput says what becomes of what agents print.
func logOutput(value string) (local.Option, error) {
	if value == "off" {
		return local.WithLogOutput(io.Discard), nil
	}
	return nil, fmt.Errorf("%q: must be off, or left out for stderr", value)
}

func parseLocal(target string, query url.Values) (opener, error) {
	if target != "" {
		return nil, fmt.Errorf("%q after the scheme (want local: and parameters only)", target)
	}
	opts, err := localParameters.options(query)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (Backend, error) {
		b, err := local.New(opts...)
		if err != nil {
			return nil, err // not b: it would be a nil pointer in an interface
		}
		return b, nil
	}, nil
}

// checkParameters are those of local, but for where it keeps what nobody gives it here.
var checkParameters = func() parameters[local.Option] {
	p := maps.Clone(localParameters)
	delete(p, "data")
	return p
}()

func parseCheck(target string, query url.Values) (opener, error) {
	if target != "" {
		return nil, fmt.Errorf("%q after the scheme (want check: and parameters only)", target)
	}
	opts, err := checkParameters.options(query)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (Backend, error) {
		b, err := check.New(opts...)
		if err != nil {
			return nil, err // not b: it would be a nil pointer in an interface
		}
		return b, nil
	}, nil
}

var inprocParameters = parameters[inproc.Option]{
	"concurrency": number(inproc.WithConcurrency),
	timeoutName:   duration(inproc.WithTimeout),
}

func parseInproc(target string, query url.Values) (opener, error) {
	if target != "" {
		return nil, fmt.Errorf("%q after the scheme (want inproc: and parameters only)", target)
	}
	opts, err := inprocParameters.options(query)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (Backend, error) {
		b := inproc.New(opts...)
		if err := b.Err(); err != nil {
			return nil, err
		}
		return b, nil
	}, nil
}

var lambdaParameters = parameters[awslambda.Option]{
	"bucket":    text(func(name string) awslambda.Option { return awslambda.WithBucket(name) }),
	"endpoint":  text(awslambda.WithEndpoint),
	"profile":   text(awslambda.WithProfile),
	"qualifier": text(awslambda.WithQualifier),
	"region":    text(awslambda.WithRegion),
	"shards":    number(awslambda.WithShards),
	"tenant":    text(awslambda.WithTenantID),
	timeoutName: duration(awslambda.WithFunctionTimeout),
	"workers":   number(awslambda.WithWorkers),
}

func parseLambda(target string, query url.Values) (opener, error) {
	if target == "" {
		return nil, errors.New("no function (want lambda://FUNCTION)")
	}
	opts, err := lambdaParameters.options(query)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Backend, error) {
		b, err := awslambda.New(ctx, target, opts...)
		if err != nil {
			return nil, err // not b: it would be a nil pointer in an interface
		}
		return b, nil
	}, nil
}

var cloudRunParameters = parameters[cloudrun.Option]{
	"account":   text(cloudrun.WithServiceAccount),
	"audience":  text(cloudrun.WithAudience),
	"bucket":    text(func(name string) cloudrun.Option { return cloudrun.WithBucket(name) }),
	"endpoint":  text(cloudrun.WithEndpoint),
	"project":   text(cloudrun.WithProject),
	"queue":     text(cloudrun.WithQueue),
	"region":    text(cloudrun.WithRegion),
	"tag":       text(cloudrun.WithTag),
	timeoutName: duration(cloudrun.WithTimeout),
	"url":       text(cloudrun.WithURL),
	"workers":   number(cloudrun.WithWorkers),
}

func parseCloudRun(target string, query url.Values) (opener, error) {
	if target == "" {
		return nil, errors.New("no service (want cloudrun://SERVICE)")
	}
	opts, err := cloudRunParameters.options(query)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Backend, error) {
		b, err := cloudrun.New(ctx, target, opts...)
		if err != nil {
			return nil, err // not b: it would be a nil pointer in an interface
		}
		return b, nil
	}, nil
}

// parseHTTP reads the URLs of agents behind HTTP, whose scheme is a part of them.
func parseHTTP(name string) scheme {
	known := parameters[httpagent.Option]{
		"body":      number(httpagent.WithMaxBody),
		timeoutName: duration(httpagent.WithTimeout),
		"token":     text(httpagent.WithTokenFromEnv),
		"workers":   number(httpagent.WithWorkers),
	}
	if name == "http" {
		known["plain"] = func(value string) (httpagent.Option, error) {
			if value != "true" {
				return nil, fmt.Errorf("%q (want plain=true, or leave it out)", value)
			}
			return httpagent.WithPlainHTTP(), nil
		}
	}
	return func(target string, query url.Values) (opener, error) {
		if target == "" {
			return nil, fmt.Errorf("no host (want %s://HOST[:PORT][/PATH])", name)
		}
		opts, err := known.options(query)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (Backend, error) {
			b, err := httpagent.New(ctx, name+"://"+target, opts...)
			if err != nil {
				return nil, err // not b: it would be a nil pointer in an interface
			}
			return b, nil
		}, nil
	}
}
