package rundeploy_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// another is the same agent as another build.
func another(t *testing.T) *rundeploy.Artifact {
	t.Helper()
	p, err := build.Agent(t.Context(), "", algorithms, build.Target{OS: "linux", Arch: "amd64", Tags: build.ForHTTP})
	if err != nil {
		t.Fatal(err)
	}
	a, err := rundeploy.Pack(append(p.Code, "another"...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// openBuild makes a client of one build. What it calls is that build.
func openBuild(t *testing.T, c *cloud, a *rundeploy.Artifact, opts ...cloudrun.Option) (*cloudrun.Backend, error) {
	t.Helper()
	opts = append(opts, cloudrun.WithProject(c.Project()), cloudrun.WithRegion(c.Region()), cloudrun.WithEndpoint(c.URL()), cloudrun.WithWorkers(1),
		cloudrun.WithAutoDeploy(rundeploy.Auto(rundeploy.Spec{Artifact: a}, rundeploy.WithPoll(time.Millisecond))))
	return cloudrun.New(t.Context(), "demo", opts...)
}

func answers(t *testing.T, b *cloudrun.Backend) {
	t.Helper()
	r, err := (&ask.Agent{Backend: b, Name: "demo", Poll: time.Millisecond}).Describe(t.Context())
	if err != nil || len(r.Functions) != 2 {
		t.Errorf("the agent says %+v, %v", r, err)
	}
}

func newAutoCloud(t *testing.T) *cloud {
	t.Helper()
	c := newCloud(t, runlocal.Options{}, append(deploying, "roles/run.invoker")...)
	c.Repository(rundeploy.Repository)
	t.Setenv(rundeploy.RegistryVariable, c.Registry())
	return c
}

// Each client reaches its own build, whatever was deployed since; a build is deployed once.
func TestAutoDeploysABuildOnce(t *testing.T) {
	c := newAutoCloud(t)
	first, err := openBuild(t, c, artifact(t))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	answers(t, first)
	before := c.get("demo")
	again, err := openBuild(t, c, artifact(t))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	answers(t, again)
	if after := c.get("demo"); after["etag"] != before["etag"] {
		t.Error("the second client of a build changed the service")
	}

	second, err := openBuild(t, c, another(t))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	answers(t, second)
	answers(t, first)
	client := c.client()
	s, err := client.Service(t.Context(), "demo")
	if err != nil || len(s.Tags) != 2 || !strings.HasSuffix(s.Image, another(t).Digest) {
		t.Errorf("%+v, %v", s, err)
	}
	var revisions []string
	for tag, revision := range s.Tags {
		if !strings.HasPrefix(tag, "b-") {
			t.Errorf("tag %s", tag)
		}
		revisions = append(revisions, revision)
	}
	slices.Sort(revisions)
	if len(slices.Compact(revisions)) != 2 || !slices.Contains(revisions, s.Revision) {
		t.Errorf("tags lead to %v, the newest is %s", s.Tags, s.Revision)
	}

	// A change of settings keeps the tags, and what is behind them.
	if _, err := client.Update(t.Context(), rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Memory: 1024}}, rundeploy.UpdateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	answers(t, first)
	answers(t, second)
	for tag := range s.Tags {
		b, err := cloudrun.New(t.Context(), "demo", cloudrun.WithProject(c.Project()), cloudrun.WithRegion(c.Region()), cloudrun.WithEndpoint(c.URL()), cloudrun.WithTag(tag))
		if err != nil {
			t.Fatal(err)
		}
		answers(t, b)
		_ = b.Close()
	}
}

func TestManyClientsOfABuildDeployItTogether(t *testing.T) {
	c := newAutoCloud(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			b, err := openBuild(t, c, artifact(t))
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			answers(t, b)
		})
	}
	all.Wait()
}

// A build that does not start leaves no tag, and the service as it was for others.
func TestAutoOfABuildThatDoesNotStart(t *testing.T) {
	c := newAutoCloud(t)
	good, err := openBuild(t, c, artifact(t))
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	broken, err := rundeploy.Pack(static(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openBuild(t, c, broken); !errors.Is(err, shared.ErrNotReady) {
		t.Errorf("%v", err)
	}
	answers(t, good)
	if s, err := c.client().Service(t.Context(), "demo"); err != nil || len(s.Tags) != 1 {
		t.Errorf("%+v, %v", s.Tags, err)
	}
	next, err := openBuild(t, c, another(t)) // and nothing is stuck
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	answers(t, next)
}

func TestAutoRefuses(t *testing.T) {
	c := newAutoCloud(t)
	if _, err := openBuild(t, c, nil); !errors.Is(err, shared.ErrNotAgent) { // this executable
		t.Error(err)
	}
	if _, err := openBuild(t, c, artifact(t), cloudrun.WithTag("live")); err == nil || !strings.Contains(err.Error(), "leave WithTag out") {
		t.Error(err)
	}
	auto := rundeploy.Auto(rundeploy.Spec{Artifact: artifact(t)}, rundeploy.WithPoll(time.Millisecond))
	if _, err := auto(t.Context(), cloudrun.Target{Project: c.Project(), Region: c.Region(), Endpoint: c.URL(), Service: "a" + strings.Repeat("b", 28)}); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), "it may have 28") {
		t.Error(err)
	}
}
