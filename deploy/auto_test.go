package deploy_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
)

// openBuild makes a client of one build. What it calls is that build. It says how many shards there are: New does not
// wait until they are found, and the requests are counted.
func openBuild(ctx context.Context, t testing.TB, a *account, build *deploy.Artifact) (*awslambda.Backend, error) {
	t.Helper()
	return awslambda.New(ctx, "demo", awslambda.WithConfig(a.config(t)), awslambda.WithWorkers(1), awslambda.WithShards(1),
		awslambda.WithAutoDeploy(deploy.Auto(deploy.Spec{Artifact: build}, deploy.WithPoll(time.Millisecond))))
}

func TestAutoDeploysABuildOnce(t *testing.T) {
	a := newAccount(t)
	first, err := openBuild(t.Context(), t, a, artifact(t))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	a.requests = nil
	again, err := openBuild(t.Context(), t, a, artifact(t))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	// The alias says that the build is there.
	if len(a.requests) != 1 || !strings.HasPrefix(a.requests[0], "GET /2015-03-31/functions/demo/aliases/build-") {
		t.Errorf("the second client of a build asked for %v", a.requests)
	}

	// Another build takes over the function, and the first still gets its own.
	if _, err := a.bystander(t).Update(t.Context(), deploy.Spec{Name: "demo", Artifact: script(t, "other")}, deploy.UpdateOptions{NoSmoke: true, Publish: true}); err != nil {
		t.Fatal(err)
	}
	r, err := deploy.Ask(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if r.Version != "1" || len(r.Functions) != 2 {
		t.Errorf("the first client reaches %+v", r)
	}
}

func TestAutoDoesNotPublishABuildThatDoesNotAnswer(t *testing.T) {
	a := newAccount(t)
	if _, err := openBuild(t.Context(), t, a, script(t, "broken")); !errors.Is(err, deploy.ErrSmoke) {
		t.Fatal(err)
	}
	shown, err := a.bystander(t).Show(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{}, shown.Aliases); diff != "" {
		t.Error(diff)
	}
}

func TestManyClientsOfABuildDeployItTogether(t *testing.T) {
	a := newAccount(t)
	const clients = 3
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			b, err := openBuild(t.Context(), t, a, artifact(t))
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			if r, err := deploy.Ask(t.Context(), b); err != nil || r.Version != "1" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
}

func TestAutoOfAnExecutableThatIsNoAgent(t *testing.T) {
	a := newAccount(t)
	_, err := openBuild(t.Context(), t, a, nil)
	if !errors.Is(err, deploy.ErrNotAgent) || len(a.requests) != 0 {
		t.Errorf("%v after %v", err, a.requests)
	}
	_, err = awslambda.New(t.Context(), "demo:live", awslambda.WithConfig(a.config(t)), awslambda.WithAutoDeploy(deploy.Auto(deploy.Spec{})))
	if err == nil || !strings.Contains(err.Error(), `"live" was asked for`) {
		t.Error(err)
	}
	if _, err = awslambda.New(t.Context(), "demo", awslambda.WithConfig(a.config(t)), awslambda.WithAutoDeploy(nil)); err == nil {
		t.Error("a nil deployer was taken")
	}
}
