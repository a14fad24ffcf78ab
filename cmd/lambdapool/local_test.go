package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
)

// A localRun is a `lambdapool local` that runs.
type localRun struct {
	Environment map[string]string `json:"environment"`
	Unset       []string          `json:"unset"`
	Bucket      string            `json:"bucket"`
	Queue       string            `json:"queue"`

	end func()
}

// startLocal runs it until the test, or end, ends it.
func startLocal(t *testing.T, args ...string) localRun {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: in, stderr: &stderr}
		if code := a.run(ctx, append([]string{"local", "--json", "--quiet"}, args...)); code != 0 {
			t.Errorf("exit code %d: %s", code, &stderr)
		}
		_ = in.Close()
	}()
	run := localRun{end: func() { cancel(); <-ended }}
	t.Cleanup(run.end)
	if err := json.NewDecoder(out).Decode(&run); err != nil {
		t.Fatal(err)
	}
	return run
}

// store opens the bucket as another program would.
func (r localRun) store(t *testing.T) lambdapool.Store {
	t.Helper()
	newShell(t, "", "", "")
	for name, value := range r.Environment {
		t.Setenv(name, value)
	}
	b, err := backend.Open(t.Context(), "lambda://demo?bucket="+r.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(lambdapool.Storer).Store()
}

func TestLocalKeepsItsBucket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	first := startLocal(t, "--data", dir, "--bucket", "mine")
	body := "of a detached run"
	if err := first.store(t).Create(t.Context(), "k", strings.NewReader(body), int64(len(body)), sha256.Sum256([]byte(body))); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := newShell(t, "", "", "").run("local", "--data", dir, "--", "true"); code != 1 || !strings.Contains(stderr, "another process has it open") {
		t.Errorf("a second one in the same directory: exit code %d, %s", code, stderr)
	}
	first.end()

	address := func(url string) string { return strings.TrimPrefix(url, "http://") }
	again := startLocal(t, "--data", dir, "--bucket", "mine",
		"--address", address(first.Environment["AWS_ENDPOINT_URL"]), "--s3-address", address(first.Environment["AWS_ENDPOINT_URL_S3"]))
	if diff := cmp.Diff(first.Environment, again.Environment); diff != "" {
		t.Errorf("after a restart\n%s", diff)
	}
	object, size, err := again.store(t).Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(object)
	if err != nil || string(data) != body || size != int64(len(body)) {
		t.Errorf("%q of %d bytes, %v", data, size, err)
	}
	if err := object.Close(); err != nil {
		t.Error(err)
	}
}

// Without --data nothing stays.
func TestLocalForgets(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	run := startLocal(t)
	if run.Bucket != "lambdapool" || len(run.Unset) != 2 {
		t.Errorf("%+v", run)
	}
	for _, name := range []string{
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION",
	} {
		if run.Environment[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
	if err := run.store(t).Put(t.Context(), "k", strings.NewReader("x"), 1, sha256.Sum256([]byte("x"))); err != nil {
		t.Error(err)
	}
	if _, _, err := run.store(t).Open(t.Context(), "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want %v", err, fs.ErrNotExist)
	}
	run.end()
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "lambdapool-data-*")); err != nil || len(left) > 0 {
		t.Errorf("%v remain, %v", left, err)
	}
}

func TestLocalArguments(t *testing.T) {
	s := newShell(t, "", "", "")
	s.want(2, "not on loopback", "local", "--s3-address", "10.1.2.3:80")
	s.want(2, "it is IP:PORT", "local", "--s3-address", "here")
	s.want(2, `bucket "No"`, "local", "--bucket", "No")
	s.want(2, "at most two delays", "local", "--event-retries", "1s,2s,3s")
	s.want(2, "at most two delays", "local", "--event-retries=-1s")
	s.want(2, "must be at least 1", "local", "--concurrency", "0")
	s.want(2, "at most 10000", "local", "--concurrency", "10001")
	s.want(2, "must be 0 to 15m0s", "local", "--update-time", "16m")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "credentials.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(1, "remove it, and new keys are made", "local", "--data", dir)
	s.want(1, "not a directory", "local", "--data", filepath.Join(dir, "credentials.json", "x"))
	s.want(0, "http://127.0.0.1:", "local", "--", "sh", "-c", `echo $AWS_ENDPOINT_URL_S3`)
	t.Setenv("AWS_PROFILE", "mine")
	s.want(0, "<none>", "local", "--", "sh", "-c", `echo "<${AWS_PROFILE-none}>"`)
}

// startProcess runs it as a process of its own, which dies without a word.
func startProcess(t *testing.T, args ...string) (run localRun, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"local", "--json", "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(kill)
	if err := json.NewDecoder(out).Decode(&run); err != nil {
		t.Fatal(err)
	}
	return run, kill
}

// A detached run goes on where it was when `lambdapool local` was killed, and neither its
// program nor its agents' links need to know.
func TestLocalDetachedRunSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	first, kill := startProcess(t, "--data", dir)
	s := newShell(t, "", "", "")
	for name, value := range first.Environment {
		t.Setenv(name, value)
	}
	s.want(0, "created", "create", "primes", "../../examples/detached", "--no-smoke", "--quiet")
	s.want(0, "none → 0", "update", "primes", "--reserved-concurrency", "0", "--no-smoke", "--quiet")
	registry := lambdapool.NewRegistry()
	count := lambdapool.RegisterIn(registry, "primes.count", func(context.Context, int) (int, error) { panic("here") })
	e, err := backend.NewExecutor(t.Context(), "lambda://primes?bucket="+first.Bucket, lambdapool.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lambdapool.MapDetached(t.Context(), e, count, []int{100_000_000}, lambdapool.RunName("far")); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if waiting, err := os.ReadDir(filepath.Join(dir, "lambda", "queue")); err != nil || len(waiting) != 1 {
		t.Errorf("%v wait, %v: want one event", waiting, err)
	}
	kill()

	again, kill := startProcess(t, "--data", dir)
	if diff := cmp.Diff(first.Environment, again.Environment); diff != "" {
		t.Errorf("after the kill\n%s", diff)
	}
	s.want(0, "0 → none", "update", "primes", "--reserved-concurrency", "none", "--no-smoke", "--quiet")
	s.want(0, `{"call":0,"value":551}`, "runs", "results", "far", "--wait")
	kill()
}

// What a policy is attached to, and code in the bucket, are there as in an account.
func TestLocalServesUsersAndCodeInTheBucket(t *testing.T) {
	run := startLocal(t)
	bootstrap := zipOf(t, "bootstrap", "#!/bin/sh\nexit 1\n")
	if err := run.store(t).Put(t.Context(), "code.zip", bytes.NewReader(bootstrap), int64(len(bootstrap)), sha256.Sum256(bootstrap)); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	users := iam.NewFromConfig(cfg)
	if _, err := users.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("ci")}); err != nil {
		t.Fatal(err)
	}
	role, err := users.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(`{"Statement":[{"Principal":{"Service":"lambda.amazonaws.com"}}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := lambda.NewFromConfig(cfg).CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("demo"), Role: role.Role.Arn, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code: &types.FunctionCode{S3Bucket: &run.Bucket, S3Key: aws.String("lambdapool/code.zip")},
	})
	if err != nil || out.CodeSize != int64(len(bootstrap)) {
		t.Errorf("%+v, %v", out, err)
	}
	(&shell{t: t}).want(0, "lambda:InvokeFunction", "policy", "client", "demo", "--apply", "--user", "ci", "--quiet")
	if names, err := users.ListUserPolicies(t.Context(), &iam.ListUserPoliciesInput{UserName: aws.String("ci")}); err != nil || len(names.PolicyNames) != 1 {
		t.Errorf("%+v, %v", names, err)
	}
}

// zipOf makes a zip of one program.
func zipOf(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: name}
	header.SetMode(0o755)
	f, err := w.CreateHeader(header)
	if err == nil {
		_, err = io.WriteString(f, content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A command that was interrupted has not succeeded: a script must not go on as if it had.
func TestLocalWithACommandThatIsInterrupted(t *testing.T) {
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _ = out.Read(make([]byte, 1)) // it has begun
		cancel()
		_, _ = io.Copy(io.Discard, out)
	}()
	var stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: in, stderr: &stderr}
	code := a.run(ctx, []string{"local", "--quiet", "--", "sh", "-c", "echo begun; exec sleep 60"})
	_ = in.Close()
	if want := "lambdapool: sh was interrupted: context canceled\n"; code != 1 || stderr.String() != want {
		t.Errorf("exit code %d, %q, want 1 and %q", code, stderr.String(), want)
	}
}
