package rundeploy_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestBadValuesAreToldBeforeAnythingIsSent(t *testing.T) {
	for want, s := range map[string]rundeploy.Spec{
		"no service name":           {},
		`service name "Demo"`:       {Name: "Demo"},
		`service name "a_b"`:        {Name: "a_b"},
		"49 at most":                {Name: "a" + strings.Repeat("b", 49)},
		"memory 64 MB":              {Name: "demo", Settings: rundeploy.Settings{Memory: 64}},
		"3 vCPUs":                   {Name: "demo", Settings: rundeploy.Settings{CPU: 3}},
		"0.05 vCPUs":                {Name: "demo", Settings: rundeploy.Settings{CPU: 0.05}},
		"timeout 1h0m0s":            {Name: "demo", Settings: rundeploy.Settings{Timeout: time.Hour}},
		"whole seconds":             {Name: "demo", Settings: rundeploy.Settings{Timeout: 1500 * time.Millisecond}},
		"concurrency 1001":          {Name: "demo", Settings: rundeploy.Settings{Concurrency: 1001}},
		"-1 instances":              {Name: "demo", Settings: rundeploy.Settings{Instances: -1}},
		"e-mail address":            {Name: "demo", Settings: rundeploy.Settings{ServiceAccount: "admin"}},
		"variable PORT: reserved":   {Name: "demo", Settings: rundeploy.Settings{Env: map[string]string{"PORT": "1"}}},
		"LAMBDAPOOL_TOKEN":          {Name: "demo", Settings: rundeploy.Settings{Env: map[string]string{"LAMBDAPOOL_TOKEN": "x"}}},
		`variable "1X"`:             {Name: "demo", Settings: rundeploy.Settings{Env: map[string]string{"1X": "1"}}},
		"both set and unset":        {Name: "demo", Settings: rundeploy.Settings{Env: map[string]string{"A": "1"}, UnsetEnv: []string{"A"}}},
		"label Team":                {Name: "demo", Settings: rundeploy.Settings{Labels: map[string]string{"Team": "x"}}},
		"label lambdapool":          {Name: "demo", Settings: rundeploy.Settings{Labels: map[string]string{"lambdapool": "x"}}},
		"it has no image":           {Name: "demo", Artifact: &rundeploy.Artifact{}},
		"its value contains a NUL ": {Name: "demo", Settings: rundeploy.Settings{Env: map[string]string{"A": "\x00"}}},
	} {
		if err := s.Check(); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	c := newCloud(t, runlocal.Options{})
	for want, change := range map[string]func(*rundeploy.Project){
		"CLOUDSDK_RUN_REGION": func(p *rundeploy.Project) { p.Region = "" },
		"like europe-west1":   func(p *rundeploy.Project) { p.Region = "Europe" },
		"id of a project":     func(p *rundeploy.Project) { p.ID = "My Project" },
		"repository":          func(p *rundeploy.Project) { p.Repository = "No/Repository" },
		"call as":             func(p *rundeploy.Project) { p.CallAs = "ann" },
		"no URL":              func(p *rundeploy.Project) { p.Endpoint = "nonsense" },
		"HOST:PORT":           func(p *rundeploy.Project) { p.Registry = "http://registry" },
	} {
		p := c.project()
		change(&p)
		if client, err := rundeploy.Open(t.Context(), p); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v, %v", want, err, client)
		}
	}
	for _, opt := range []rundeploy.Option{nil, rundeploy.WithPoll(0), rundeploy.WithProgress(nil)} {
		if _, err := rundeploy.Open(t.Context(), c.project(), opt); !errors.Is(err, shared.ErrInvalid) {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rundeploy.Open(ended, c.project()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What lambdapool does not know of a service survives an update; somebody else's change is not overwritten.
func TestUpdateLeavesTheRest(t *testing.T) {
	c := newCloud(t, runlocal.Options{}, append(deploying, "roles/run.invoker")...)
	c.Repository(rundeploy.Repository)
	client, ctx := c.client(), t.Context()
	if _, err := client.Create(ctx, rundeploy.Spec{Name: "demo", Artifact: artifact(t)}, rundeploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	c.Grant("roles/artifactregistry.reader", "owner@local-project.iam.gserviceaccount.com", "")
	s := c.get("demo")
	template := s["template"].(map[string]any)
	template["executionEnvironment"] = "EXECUTION_ENVIRONMENT_GEN2"
	name := s["name"].(string)
	if err := c.Update(ctx, name, "template", map[string]any{"template": template}); err != nil {
		t.Fatal(err)
	}
	updated, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Timeout: time.Minute, CPU: 2, Concurrency: 4, Instances: 7, Labels: map[string]string{"a": "b"}}}, rundeploy.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vCPUs 1 → 2", "concurrency 1 → 4", "timeout 5m0s → 1m0s", "instances 100 → 7", "label a=b"}, updated.Plan); diff != "" {
		t.Error(diff)
	}
	after := c.get("demo")["template"].(map[string]any)
	if after["executionEnvironment"] != "EXECUTION_ENVIRONMENT_GEN2" || after["timeout"] != "70s" {
		t.Errorf("%v", after)
	}
	if e := updated.Service.Env; e["LAMBDAPOOL_CPU"] != "2" || e["LAMBDAPOOL_CONCURRENCY"] != "4" || e["LAMBDAPOOL_TIMEOUT"] != "60s" || e["LAMBDAPOOL_MEMORY"] != "512" {
		t.Errorf("the agent is told %v", e)
	}
	for want, s := range map[string]rundeploy.Settings{
		"allows 2048 to 16384 MB":  {CPU: 4},
		"an instance takes one":    {CPU: 0.5},
		"allows 128 to 8192 MB":    {Memory: 16_384},
		"allows 4096 to 32768 MB":  {CPU: 8},
		"Google allows 64, and la": {Labels: many(63)},
	} {
		if _, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Settings: s}, rundeploy.UpdateOptions{}); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	// A dry run changes nothing, and Cloud Run checks it: its quota is 200 vCPUs.
	if _, err := client.Update(ctx, rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Instances: 500}}, rundeploy.UpdateOptions{DryRun: true}); err == nil || !strings.Contains(err.Error(), "Max instances must be set to 100 or fewer") {
		t.Error(err)
	}
	raced := c.client(rundeploy.WithProgress(func(e shared.Event) {
		if e.Step == "update" {
			_ = c.Update(ctx, name, "labels", map[string]any{"labels": map[string]string{"lambdapool": "x"}})
		}
	}))
	if _, err := raced.Update(ctx, rundeploy.Spec{Name: "demo", Settings: rundeploy.Settings{Instances: 8}}, rundeploy.UpdateOptions{}); !errors.Is(err, shared.ErrChanged) {
		t.Error(err)
	}
	if s := c.get("demo")["template"].(map[string]any)["scaling"].(map[string]any)["maxInstanceCount"]; s != 7.0 {
		t.Errorf("%v instances", s)
	}
}

func many(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m["l"+strings.Repeat("x", i)] = ""
	}
	return m
}

// The doctor finds what keeps calls from succeeding, and says what helps.
func TestDoctor(t *testing.T) {
	c := newCloud(t, runlocal.Options{}, append(deploying, "roles/run.admin")...)
	ctx := t.Context()
	look := func(client *rundeploy.Client, name string) map[string]shared.Finding {
		t.Helper()
		findings, err := client.Doctor(ctx, name, rundeploy.DoctorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]shared.Finding{}
		for _, f := range findings {
			if f.Level != shared.OK && f.Remedy == "" {
				t.Errorf("no remedy: %+v", f)
			}
			all[f.Check] = f
		}
		return all
	}
	client := c.client()
	if f := look(client, "demo"); f["repository"].Level != shared.Note || f["service"].Level != shared.Problem || !strings.Contains(f["service"].Text, "does not exist in europe-west1") {
		t.Errorf("%+v", f)
	}
	c.Repository(rundeploy.Repository)
	if _, err := client.Create(ctx, rundeploy.Spec{Name: "demo", Artifact: artifact(t)}, rundeploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	if f := look(client, "demo"); f["agent"].Level != shared.Problem || !strings.Contains(f["agent"].Remedy, "lambdapool policy client demo") {
		t.Errorf("%+v", f["agent"])
	}
	if err := client.GrantInvoker(ctx, "demo", "serviceAccount:"+deployer); err != nil {
		t.Fatal(err)
	}
	for range 2 { // granting twice changes nothing
		f := look(client, "demo")
		if f["agent"].Level != shared.OK || f["callers"].Level != shared.OK || f["ID tokens"].Level != shared.OK || f["billing"].Level != shared.OK || f["version"].Level != shared.OK {
			t.Errorf("%+v", f)
		}
		if err := client.GrantInvoker(ctx, "demo", "serviceAccount:"+deployer); err != nil {
			t.Fatal(err)
		}
	}
	c.raw(http.MethodPost, "demo:setIamPolicy", map[string]any{"policy": map[string]any{"bindings": []any{map[string]any{"role": "roles/run.invoker", "members": []string{"allUsers"}}}}})
	if f := look(client, "demo"); f["callers"].Level != shared.Problem || !strings.Contains(f["callers"].Remedy, "remove-iam-policy-binding") {
		t.Errorf("%+v", f["callers"])
	}

	c.signIn(c.PersonFile("ann@example.com"))
	c.Grant("roles/run.viewer", "ann@example.com", "")
	f := look(c.client(), "demo")
	if f["ID tokens"].Level != shared.Problem || !strings.Contains(f["ID tokens"].Text, "a person cannot mint") || !strings.Contains(f["ID tokens"].Remedy, "gcloud auth application-default login --impersonate-service-account") {
		t.Errorf("%+v", f["ID tokens"])
	}
	if f["quota project"].Level != shared.Warning || !strings.Contains(f["quota project"].Remedy, "set-quota-project local-project") {
		t.Errorf("%+v", f["quota project"])
	}
	t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "local-project")
	if f := look(c.client(), "demo"); f["quota project"].Check != "" {
		t.Errorf("%+v", f["quota project"])
	}
	c.Revoke("roles/run.viewer", "ann@example.com", "")
	if f := look(c.client(), ""); f["API"].Level != shared.Problem {
		t.Errorf("%+v", f)
	}
}

// Following a log, nothing is told twice, and the end of ctx is no error.
func TestLogsAreFollowed(t *testing.T) {
	c := newCloud(t, runlocal.Options{}, append(deploying, "roles/run.invoker")...)
	c.Repository(rundeploy.Repository)
	client := c.client()
	if _, err := client.Create(t.Context(), rundeploy.Spec{Name: "demo", Artifact: artifact(t)}, rundeploy.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	seen := 0
	for line, err := range client.Logs(ctx, "demo", shared.LogQuery{Follow: true, Filter: `severity="INFO"`}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			stop()
			continue
		}
		if _, err := client.Call(t.Context(), "demo", shared.Call{Function: "fibonacci", Args: []string{"1"}}); err != nil {
			t.Fatal(err, line)
		}
	}
	stop()
	if seen < 3 || seen > 5 {
		t.Errorf("%d entries of five requests", seen)
	}
	for _, err := range client.Logs(t.Context(), "demo", shared.LogQuery{Filter: "nonsense"}) {
		if !errors.Is(err, shared.ErrInvalid) {
			t.Error(err)
		}
	}
	c.Revoke("roles/logging.viewer", deployer, "")
	for _, err := range client.Logs(t.Context(), "demo", shared.LogQuery{}) {
		if err == nil || !strings.Contains(err.Error(), "roles/logging.viewer") {
			t.Error(err)
		}
	}
}

func TestRightsHaveCommands(t *testing.T) {
	in := rundeploy.RightsInput{Project: "my-project", Region: "europe-west1", Service: "demo", CallAs: "runner@my-project.iam.gserviceaccount.com", Bucket: "payloads"}
	client, err := rundeploy.ClientRights(in)
	if err != nil || len(client) != 4 || client[0].Command != "gcloud iam service-accounts add-iam-policy-binding runner@my-project.iam.gserviceaccount.com --project=my-project --member=MEMBER --role=roles/iam.serviceAccountTokenCreator" ||
		client[1].Command != "gcloud run services add-iam-policy-binding demo --region=europe-west1 --project=my-project --member=serviceAccount:runner@my-project.iam.gserviceaccount.com --role=roles/run.invoker" ||
		client[3].Command != "gcloud storage buckets add-iam-policy-binding gs://payloads --member=MEMBER --role=roles/storage.objectUser" {
		t.Errorf("%+v, %v", client, err)
	}
	deployer, err := rundeploy.DeployerRights(in)
	if err != nil || deployer[0].Command != "gcloud projects add-iam-policy-binding my-project --member=MEMBER --role=roles/run.developer" {
		t.Errorf("%+v, %v", deployer, err)
	}
	for _, bad := range []rundeploy.RightsInput{
		{}, {Project: "p", Region: "r", Service: "A"}, {Project: "p", Region: "r", Service: "a", Member: "ann"}, {Project: "p", Region: "r", Service: "a", Member: "user:*"},
		{Project: "p", Region: "r", Service: "a", CallAs: "x"}, {Project: "p", Region: "r", Service: "a", Bucket: "A B"}, {Project: "p", Region: "r", Service: "a", Repository: "R"},
	} {
		if _, err := rundeploy.ClientRights(bad); !errors.Is(err, shared.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestEstimates(t *testing.T) {
	s := rundeploy.Service{CPU: 1, Memory: 1024, Timeout: 10}
	all := rundeploy.Estimates([]time.Duration{30 * time.Millisecond, 20 * time.Millisecond, time.Second}, 100, s)
	var chunks []int
	for _, e := range all {
		chunks = append(chunks, e.Chunk)
	}
	if diff := cmp.Diff([]int{1, 10, 100}, chunks); diff != "" || all[0].Run != 30*time.Millisecond || all[0].Billed != 100*time.Millisecond || all[1].Billed != 300*time.Millisecond || !all[2].Cheapest {
		t.Errorf("%s%+v", diff, all)
	}
	if rundeploy.Estimates(nil, 5, s) != nil {
		t.Error("estimates of nothing")
	}
}
