package local_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local"
)

// tail is the log tail of a reply.
func tail(t *testing.T, r reply) string {
	t.Helper()
	log, err := base64.StdEncoding.DecodeString(r.header.Get("X-Amz-Log-Result"))
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	number := func(s string) float64 { return must(strconv.ParseFloat(s, 64)) }
	report := regexp.MustCompile(`(?m)^REPORT RequestId: (\S+)\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\tMax Memory Used: (\d+) MB\t(?:Init Duration: (\d+\.\d\d) ms\t)?$`)
	for _, warm := range []bool{false, true} {
		r := do(t, b, job{Do: "print", Text: "hello", N: 10})
		log := tail(t, r)
		id := r.header.Get("X-Amz-Request-Id")
		want := "START RequestId: " + id + " Version: $LATEST\nhello\nxxxxxxxxxx\nno end of line\nEND RequestId: " + id + "\nREPORT"
		if !warm {
			want = "the handler is being made\n" + want
		}
		if !strings.HasPrefix(log, want) {
			t.Errorf("warm %v: log\n%s", warm, log)
		}
		m := report.FindStringSubmatch(log)
		if m == nil {
			t.Fatalf("warm %v: no REPORT line in\n%s", warm, log)
		}
		if m[1] != id || m[4] != "1769" || number(m[5]) < 1 || number(m[5]) > 500 {
			t.Errorf("warm %v: %q", warm, m[0])
		}
		if (m[6] == "") != warm {
			t.Errorf("warm %v: Init Duration %q", warm, m[6])
		}
		total := number(m[2])
		if !warm {
			total += number(m[6])
		}
		if rest := number(m[3]) - total; rest < -0.02 || rest > 1.02 {
			t.Errorf("warm %v: billed %s ms for %.2f", warm, m[3], total)
		}
	}
	log := tail(t, do(t, b, job{Do: "print", Text: "begin", N: 100_000}))
	if len(log) != 4096 || strings.Contains(log, "begin") || !strings.Contains(log, "xxx\nno end of line\nEND RequestId: ") {
		t.Errorf("a long log: %d bytes\n%s", len(log), log)
	}
}

func TestLogOutput(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithLogOutput(&out))
	do(t, b, job{Do: "print", Text: "hello", N: 200_000})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	want := "the handler is being made\nhello\n" + strings.Repeat("x", 200_000) + "\nno end of line\n"
	if got := strings.ReplaceAll(out.String(), "x\nx", "xx"); got != want { // a very long line is cut
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestTimeoutKillsTheProcessGroup(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithTimeout(700*time.Millisecond))
	r := do(t, b, job{Do: "spawn and wait"})
	errType, message := r.said(t)
	id := r.header.Get("X-Amz-Request-Id")
	if want := "RequestId: " + id + " Error: Task timed out after 0.70 seconds"; errType != "Sandbox.Timedout" || message != want {
		t.Errorf("%s: %q, want %q", errType, message, want)
	}
	log := tail(t, r)
	if !strings.Contains(log, "Z "+id+" Task timed out after 0.70 seconds\n") || !strings.Contains(log, "\tStatus: timeout\t") {
		t.Errorf("log\n%s", log)
	}
	_, rest, _ := strings.Cut(log, "\nchild ")
	var child int
	if _, err := fmt.Sscan(rest, &child); err != nil {
		t.Fatalf("%v in log\n%s", err, log)
	}
	eventually(t, "the agent's child is gone", func() bool { return !alive(child) })
	if r := send(t, b, request{body: []byte("1")}); r.status != 200 || r.body != "1" {
		t.Errorf("afterwards: %d %s", r.status, r.body)
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	for _, c := range []struct {
		job  job
		want string
	}{
		{job{Do: "exit", N: 3}, "Runtime exited with error: exit status 3"},
		{job{Do: "exit"}, "Runtime exited without providing a reason"},
	} {
		r := do(t, b, c.job)
		id := r.header.Get("X-Amz-Request-Id")
		if errType, message := r.said(t); errType != "Runtime.ExitError" || message != "RequestId: "+id+" Error: "+c.want {
			t.Errorf("%s: %q", errType, message)
		}
		if log := tail(t, r); !strings.Contains(log, c.want) || !strings.Contains(log, "\tStatus: error\tError Type: Runtime.ExitError\t") {
			t.Errorf("log\n%s", log)
		}
	}
}

func TestFunctionErrorAndPanic(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	first := result[state](t, do(t, b, job{Do: "state"})).PID
	if errType, message := do(t, b, job{Do: "error", Text: "no such user"}).said(t); errType != "errorString" || message != "no such user" {
		t.Errorf("error: %s: %s", errType, message)
	}
	if pid := result[state](t, do(t, b, job{Do: "state"})).PID; pid != first {
		t.Errorf("process %d after an error, %d before", pid, first)
	}
	r := do(t, b, job{Do: "panic", Text: "at the disco"})
	if errType, message := r.said(t); errType != "string" || message != "at the disco" || !strings.Contains(r.body, "stackTrace") {
		t.Errorf("panic: %s", r.body)
	}
	if pid := result[state](t, do(t, b, job{Do: "state"})).PID; pid == first {
		t.Error("the process survived a panic: aws-lambda-go ends it")
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithMemory(200))
	for _, mb := range []int{400, 4000} {
		r := do(t, b, job{Do: "hoard", N: mb})
		id := r.header.Get("X-Amz-Request-Id")
		if errType, message := r.said(t); errType != "Runtime.ExitError" || message != "RequestId: "+id+" Error: Runtime exited with error: signal: killed" {
			t.Errorf("%d MB: %s: %s", mb, errType, message)
		}
		if log := tail(t, r); !strings.Contains(log, "\tMemory Size: 200 MB\tMax Memory Used: 200 MB\t") {
			t.Errorf("%d MB: log\n%s", mb, log)
		}
	}
	if got := result[string](t, do(t, b, job{Do: "hoard", N: 20})); got != "survived" {
		t.Errorf("20 MB: %s", got)
	}
}

func TestInitFailures(t *testing.T) {
	t.Parallel()
	const hint = " (the agent is this same program: agent.Main() must be the first line of its main, or of TestMain in a test)"
	for kind, c := range map[string]struct{ errType, message, log string }{
		"exit":       {"Runtime.ExitError", "Runtime exited with error: exit status 3" + hint, "cannot go on\n"},
		"exit0":      {"Runtime.ExitError", "Runtime exited without providing a reason" + hint, "Phase: init\tStatus: error\tError Type: Runtime.ExitError"},
		"hang":       {"Sandbox.Timedout", "Task timed out after 0.50 seconds" + hint, "Phase: invoke\tStatus: timeout\n"},
		"init error": {"Init.NoDatabase", "no database", "Error Type: Init.NoDatabase"},
		"hoard":      {"Runtime.ExitError", "Runtime exited with error: signal: killed", "Phase: init\tStatus: error"},
	} {
		b := open(t, as(kind), local.WithConcurrency(1), local.WithInitTimeout(initTimeout(kind)), local.WithTimeout(500*time.Millisecond), local.WithMemory(128))
		r := send(t, b, request{body: []byte("1"), header: map[string]string{"X-Amz-Log-Type": "Tail"}})
		if errType, message := r.said(t); errType != c.errType || strings.TrimPrefix(message, "RequestId: "+r.header.Get("X-Amz-Request-Id")+" Error: ") != c.message {
			t.Errorf("%s: %s: %q", kind, errType, message)
		}
		if log := tail(t, r); !strings.Contains(log, c.log) {
			t.Errorf("%s: log\n%s", kind, log)
		}
	}
}

// initTimeout is short for the one agent that is to exceed it.
func initTimeout(kind string) time.Duration {
	if kind == "hang" {
		return 200 * time.Millisecond
	}
	return time.Minute
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "planted")
	t.Setenv("SOME_TOKEN", "planted")
	b := open(t, local.WithConcurrency(1), local.WithMemory(256),
		local.WithEnv(map[string]string{agentKind: "handler", "MODE": "test"}), local.WithEnv(map[string]string{"LANG": "C"}))
	got := map[string]string{}
	for _, kv := range result[[]string](t, do(t, b, job{Do: "env"})) {
		name, value, _ := strings.Cut(kv, "=")
		got[name] = value
	}
	address := strings.TrimPrefix(b.Endpoint(), "http://")
	if api := got["AWS_LAMBDA_RUNTIME_API"]; !regexp.MustCompile("^" + regexp.QuoteMeta(address) + "/e/[0-9a-f]{32}$").MatchString(api) {
		t.Errorf("AWS_LAMBDA_RUNTIME_API=%s", api)
	}
	if stream := got["AWS_LAMBDA_LOG_STREAM_NAME"]; !regexp.MustCompile(`^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$`).MatchString(stream) {
		t.Errorf("AWS_LAMBDA_LOG_STREAM_NAME=%s", stream)
	}
	delete(got, "AWS_LAMBDA_RUNTIME_API")
	delete(got, "AWS_LAMBDA_LOG_STREAM_NAME")
	delete(got, "_X_AMZN_TRACE_ID") // aws-lambda-go sets it for each invocation
	for name, form := range map[string]string{
		"AWS_ACCESS_KEY_ID": "^ASIA[A-Z0-9]{16}$", "AWS_SECRET_ACCESS_KEY": "^[0-9a-f]{40}$", "AWS_SESSION_TOKEN": "^[0-9a-f]{64}$",
	} {
		if !regexp.MustCompile(form).MatchString(got[name]) {
			t.Errorf("%s=%s", name, got[name])
		}
		delete(got, name)
	}
	exe := must(os.Executable())
	want := map[string]string{
		"AWS_ENDPOINT_URL":   b.Endpoint(),
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_NAME": "lambdapool",
		"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/lambdapool", "AWS_REGION": "us-east-1",
		"HOME": os.TempDir(), "LAMBDAPOOL_BUILD": b.Build(), "LAMBDAPOOL_LOCAL_AGENT": "1",
		"LAMBDA_RUNTIME_DIR": filepath.Dir(exe), "LAMBDA_TASK_ROOT": filepath.Dir(exe),
		"LANG": "C", "MODE": "test", "PATH": "/usr/local/bin:/usr/bin:/bin", agentKind: "handler",
		"TMPDIR": os.TempDir(), "TZ": ":UTC", "_HANDLER": "bootstrap",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s := result[state](t, do(t, b, job{Do: "state"}))
	if len(s.Args) != 1 || filepath.Base(s.Args[0]) != filepath.Base(exe) || s.Dir != filepath.Dir(exe) {
		t.Errorf("started as %q in %s", s.Args, s.Dir)
	}
}

func TestAnyRuntime(t *testing.T) {
	t.Parallel()
	b := open(t, as("bare"), local.WithConcurrency(1))
	for range 2 {
		got := result[[]string](t, send(t, b, request{body: []byte("1")}))
		want := []string{
			`GET invocation/next: 200 1`, // the same again
			`POST invocation/no-such-id/response: 400 {"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`,
			`POST invocation/no-such-id/error: 400 {"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`,
			`POST init/error: 403 {"errorType":"InvalidStateTransition","errorMessage":"State transition from Ready to RuntimeInitError failed for runtime. Error: State transition is not allowed"}`,
			`PUT invocation/next: 404 {"errorType":"NotFound","errorMessage":"no such operation of the Runtime API"}`,
			`GET restore/next: 404 {"errorType":"NotFound","errorMessage":"no such operation of the Runtime API"}`,
			"Content-Length", "Content-Type", "Date",
			"Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Deadline-Ms", "Lambda-Runtime-Invoked-Function-Arn", "Lambda-Runtime-Trace-Id",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	r := send(t, b, request{method: "GET", path: "/e/0123456789abcdef0123456789abcdef/2018-06-01/runtime/invocation/next", unsigned: true})
	if r.status != 403 {
		t.Errorf("a made-up environment: status %d", r.status)
	}
}

func TestReplyThatBreaksOff(t *testing.T) {
	t.Parallel()
	b := open(t, as("reader"), local.WithConcurrency(1))
	if errType, message := send(t, b, request{body: []byte("1")}).said(t); errType != "errorString" || message != "the disk is gone" {
		t.Errorf("%s: %s", errType, message)
	}
}

func TestWarmAndIdle(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(3), local.WithIdleTimeout(300*time.Millisecond))
	first := result[state](t, do(t, b, job{Do: "state"}))
	for i := 2; i < 5; i++ {
		again := result[state](t, do(t, b, job{Do: "state"}))
		if again.PID != first.PID || again.Served != i {
			t.Errorf("invocation %d: process %d has served %d; the first was %d", i, again.PID, again.Served, first.PID)
		}
	}
	eventually(t, "the idle agent is reaped", func() bool { return !alive(first.PID) })
	if next := result[state](t, do(t, b, job{Do: "state"})); next.PID == first.PID || next.Served != 1 {
		t.Errorf("after the reaping: %+v", next)
	}
}

func TestMostRecentlyUsedIsReusedFirst(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(2))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { do(t, b, job{Do: "sleep", N: 300}) })
	}
	wg.Wait()
	last := result[state](t, do(t, b, job{Do: "state"})).PID
	for range 5 {
		if pid := result[state](t, do(t, b, job{Do: "state"})).PID; pid != last {
			t.Errorf("process %d after %d", pid, last)
		}
	}
}

func TestIdleAgentThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	for range 20 {
		pid := result[state](t, do(t, b, job{Do: "state"})).PID
		if err := kill(pid); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is gone", func() bool { return !exists(pid) })
		var next reply
		eventually(t, "another one serves", func() bool { // until it is known that it is gone, an invocation is lost with it
			next = do(t, b, job{Do: "state"})
			return !strings.Contains(next.body, "Runtime.ExitError")
		})
		if got := result[state](t, next); got.PID == pid {
			t.Errorf("process %d again", pid)
		}
	}
}

func TestBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "bootstrap")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"arguments: $#, in $PWD\"\nexit 7\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := open(t, local.WithBinary(script), local.WithConcurrency(1))
	r := do(t, b, job{})
	if _, message := r.said(t); !strings.HasSuffix(message, "Error: Runtime exited with error: exit status 7") {
		t.Errorf("message %q", message)
	}
	if log := tail(t, r); !strings.Contains(log, "arguments: 0, in "+dir) {
		t.Errorf("log\n%s", log)
	}
	if err := os.WriteFile(script, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	if errType, message := do(t, b, job{}).said(t); errType != "Runtime.InvalidEntrypoint" || !strings.Contains(message, "exec format error") {
		t.Errorf("%s: %s", errType, message)
	}
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
	if errType, _ := do(t, b, job{}).said(t); errType != "Runtime.InvalidEntrypoint" {
		t.Errorf("%s", errType)
	}
}

func TestDescriptorsAreFreed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("counted on Linux only")
		return
	}
	count := func() int { return len(must(os.ReadDir("/proc/self/fd"))) }
	t.Setenv("TMPDIR", t.TempDir())
	before := count()
	b := open(t, as("handler"), local.WithConcurrency(2))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { do(t, b, job{Do: "sleep", N: 100}) })
	}
	wg.Wait()
	do(t, b, job{Do: "exit", N: 1})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("no more than %d descriptors", before), func() bool { return count() <= before })
	if entries := must(os.ReadDir(os.TempDir())); len(entries) > 0 {
		t.Errorf("files were left behind: %v", entries)
	}
}
