package local_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/local"
)

var withTail = map[string]string{"X-Amz-Log-Type": "Tail"}

// An init that takes too long is repeated within the function's timeout, in the
// same slot, and its caller hears nothing of the first.
func TestInitThatIsLateIsRepeated(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	dir := t.TempDir()
	told := writer(func(line []byte) { // between the first agent and the second
		log.Write(line)
		if err := os.WriteFile(dir+"/second", nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	b := open(t, local.WithConcurrency(1), local.WithInitTimeout(10*time.Millisecond), local.WithLogger(slog.New(slog.NewTextHandler(told, nil))),
		local.WithEnv(map[string]string{agentKind: "late once", "TEST_DIR": dir}))
	r := send(t, b, request{body: []byte("1"), header: withTail})
	if r.status != 200 || r.body != "1" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	lines := tail(t, r)
	for _, want := range []string{
		"INIT_REPORT Init Duration: ", " ms\tPhase: init\tStatus: timeout\tError Type: Runtime.ExitError\nSTART RequestId: ",
		"Version: $LATEST\nsecond init\nEND RequestId: ",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in log\n%s", want, lines)
		}
	}
	if strings.Contains(lines, "\tInit Duration") {
		t.Errorf("the second init is a part of the invocation, and not reported beside it\n%s", lines)
	}
	if again := result[state](t, do(t, b, job{Do: "state"})); again.Served != 2 {
		t.Errorf("%+v: a warm agent has served once before", again)
	}
	if !strings.Contains(log.String(), "started again within the function's timeout (the agent is this same program") {
		t.Errorf("logged: %s", &log)
	}
}

// A writer gets what is written.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// A runtime that reports that it cannot start need not end for its caller to hear of it.
func TestInitErrorIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	b := open(t, as("init error that stays"), local.WithConcurrency(1), local.WithInitTimeout(15*time.Minute))
	r := send(t, b, request{body: []byte("1"), header: withTail})
	if errType, message := r.said(t); errType != "Init.NoDatabase" || message != "no database" {
		t.Errorf("%s: %s", errType, message)
	}
	if log := tail(t, r); !strings.Contains(log, "Phase: init\tStatus: error\tError Type: Init.NoDatabase\n") {
		t.Errorf("log\n%s", log)
	}
}

func TestAnswerAndExit(t *testing.T) {
	t.Parallel()
	b := open(t, as("answer and exit"), local.WithConcurrency(1))
	for how, want := range map[string][2]string{
		"response": {"Runtime.ExitError", "Error: Runtime exited with error: exit status 5"},
		"error":    {"Mine", "sorry"}, // as when aws-lambda-go has reported a panic
	} {
		r := send(t, b, request{body: []byte(`"` + how + `"`), header: withTail})
		if errType, message := r.said(t); errType != want[0] || !strings.HasSuffix(message, want[1]) {
			t.Errorf("%s: %s: %s", how, errType, message)
		}
		log := tail(t, r)
		if !strings.Contains(log, "Error: Runtime exited with error: exit status 5\nRuntime.ExitError\nEND RequestId: ") ||
			!strings.Contains(log, "\tStatus: error\tError Type: "+want[0]+"\t") {
			t.Errorf("%s: log\n%s", how, log)
		}
	}
}
