package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// withCloudRun is a shell of somebody who may deploy, and who may give rights, on an embedded Cloud Run.
func withCloudRun(t *testing.T) (*shell, *runlocal.Server) {
	t.Helper()
	server, err := runlocal.New(runlocal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	key, err := server.KeyFile(developer)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"roles/run.admin", "roles/iam.serviceAccountUser", "roles/artifactregistry.admin", "roles/logging.viewer"} {
		server.Grant(role, developer, "")
	}
	s := newShell(t, "http://127.0.0.1:1", "AKIAEXAMPLE", "secret") // of AWS, which nobody asks
	for name, value := range map[string]string{
		"GOOGLE_CLOUD_PROJECT": server.Project(), "CLOUDSDK_RUN_REGION": server.Region(), rundeploy.RegistryVariable: server.Registry(), rundeploy.CallAsVariable: "",
		"AWS_ENDPOINT_URL": "", onVariable: onCloudRun,
	} {
		t.Setenv(name, value)
	}
	for _, api := range []string{"RUN", "IAMCREDENTIALS", "LOGGING", "ARTIFACTREGISTRY"} {
		t.Setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_"+api, server.URL())
	}
	signIn(t, key)
	return s, server
}

func signIn(t *testing.T, file []byte) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", name)
}

// The session of docs/cli.md, on the other cloud.
func TestFromCodeToCallAndBackOnCloudRun(t *testing.T) {
	s, server := withCloudRun(t)
	s.want(0, "would create service demo", "create", "demo", algorithms, "--dry-run")
	if out := s.want(0, `"plan"`, "create", "demo", algorithms, "--dry-run", "--json"); strings.Contains(out, `"service"`) {
		t.Errorf("a dry run printed a service: %s", out)
	}
	s.want(1, "the smoke call failed", "create", "demo", algorithms, "--memory", "1024", "--env", "LOG=debug")
	s.want(0, "roles/run.invoker", "policy", "client", "demo", "--apply", "--member", "serviceAccount:"+developer)
	s.want(0, "may look up demo", "policy", "client", "demo", "--apply", "--member", "serviceAccount:"+developer)
	s.want(0, "not given  roles/storage.objectUser", "policy", "client", "demo", "--apply", "--member", "serviceAccount:"+developer, "--bucket", "payloads")
	s.want(2, "user: only on Lambda; on Cloud Run --member", "policy", "client", "demo", "--user", "ci")
	s.want(0, `"matchesPrefix"`, "policy", "lifecycle") // Google's words, not those of S3
	s.want(1, "exists already (lambdapool update demo", "create", "demo", algorithms)
	if out := s.want(0, "832040", "invoke", "demo", "fibonacci", "30"); out != "832040\n" {
		t.Errorf("invoke printed %q", out)
	}
	s.want(1, "factorial(-1): negative", "invoke", "demo", "factorial", "--", "-1")
	s.want(1, "did you mean fibonacci?", "invoke", "demo", "fibonaci", "1")
	s.want(2, "is a JSON string, not an int", "invoke", "demo", "fibonacci", `"x"`)
	s.want(0, "memory 1024 → 2048 MB", "update", "demo", algorithms, "--memory", "2048", "--dry-run")
	s.want(0, "  memory 1024 → 2048 MB", "update", "demo", algorithms, "--memory", "2048")
	s.want(0, "demo is up to date", "update", "demo", algorithms, "--memory", "2048", "--dry-run")
	s.want(0, "demo is up to date", "update", "demo", algorithms, "--memory", "2048")
	s.want(0, "tag live → revision demo-", "update", "demo", "--tag", "live")
	s.want(0, "tags         live → demo-", "show", "demo")
	s.want(0, "55", "invoke", "demo", "fibonacci", "10", "--qualifier", "live")
	s.want(1, "no traffic tag other", "invoke", "demo", "fibonacci", "10", "--qualifier", "other")
	s.want(0, "POST 200", "logs", "demo")
	s.want(1, "logs nosuch: ", "logs", "nosuch")
	s.want(0, "ITEMS IN A REQUEST", "cost", "demo", "fibonacci", "30", "--samples", "1", "--chunk", "50")
	s.want(0, "in steps of 100ms", "cost", "demo", "fibonacci", "30", "--samples", "1")
	s.want(2, "only on Lambda, where the vCPU", "cost", "demo", "fibonacci", "30", "--memories", "512")
	s.want(0, "all functions have the same signature here and there; fields of structs are compared by each call", "doctor", "demo", algorithms)
	s.want(0, "deployed code is the local code", "doctor", "demo", algorithms)
	s.want(1, "does not exist in europe-west1", "doctor", "other")
	s.want(0, "gcloud artifacts repositories add-iam-policy-binding lambdapool", "policy", "deployer", "demo", "--member", "user:ann@example.com")
	s.want(0, "2048 MB", "list")
	for _, args := range [][]string{
		{"list"},
		{"show", "demo"},
		{"doctor", "demo"},
		{"cost", "demo", "fibonacci", "3", "--samples", "1"},
		{"invoke", "demo", "fibonacci", "3"},
		{"update", "demo", "--instances", "50"},
		{"policy", "client", "demo"},
		{"policy", "deployer", "demo"},
	} {
		if out := s.want(0, "", append(args, "--json")...); !json.Valid([]byte(out)) {
			t.Errorf("%v: no JSON: %s", args, out)
		}
	}

	// A person cannot call, which doctor knows; an account that it may use can.
	const runner = "runner@local-project.iam.gserviceaccount.com"
	server.ServiceAccount(runner)
	signIn(t, server.PersonFile("ann@example.com"))
	server.Grant("roles/run.viewer", "ann@example.com", "")
	server.Grant("roles/iam.serviceAccountTokenCreator", "ann@example.com", runner)
	server.Grant("roles/run.invoker", runner, "")
	ask := func(code int, text string, args ...string) string { // x/oauth2 knows the token endpoint of persons by itself
		t.Helper()
		return s.want(code, text, append(args, "--endpoint-url", server.URL())...)
	}
	ask(1, "gcloud auth application-default login --impersonate-service-account=EMAIL", "doctor", "demo")
	ask(1, "a person cannot mint", "invoke", "demo", "fibonacci", "10")
	ask(0, "55", "invoke", "demo", "fibonacci", "10", "--call-as", runner)
	ask(0, "roles/iam.serviceAccountTokenCreator", "policy", "client", "demo", "--call-as", runner, "--member", "user:ann@example.com")

	server.Grant("roles/run.developer", "ann@example.com", "")
	ask(2, "nobody answers", "delete", "demo")
	ask(2, "a log belongs to the project", "delete", "demo", "--logs", "--yes")
	s.stdin = "y\n"
	ask(0, "deleted service demo", "delete", "demo")
	ask(1, "not found", "delete", "demo", "--yes")
	if out := ask(0, "[]", "list", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("an empty list is %q", out)
	}
}

// The project file says which cloud; a flag wins over it, and it over the environment.
func TestProjectFileOfCloudRun(t *testing.T) {
	s, server := withCloudRun(t)
	t.Setenv(onVariable, "")
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "CLOUDSDK_RUN_REGION"} {
		t.Setenv(name, "")
	}
	file := filepath.Join(t.TempDir(), "p.yaml")
	agent, err := filepath.Abs("../../examples/algorithms")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	where := "on: cloudrun\nproject: " + server.Project() + "\nregion: " + server.Region() + "\n"
	write(where + "repository: agents\nfunctions:\n  one: {package: " + agent + ", memory: 1024, cpu: 2, instances: 10, labels: {team: x}}\n")
	s.want(0, "created one, 1024 MB, 2 vCPU", "create", "-f", file, "--no-smoke")
	out := s.want(0, "", "show", "one", "-f", file, "--json")
	for _, want := range []string{`"memory_mb": 1024`, `"vcpus": 2`, `"instances": 10`, `"team": "x"`, "/local-project/agents/one@sha256:"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	s.want(0, "one is up to date", "update", "-f", file)
	write(where + "functions: {one: {layers: [a]}}\n")
	s.want(2, "layers of one: only on Lambda", "create", "-f", file)
	write("on: lambada\n")
	s.want(2, "did you mean lambda?", "list", "-f", file)
	write("on: cloudrun\n")
	s.want(2, "set --region or CLOUDSDK_RUN_REGION", "list", "-f", file)
	s.want(2, "must be like europe-west1", "list", "-f", file, "--region", "Mars")
}

// Detached runs are started, listed, read and deleted as on Lambda: through Cloud Tasks and a bucket of Cloud Storage.
func TestRunsOnCloudRun(t *testing.T) {
	cloud, err := googlelocal.New(googlelocal.Options{Dir: filepath.Join(t.TempDir(), "objects"), Bucket: "payloads", Account: developer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, role := range []string{
		"roles/run.admin", "roles/run.invoker", "roles/artifactregistry.admin", "roles/storage.objectUser", "roles/cloudtasks.enqueuer",
		"roles/iam.serviceAccountUser", "roles/iam.serviceAccountTokenCreator", "roles/logging.viewer",
	} {
		cloud.Grant(role, developer, "")
	}
	s := newShell(t, "", "", "")
	for name, value := range cloud.Environment() {
		t.Setenv(name, value)
	}
	signIn(t, cloud.Key())
	for name, value := range map[string]string{rundeploy.RegistryVariable: cloud.Registry(), rundeploy.CallAsVariable: "", onVariable: onCloudRun, bucketVariable: "gs://payloads/team", queueVariable: ""} {
		t.Setenv(name, value)
	}
	s.want(0, "created demo", "create", "demo", algorithms)
	s.want(2, "which queue?", "invoke", "demo", "fibonacci", "30", "--detached")
	t.Setenv(queueVariable, cloud.Queue())
	s.want(2, "is a JSON string, not an int", "invoke", "demo", "fibonacci", `"x"`, "--detached")
	id := strings.TrimSpace(s.want(0, "", "invoke", "demo", "fibonacci", "30", "--detached", "--run-name", "nightly"))
	if id != "nightly" {
		t.Errorf("run %q", id)
	}
	s.want(0, "832040", "runs", "results", id, "--wait")
	s.want(0, "nightly", "runs")
	s.want(0, "fibonacci", "runs", "show", id)
	s.want(0, "nightly", "runs", "delete", id, "--yes")

	s.want(0, "created talker", "create", "talker", talker, "--no-smoke", "--quiet")
	s.want(0, "", "invoke", "talker", "talk", `"one"`, "--detached", "--run-name", "spoken")
	s.want(0, `"one"`, "runs", "results", "spoken", "--wait")
	awaitLogs(t, 1, "logs", "talker", "--run", "spoken")
	if got := spoken(t, s.want(0, "", "logs", "talker", "--run", "spoken", "--item", "0")); !slices.Equal(got, []string{"spoken 0 INFO was told one"}) {
		t.Errorf("the log has %q", got)
	}
	if got := s.want(0, "", "logs", "talker", "--run", "spoken", "--item", "1"); got != "" {
		t.Errorf("of an item that there is not: %s", got)
	}
	s.want(0, "spoken", "runs", "delete", "spoken", "--yes")
	if out := s.want(0, "", "runs", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("after it was deleted: %s", out)
	}
}

// Without an image: the code goes by way of a bucket, as a flag or the project file says, and stays there.
func TestSourceBucketOnCloudRun(t *testing.T) {
	cloud, err := googlelocal.New(googlelocal.Options{Dir: filepath.Join(t.TempDir(), "objects"), Bucket: "agents", Account: developer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, role := range []string{"roles/run.developer", "roles/run.invoker", "roles/storage.objectCreator", "roles/storage.objectViewer", "roles/iam.serviceAccountUser"} {
		cloud.Grant(role, developer, "")
	}
	s := newShell(t, "", "", "")
	for name, value := range cloud.Environment() {
		t.Setenv(name, value)
	}
	signIn(t, cloud.Key())
	t.Setenv(rundeploy.CallAsVariable, "")
	t.Setenv(onVariable, onCloudRun)
	s.want(2, "must be the name of a bucket", "create", "demo", algorithms, "--source-bucket", "A B")
	s.want(0, "would upload gs://agents/lambdapool/agents/", "create", "demo", algorithms, "--source-bucket", "agents", "--dry-run")
	s.want(0, "created demo", "create", "demo", algorithms, "--source-bucket", "agents")
	s.want(0, "832040", "invoke", "demo", "fibonacci", "30")
	s.want(0, "source       gs://agents/lambdapool/agents/", "show", "demo")
	s.want(0, "deployed code is the local code", "doctor", "demo", algorithms)
	s.want(1, "differs from local", "doctor", "demo", talker)
	s.want(0, "roles/storage.objectCreator on storage buckets gs://agents", "policy", "deployer", "demo", "--source-bucket", "agents")
	agent, err := filepath.Abs("../../examples/algorithms")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte("functions: {demo: {package: "+agent+", source-bucket: agents, instances: 7}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(0, "  instances 100 → 7", "update", "-f", file)
	s.want(0, "demo is up to date", "update", "-f", file)
	s.want(2, "name the package, too", "update", "demo", "--source-bucket", "none")
	s.want(2, "only on Cloud Run", "create", "demo", algorithms, "--source-bucket", "agents", "--on", "lambda")
	s.want(0, "deleted service demo", "delete", "demo", "--yes")
}
