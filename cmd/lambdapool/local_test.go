package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
)

// A localRun is a `lambdapool local` that runs.
type localRun struct {
	Environment map[string]string `json:"environment"`
	Unset       []string          `json:"unset"`
	Bucket      string            `json:"bucket"`

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
