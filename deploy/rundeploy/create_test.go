package rundeploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// From a built agent to a service that is called, changed and deleted, with the rights of a deployer: the image is
// pushed, and what runs is its layer.
func TestFromCodeToCallAndBack(t *testing.T) {
	c := newCloud(t, runlocal.Options{}, append(deploying, "roles/artifactregistry.admin", "roles/run.invoker")...)
	var steps []string
	client := c.client(rundeploy.WithProgress(func(e shared.Event) { steps = append(steps, e.Step) }))
	ctx := t.Context()
	spec := rundeploy.Spec{Name: "demo", Artifact: artifact(t), Settings: rundeploy.Settings{Env: map[string]string{"LOG": "debug"}, Labels: map[string]string{"team": "x"}}}

	planned, err := client.Create(ctx, spec, rundeploy.CreateOptions{DryRun: true})
	if err != nil || len(planned.Plan) != 5 || !strings.Contains(planned.Plan[1], artifact(t).Digest) {
		t.Fatalf("%+v, %v", planned, err)
	}
	if _, err := client.Service(ctx, "demo"); !errors.Is(err, shared.ErrNotFound) {
		t.Fatalf("after a dry run: %v", err)
	}
	created, err := client.Create(ctx, spec, rundeploy.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"repository", "push", "create", "smoke"}, steps); diff != "" {
		t.Error(diff)
	}
	if created.Registry == nil || !slices.ContainsFunc(created.Registry.Functions, func(f shared.RegisteredFn) bool { return f.Name == "fibonacci" && f.Shape == "func(int) int" }) {
		t.Errorf("the agent has %+v", created.Registry)
	}
	s := created.Service
	if s.Memory != 512 || s.CPU != 1 || s.Timeout != 300 || s.Concurrency != 1 || s.Instances != 100 || s.State != "Ready" || s.Lambdapool == "" || s.Labels["team"] != "x" ||
		s.Env["LOG"] != "debug" || s.Env["LAMBDAPOOL_TIMEOUT"] != "300s" || s.Env["LAMBDAPOOL_AUTH"] != "platform" || !strings.HasSuffix(s.Image, "@"+artifact(t).Digest) {
		t.Errorf("created %+v with %v", s, s.Env)
	}
	if data, err := json.Marshal(created); err != nil || strings.Contains(string(data), "debug") {
		t.Errorf("JSON shows the environment: %s, %v", data, err)
	}
	if _, err := client.Create(ctx, spec, rundeploy.CreateOptions{}); !errors.Is(err, shared.ErrExists) || !strings.Contains(err.Error(), "lambdapool update demo") {
		t.Errorf("created twice: %v", err)
	}

	r, err := client.Call(ctx, "demo", shared.Call{Function: "fibonacci", Args: []string{"30"}})
	if err != nil || string(r.Value) != "832040" || r.RequestID == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := client.Call(ctx, "demo", shared.Call{Function: "fibonaci", Args: []string{"30"}}); !errors.Is(err, lambdapool.ErrNotRegistered) || !strings.Contains(err.Error(), "did you mean fibonacci?") {
		t.Error(err)
	}
	if _, err := client.Call(ctx, "demo", shared.Call{Function: "factorial", Args: []string{"-1"}}); err == nil {
		t.Error("factorial(-1) is something")
	} else if ferr, ok := errors.AsType[*lambdapool.FunctionError](err); !ok {
		t.Errorf("%T %v", ferr, err)
	}

	steps = nil
	updated, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Artifact: artifact(t), Settings: rundeploy.Settings{Memory: 1024, Env: map[string]string{"LOG": "info"}, UnsetEnv: []string{"NONE"}}}, rundeploy.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"memory 512 → 1024 MB", "environment: change LOG"}, updated.Plan); diff != "" || updated.Registry == nil || updated.Service.Memory != 1024 || updated.Service.Env["LAMBDAPOOL_MEMORY"] != "1024" {
		t.Errorf("%s%+v", diff, updated)
	}
	if slices.Contains(steps, "push") {
		t.Error("an image that is there was pushed")
	}
	if updated, err = client.Update(ctx, rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Memory: 1024}}, rundeploy.UpdateOptions{}); err != nil || updated.Changed || updated.Registry != nil {
		t.Errorf("nothing to do: %+v, %v", updated, err)
	}
	shown, err := client.Show(ctx, "demo")
	if err != nil || shown.Registry == nil || shown.Problem != "" {
		t.Errorf("%+v, %v", shown, err)
	}

	var listed []string
	for s, err := range client.List(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, s.Name)
	}
	if diff := cmp.Diff([]string{"demo"}, listed); diff != "" {
		t.Error(diff)
	}
	lines := 0
	for line, err := range client.Logs(ctx, "demo", shared.LogQuery{Since: time.Hour, RequestID: r.RequestID}) {
		if err != nil {
			t.Fatal(err)
		}
		if lines++; !strings.Contains(line.Text, "POST 200") {
			t.Errorf("logged %+v", line)
		}
	}
	if lines != 1 {
		t.Errorf("%d lines of the request %s", lines, r.RequestID)
	}

	if deleted, err := client.Delete(ctx, "demo", true); err != nil || !slices.Equal(deleted, []string{"service demo"}) {
		t.Errorf("%q, %v", deleted, err)
	}
	if deleted, err := client.Delete(ctx, "demo", false); err != nil || !slices.Equal(deleted, []string{"service demo"}) {
		t.Errorf("%q, %v", deleted, err)
	}
	if _, err := client.Delete(ctx, "demo", false); !errors.Is(err, shared.ErrNotFound) {
		t.Error(err)
	}
}

// What another tool made is neither changed nor deleted nor listed; with its name nothing is created.
func TestServicesOfOthersAreLeftAlone(t *testing.T) {
	c := newCloud(t, runlocal.Options{Images: map[string]string{"theirs": "/bin/true"}}, deploying...)
	c.Repository(rundeploy.Repository)
	_, _ = c.Deploy(t.Context(), "theirs", runlocal.Agents("theirs", nil)) // it does not listen, which does not matter
	client := c.client()
	before, ctx := c.get("theirs"), t.Context()
	spec := rundeploy.Spec{Name: "theirs", Artifact: artifact(t)}
	if _, err := client.Update(ctx, spec, rundeploy.UpdateOptions{}); !errors.Is(err, shared.ErrForeign) {
		t.Errorf("update: %v", err)
	}
	if _, err := client.Delete(ctx, "theirs", false); !errors.Is(err, shared.ErrForeign) {
		t.Errorf("delete: %v", err)
	}
	if _, err := client.Create(ctx, spec, rundeploy.CreateOptions{}); !errors.Is(err, shared.ErrExists) || !strings.Contains(err.Error(), "another name") {
		t.Errorf("create: %v", err)
	}
	for s, err := range client.List(ctx) {
		t.Errorf("listed %s, %v", s.Name, err)
	}
	if diff := cmp.Diff(before, c.get("theirs")); diff != "" {
		t.Error(diff)
	}
}

// A service that does not start is taken back; so is one whose creation is interrupted.
func TestHalfMadeServicesAreTakenBack(t *testing.T) {
	c := newCloud(t, runlocal.Options{}, deploying...)
	c.Repository(rundeploy.Repository)
	ctx, interrupt := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	client := c.client(rundeploy.WithProgress(func(e shared.Event) {
		if e.Step == "create" && strings.Contains(e.Text, "second") {
			interrupt(stop)
		}
	}))
	broken, err := rundeploy.Pack(static(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(ctx, rundeploy.Spec{Name: "first", Artifact: broken}, rundeploy.CreateOptions{}); !errors.Is(err, shared.ErrNotReady) || !strings.Contains(err.Error(), "failed to start") {
		t.Errorf("an agent that does not listen: %v", err)
	}
	_, err = client.Create(ctx, rundeploy.Spec{Name: "second", Artifact: artifact(t)}, rundeploy.CreateOptions{})
	if !errors.Is(err, stop) || !strings.Contains(err.Error(), "has been removed again") {
		t.Errorf("interrupted: %v", err)
	}
	for _, name := range []string{"first", "second"} {
		if _, err := client.Service(t.Context(), name); !errors.Is(err, shared.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each right that is missing is named, with the command that gives it.
func TestMissingRightsAreNamed(t *testing.T) {
	c := newCloud(t, runlocal.Options{}, "roles/run.viewer")
	client, spec := c.client(), rundeploy.Spec{Name: "demo", Artifact: artifact(t), Settings: rundeploy.Settings{ServiceAccount: "agent@local-project.iam.gserviceaccount.com"}}
	create := func(want string) {
		t.Helper()
		if _, err := client.Create(t.Context(), spec, rundeploy.CreateOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	c.Grant("roles/artifactregistry.reader", deployer, "")
	create("gcloud artifacts repositories create lambdapool --repository-format=docker --location=europe-west1 --project=local-project")
	c.Repository(rundeploy.Repository)
	create("roles/artifactregistry.writer")
	c.Grant("roles/artifactregistry.writer", deployer, "")
	create("roles/run.developer")
	c.Grant("roles/run.developer", deployer, "")
	create("roles/iam.serviceAccountUser")
	c.Grant("roles/iam.serviceAccountUser", deployer, "")
	create("lambdapool policy client demo --apply --member serviceAccount:EMAIL")
	// Only the call failed: it is there.
	if _, err := client.Service(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
}

// A person deploys, and cannot call: the error says what helps, and --call-as does.
func TestAPersonCallsAsAServiceAccount(t *testing.T) {
	c := newCloud(t, runlocal.Options{})
	c.Repository(rundeploy.Repository)
	const person, account = "ann@example.com", "caller@local-project.iam.gserviceaccount.com"
	c.signIn(c.PersonFile(person))
	for _, role := range deploying {
		c.Grant(role, person, "")
	}
	spec := rundeploy.Spec{Name: "demo", Artifact: artifact(t)}
	created, err := c.client().Create(t.Context(), spec, rundeploy.CreateOptions{})
	if !errors.Is(err, shared.ErrSmoke) || created == nil || !strings.Contains(err.Error(), "a person cannot mint") || !strings.Contains(err.Error(), "--call-as") {
		t.Fatalf("%+v, %v", created, err)
	}
	c.ServiceAccount(account)
	c.Grant("roles/iam.serviceAccountTokenCreator", person, account)
	c.Grant("roles/run.invoker", account, "projects/local-project/locations/europe-west1/services/demo")
	p := c.project()
	p.CallAs = account
	if r, err := c.clientOf(p).Call(t.Context(), "demo", shared.Call{Function: "fibonacci", Args: []string{"10"}}); err != nil || string(r.Value) != "55" {
		t.Errorf("%+v, %v", r, err)
	}
}
