package cloudrun_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

type order struct {
	Do string
	N  int
}

var work = lambdapool.Register("cloudrun.work", do)

// sure is work that may run twice.
var sure = lambdapool.Register("cloudrun.sure", do, lambdapool.Idempotent())

func do(ctx context.Context, o order) (int, error) {
	switch o.Do {
	case "echo":
		return o.N, nil
	case "exit":
		os.Exit(o.N)
	case "hoard":
		held := make([][]byte, 0, 64)
		for range cap(held) {
			page := make([]byte, 16<<20)
			for i := range page {
				page[i] = 1
			}
			held = append(held, page)
		}
		return len(held), nil
	case "wait":
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Duration(o.N) * time.Millisecond):
		}
	case "ignore":
		time.Sleep(time.Duration(o.N) * time.Millisecond)
		fmt.Fprintln(os.Stderr, "it ran on")
	}
	return os.Getpid(), nil
}

// What the service says becomes the limits; options say it where nothing is looked up.
func TestLimits(t *testing.T) {
	c := start(t, runlocal.Options{})
	name := c.create(settings{
		timeout: "90s", instances: 7, concurrency: 4, cpu: "2", memory: "2Gi",
		env: map[string]string{"LAMBDAPOOL_TIMEOUT": "80s", "LAMBDAPOOL_CONCURRENCY": "3"},
	})
	c.asInvoker(name)
	b := c.open(name)
	want := lambdapool.Limits{Workers: 21, Request: 32 << 20, Response: 32 << 20, Timeout: 80 * time.Second, Raw: true, Granularity: 100 * time.Millisecond, Wait: 10 * time.Second}
	// Two vCPUs and two GiB, for each GiB; see price.CloudRun.
	perMillion := 0.40
	want.PerGBSecond, want.PerRequest = (2*0.000024+2*0.0000025)/2, perMillion/1e6
	if got := b.Limits(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b = c.open(name, cloudrun.WithWorkers(5), cloudrun.WithTimeout(10*time.Second), cloudrun.WithStore(inproc.New().Store()))
	want.Workers, want.Timeout = 5, 10*time.Second
	if got := b.Limits(); got != want || b.Store() == nil || b.StoreOption() != "cloudrun.WithBucket" {
		t.Errorf("%+v, want %+v; store %v", got, want, b.Store())
	}
	var svc struct{ URI string }
	if err := c.Call(soon(t), invoker, http.MethodGet, "/v2/"+name, nil, &svc); err != nil {
		t.Fatal(err)
	}
	c.Revoke("roles/run.viewer", invoker, name) // nothing is looked up
	b = c.open("agents", cloudrun.WithURL(svc.URI))
	if got := b.Limits(); got.Workers != 100 || got.Timeout != 5*time.Minute || got.PerGBSecond != (0.000024+0.0000025/2)*2 {
		t.Errorf("%+v", got)
	}
	if got, err := lambdapool.Call(soon(t), executor(t, b), work, order{"echo", 3}); err != nil || got != 3 {
		t.Errorf("%d, %v", got, err)
	}
}

// The parts of a name come from wherever they are.
func TestNames(t *testing.T) {
	c := start(t, runlocal.Options{})
	name := c.create(settings{})
	c.asInvoker(name)
	where := []cloudrun.Option{cloudrun.WithProject(c.Project()), cloudrun.WithRegion(c.Region())}
	c.Grant("roles/run.viewer", invoker, "") // who may see none is not told that there is none
	c.open("agents", where...)
	c.open(name, where...)
	c.open("agents", where[1]) // the project of the key
	t.Setenv("CLOUDSDK_RUN_REGION", c.Region())
	t.Setenv("GOOGLE_CLOUD_PROJECT", c.Project())
	c.open("agents")
	t.Setenv("CLOUDSDK_RUN_REGION", "")
	for what, tt := range map[string]struct {
		name string
		opts []cloudrun.Option
		want string
	}{
		"no region":       {"agents", nil, "which project and region"},
		"not there":       {"others", where, "check project, region and name"},
		"another project": {name, []cloudrun.Option{cloudrun.WithProject("other")}, "an option has other"},
		"half a name":     {"projects/p/services/agents", nil, "want NAME, or projects/"},
		"a bad name":      {"Agents", nil, "not the name of a service"},
		"workers":         {"agents", []cloudrun.Option{cloudrun.WithWorkers(0)}, "WithWorkers"},
		"timeout":         {"agents", []cloudrun.Option{cloudrun.WithTimeout(2 * time.Hour)}, "WithTimeout"},
		"account":         {"agents", []cloudrun.Option{cloudrun.WithServiceAccount("me")}, "WithServiceAccount"},
		"audience":        {"agents", []cloudrun.Option{cloudrun.WithAudience("")}, "WithAudience"},
		"URL":             {"agents", []cloudrun.Option{cloudrun.WithURL("https://me:secret@host")}, "WithURL"},
		"endpoint":        {"agents", []cloudrun.Option{cloudrun.WithEndpoint("host")}, "WithEndpoint"},
		"project":         {"agents", []cloudrun.Option{cloudrun.WithProject("a/b")}, "WithProject"},
		"region":          {"agents", []cloudrun.Option{cloudrun.WithRegion("")}, "WithRegion"},
		"store":           {"agents", []cloudrun.Option{cloudrun.WithStore(nil)}, "WithStore"},
		"bucket":          {"agents", []cloudrun.Option{cloudrun.WithBucket("No_Bucket")}, `WithBucket: "No_Bucket" is not the name of a bucket`},
		"prefix":          {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads", cloudrun.Prefix("/x"))}, "Prefix"},
		"empty prefix":    {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads", cloudrun.Prefix(""))}, "Prefix: empty"},
		"threshold":       {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads", cloudrun.Threshold(0))}, "Threshold"},
		"bucket's URL":    {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads", cloudrun.BucketEndpoint("https://me:secret@host"))}, "BucketEndpoint"},
		"bucket's path":   {name, []cloudrun.Option{cloudrun.WithBucket("payloads", cloudrun.BucketEndpoint("https://host/path"))}, "WithBucket: not an endpoint"},
		"nil of a bucket": {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads", nil)}, "WithBucket: option 0 is nil"},
		"queue":           {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads"), cloudrun.WithQueue("a/b")}, "WithQueue"},
		"no bucket":       {"agents", []cloudrun.Option{cloudrun.WithQueue("lambdapool")}, "WithQueue needs WithBucket"},
		"two stores":      {"agents", []cloudrun.Option{cloudrun.WithBucket("payloads"), cloudrun.WithStore(inproc.New().Store())}, "exclude each other"},
		"transport":       {"agents", []cloudrun.Option{cloudrun.WithHTTPTransport(nil)}, "WithHTTPTransport"},
		"nil":             {"agents", []cloudrun.Option{nil}, "option 0 is nil"},
	} {
		opts := tt.opts
		if tt.want != "WithEndpoint" {
			opts = append([]cloudrun.Option{}, append(opts, cloudrun.WithEndpoint(c.URL()))...)
		}
		_, err := cloudrun.New(soon(t), tt.name, opts...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %q", what, err, tt.want)
		}
	}
	_, err := cloudrun.New(soon(t), "others", append(where, cloudrun.WithEndpoint(c.URL()))...)
	if !errors.Is(err, lambdapool.ErrFunctionNotFound) {
		t.Errorf("%v; want that it is not found", err)
	}
	_, err = cloudrun.New(soon(t), "agents", append(where, cloudrun.WithEndpoint("http://127.0.0.1:1"))...)
	if !errors.Is(err, lambdapool.ErrUnreachable) && !errors.Is(err, lambdapool.ErrAccessDenied) {
		t.Errorf("%v; want that nobody answers", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cloudrun.New(ctx, "agents", where...); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want the context's", err)
	}
}
