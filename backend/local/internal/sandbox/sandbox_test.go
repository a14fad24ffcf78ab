//go:build linux || darwin

package sandbox

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// idle is a program that does nothing until it is killed: the test speaks for it.
const idle = "exec sleep 3600"

// program makes one of a shell script.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap")
	LockForks() // another test's process would have the file open for writing
	defer UnlockForks()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// pool makes one of at most one environment, whose limits are out of the way.
func pool(t *testing.T, binary string, change func(*Spec)) *Pool {
	t.Helper()
	spec := Spec{
		Binary: binary, Region: "eu-west-1", Name: "demo", Version: "7", Memory: 128,
		Most: 1, Timeout: time.Hour, InitTimeout: time.Hour, IdleTimeout: time.Hour,
		Address: "127.0.0.1:1", Build: func() string { return "" },
		Output: logs.NewOutput(io.Discard), Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&spec)
	}
	spawner, err := NewSpawner()
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(spec, spawner)
	t.Cleanup(func() {
		if !p.closed {
			p.Close()
		}
		spawner.Close()
	})
	return p
}

func acquire(t *testing.T, p *Pool) *Sandbox {
	t.Helper()
	s, err := p.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run has an invocation run, and returns where its result will be.
func run(t *testing.T, p *Pool, s *Sandbox, inv *Invocation) <-chan Result {
	t.Helper()
	result := make(chan Result, 1)
	go func() {
		res, begun, err := p.Run(s, inv)
		if !begun || err != nil {
			t.Errorf("begun %t: %v", begun, err)
		}
		result <- res
	}()
	return result
}

// A voice speaks for the agent of a sandbox, to the Runtime API.
type voice struct {
	mux *http.ServeMux
	id  string
}

func voiceOf(p *Pool, s *Sandbox) voice {
	v := voice{http.NewServeMux(), s.id}
	Route(v.mux, p.Find)
	return v
}

// say returns the answer, once there is one.
func (v voice) say(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/e/"+v.id+"/2018-06-01/runtime/"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	v.mux.ServeHTTP(w, r)
	return w
}

// next asks for more, without waiting for it.
func (v voice) next() <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- v.say("GET", "invocation/next", "") }()
	return answer
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: no %q in %q", what, part, text)
		}
	}
}

// An environment is used again for as long as its agent asks for more.
func TestLifeOfAnEnvironment(t *testing.T) {
	t.Parallel()
	p := pool(t, program(t, idle), nil)
	s := acquire(t, p)
	v := voiceOf(p, s)
	next := v.next()
	var before *Sandbox
	for _, c := range []struct {
		id, how, body string
		header        []string
		want          Result
	}{
		{"1", "response", "out", nil, Result{Payload: []byte("out")}},
		{"2", "error", `{"errorType":"Mine"}`, nil, Result{Payload: []byte(`{"errorType":"Mine"}`), ErrType: "Mine"}},
		{"3", "error", `{"errorType":"Mine"}`, []string{"Lambda-Runtime-Function-Error-Type", "Header"}, Result{Payload: []byte(`{"errorType":"Mine"}`), ErrType: "Header"}},
		{"4", "error", "text", nil, Result{Payload: []byte("text"), ErrType: "Runtime.Unknown"}},
		{"5", "response", "", nil, Result{}},
	} {
		if before != nil && s != before {
			t.Error("another environment")
		}
		result := run(t, p, s, &Invocation{ID: c.id, ARN: "arn", Version: "7", TraceID: "trace", ClientContext: "{}", Payload: []byte("in")})
		event := <-next
		if event.Code != 200 || event.Body.String() != "in" || event.Header().Get("Lambda-Runtime-Aws-Request-Id") != c.id ||
			event.Header().Get("Lambda-Runtime-Invoked-Function-Arn") != "arn" || event.Header().Get("Lambda-Runtime-Trace-Id") != "trace" ||
			event.Header().Get("Lambda-Runtime-Client-Context") != "{}" || event.Header().Get("Lambda-Runtime-Deadline-Ms") == "" {
			t.Errorf("the event: %d %s %v", event.Code, event.Body, event.Header())
		}
		if said := v.say("POST", "invocation/"+c.id+"/"+c.how, c.body, c.header...); said.Code != 202 {
			t.Errorf("%d %s", said.Code, said.Body)
		}
		next = v.next()
		res := <-result
		if string(res.Payload) != string(c.want.Payload) || res.ErrType != c.want.ErrType || res.Refused != nil {
			t.Errorf("%s: %s %q, want %s %q", c.id, res.ErrType, res.Payload, c.want.ErrType, c.want.Payload)
		}
		contains(t, "log", string(res.Log), "START RequestId: "+c.id+" Version: 7\n", "END RequestId: "+c.id+"\n", "REPORT RequestId: "+c.id+"\t", "Memory Size: 128 MB")
		if strings.Contains(string(res.Log), "Init Duration") != (before == nil) {
			t.Errorf("%s: init in the wrong log: %s", c.id, res.Log)
		}
		<-p.Freed()
		before, s = s, acquire(t, p)
	}
	p.Close()
	<-next // the agent is gone, and so is its request
}

// What a runtime does out of turn is refused, and changes nothing.
func TestRuntimeOutOfTurn(t *testing.T) {
	t.Parallel()
	p := pool(t, program(t, idle), nil)
	s := acquire(t, p)
	v := voiceOf(p, s)
	next := v.next()
	result := run(t, p, s, &Invocation{ID: "1", Payload: []byte("in")})
	<-next
	if again := <-v.next(); again.Code != 200 || again.Body.String() != "in" {
		t.Errorf("asked twice: %d %s", again.Code, again.Body)
	}
	refused := func(status int, errType, method, path string) {
		t.Helper()
		if said := v.say(method, path, "{}"); said.Code != status || !strings.Contains(said.Body.String(), `"errorType":"`+errType+`"`) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, said.Code, said.Body, status, errType)
		}
	}
	refused(400, "InvalidRequestID", "POST", "invocation/2/response")
	refused(400, "InvalidRequestID", "POST", "invocation/2/error")
	refused(403, "InvalidStateTransition", "POST", "init/error")
	refused(404, "NotFound", "PUT", "invocation/next")
	refused(404, "NotFound", "GET", "restore/next")
	if said := v.say("POST", "invocation/1/response", "out"); said.Code != 202 {
		t.Errorf("%d %s", said.Code, said.Body)
	}
	refused(403, "InvalidStateTransition", "POST", "invocation/1/response")
	refused(403, "InvalidStateTransition", "POST", "invocation/1/error")
	next = v.next()
	if res := <-result; string(res.Payload) != "out" || res.ErrType != "" {
		t.Errorf("%s %q", res.ErrType, res.Payload)
	}
	v.id = "other"
	refused(403, "Forbidden", "GET", "invocation/next")
	p.Close()
	<-next
}

// How an agent fails is told in Lambda's words.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script  string
		change  func(*Spec)
		speak   func(voice)
		errType string
		payload string
		log     []string
	}{
		"it exits": {
			script: "echo cannot go on; exit 3", errType: "Runtime.ExitError", payload: "Runtime exited with error: exit status 3",
			log: []string{"cannot go on\n", "INIT_REPORT Init Duration: ", "\tStatus: error\tError Type: Runtime.ExitError"},
		},
		"it ends well": {script: "exit 0", errType: "Runtime.ExitError", payload: "Runtime exited without providing a reason"},
		"it says that it cannot start": {
			script: idle, speak: func(v voice) { v.say("POST", "init/error", `{"errorType":"Init.No","errorMessage":"no database"}`) },
			errType: "Init.No", payload: "no database", log: []string{"Status: error\tError Type: Init.No"},
		},
		"it never asks": {
			script: idle, change: func(s *Spec) { s.InitTimeout, s.Timeout = time.Millisecond, 2*time.Millisecond },
			errType: "Sandbox.Timedout", payload: "Task timed out after 0.00 seconds", log: []string{"Phase: init\tStatus: timeout", "Phase: invoke\tStatus: timeout", "Status: timeout"},
		},
		"it never answers": {
			script: idle, change: func(s *Spec) { s.Timeout = time.Millisecond }, speak: func(v voice) { v.next() },
			errType: "Sandbox.Timedout", payload: "Task timed out after 0.00 seconds",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pool(t, program(t, c.script), c.change)
			s := acquire(t, p)
			if c.speak != nil {
				c.speak(voiceOf(p, s))
			}
			res := <-run(t, p, s, &Invocation{ID: "1"})
			if res.ErrType != c.errType || res.Refused != nil {
				t.Errorf("%s, want %s", res.ErrType, c.errType)
			}
			contains(t, "payload", string(res.Payload), c.payload)
			contains(t, "log", string(res.Log), c.log...)
			if n := strings.Count(string(res.Log), "START RequestId: 1 "); n != 1 {
				t.Errorf("%d times START in %s", n, res.Log)
			}
			acquire(t, p) // the slot of what has ended is free
		})
	}
}

// An agent whose fate is to die does so, at the latest when it answers.
func TestFatalFates(t *testing.T) {
	t.Parallel()
	for kind, status := range map[faults.Kind]string{faults.Crash: "exit status 2", faults.OutOfMemory: "signal: killed"} {
		p := pool(t, program(t, idle), nil)
		s := acquire(t, p)
		v := voiceOf(p, s)
		next := v.next()
		fate := faults.New(&faults.Plan{Calls: []faults.Share{{Kind: kind, Fraction: 1}}}).Call()
		result := run(t, p, s, &Invocation{ID: "1", Fate: fate})
		<-next
		v.say("POST", "invocation/1/response", "out")
		res := <-result
		if res.ErrType != "Runtime.ExitError" {
			t.Errorf("%s %s", res.ErrType, res.Payload)
		}
		contains(t, "payload", string(res.Payload), status)
	}
}

func TestLimitsOfAPool(t *testing.T) {
	t.Parallel()
	p := pool(t, program(t, idle), nil)
	s := acquire(t, p)
	if p.Find(s.id) != s || p.Find("other") != nil {
		t.Error("not found by its id")
	}
	if _, err := p.Acquire(); !errors.Is(err, ErrBusy) {
		t.Errorf("a second environment: %v", err)
	}
	v := voiceOf(p, s)
	next := v.next()
	result := run(t, p, s, &Invocation{ID: "1"})
	<-next
	p.Close()
	if res := <-result; res.Refused != CutOff {
		t.Errorf("what ran then: %+v", res)
	}
	if _, err := p.Acquire(); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if p.Find(s.id) != nil {
		t.Error("it is still there")
	}
}

// What has not begun when the pool is closed is refused as such.
func TestCloseBeforeTheFirstRequest(t *testing.T) {
	t.Parallel()
	p := pool(t, program(t, idle), nil)
	result := run(t, p, acquire(t, p), &Invocation{ID: "1"})
	p.Close()
	if res := <-result; res.Refused != ShutDown {
		t.Errorf("%+v", res)
	}
}

// A program that cannot run is told from a machine that can run no more, and takes no slot.
func TestProgramsThatCannotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none"), dir, filepath.Join(dir, "none", "below")} {
		p := pool(t, path, nil)
		for range 3 {
			if _, err := p.Acquire(); !Unusable(err) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if Unusable(errors.New("other")) || Unusable(nil) {
		t.Error("any error is the program's")
	}
}

func TestIdleEnvironmentsEnd(t *testing.T) {
	t.Parallel()
	p := pool(t, program(t, idle), func(s *Spec) { s.IdleTimeout = time.Millisecond })
	s := acquire(t, p)
	v := voiceOf(p, s)
	next := v.next()
	result := run(t, p, s, &Invocation{ID: "1"})
	<-next
	v.say("POST", "invocation/1/response", "out")
	next = v.next()
	<-result
	<-next
	<-s.exited
	if p.Find(s.id) != nil {
		t.Error("it is still there")
	}
}

func TestReaper(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "code")
	if err := os.MkdirAll(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := StartReaper(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("too early: %v", err)
	}
	r.Dismiss()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
