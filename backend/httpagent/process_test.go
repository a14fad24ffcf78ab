package httpagent_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/httpagent"
)

// SIGTERM refuses what comes, with the mark, and lets what runs end.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	p := spawn(t)
	e := executor(t, open(t, p.url))
	running := lambdapool.Submit(soon(t), e, work, order{"say and wait", 700})
	eventually(t, "it runs", func() bool { return strings.Contains(p.said(), "it runs") })
	p.term()
	if pid, err := running.Result(soon(t)); err != nil || pid != p.cmd.Process.Pid {
		t.Errorf("what ran at SIGTERM: %d, %v", pid, err)
	}
	if state := p.ended(); state.ExitCode() != 0 {
		t.Errorf("the agent ends with %v: %s", state, p.said())
	}
}

// A crash is a lost connection: whether the function ran is not known.
func TestCrash(t *testing.T) {
	t.Parallel()
	p := spawn(t)
	e := executor(t, open(t, p.url))
	_, err := lambdapool.Call(soon(t), e, work, order{"exit", 3})
	var pool *lambdapool.PoolError
	if !errors.As(err, &pool) || !errors.Is(err, lambdapool.ErrUnknownOutcome) || pool.Outcome != lambdapool.OutcomeUnknown {
		t.Errorf("%v; want an unknown outcome", err)
	}
	if state := p.ended(); state.ExitCode() != 3 {
		t.Errorf("the agent ended with %v", state)
	}
}

// A function that ignores the end of its context would run on beside the next call. The agent ends
// instead, once nothing else runs; one that returns in time does no harm.
func TestAbandonedWorkEndsTheAgent(t *testing.T) {
	t.Parallel()
	p := spawn(t, "LAMBDAPOOL_TIMEOUT=1s")
	e := executor(t, open(t, p.url, httpagent.WithTimeout(time.Second)))
	if _, err := lambdapool.Call(soon(t), e, work, order{"wait", 60_000}); !errors.Is(err, lambdapool.ErrTimeout) {
		t.Errorf("a function that heeds its context: %v, want a timeout", err)
	}
	if pid, err := lambdapool.Call(soon(t), e, work, order{}); err != nil || pid != p.cmd.Process.Pid {
		t.Errorf("the next call: %d, %v", pid, err)
	}
	if _, err := lambdapool.Call(soon(t), e, work, order{"ignore", 60_000}); !errors.Is(err, lambdapool.ErrTimeout) {
		t.Errorf("a function that ignores its context: %v, want a timeout", err)
	}
	p.ended()
	if !strings.Contains(p.said(), "ignored the end of its context") {
		t.Errorf("the log does not say why the agent ended: %s", p.said())
	}
}

// More requests at once than the agent takes are refused with the mark, and the executor sends them again.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	p := spawn(t, "LAMBDAPOOL_CONCURRENCY=2")
	e := executor(t, open(t, p.url), lambdapool.WithWorkers(8))
	orders := make([]order, 24)
	for i := range orders {
		orders[i] = order{"wait", 20}
	}
	if _, err := lambdapool.Map(soon(t), e, work, orders, lambdapool.ChunkSize(1)); err != nil {
		t.Error(err)
	}
	if e.Stats().Throttles == 0 {
		t.Error("eight workers met no refusal of an agent that takes two requests")
	}
}

func TestToken(t *testing.T) {
	p := spawn(t)
	t.Setenv("OTHER_TOKEN", strings.Repeat("x", 32))
	e := executor(t, open(t, p.url, httpagent.WithTokenFromEnv("OTHER_TOKEN")))
	if _, err := lambdapool.Call(soon(t), e, work, order{}); !errors.Is(err, lambdapool.ErrAccessDenied) {
		t.Errorf("another token: %v, want access denied", err)
	}
	for _, tt := range []struct {
		method, path, auth string
		status             int
	}{
		{"GET", "/lambdapool/v1/health", "", 200},
		{"GET", "/lambdapool/v1/invoke", "Bearer " + token, 405},
		{"GET", "/", "Bearer " + token, 404},
		{"POST", "/lambdapool/v1/invoke", "", 401},
		{"POST", "/lambdapool/v1/invoke", "Basic " + token, 401},
		{"POST", "/lambdapool/v1/invoke", "Bearer " + token + "x", 401},
		{"POST", "/lambdapool/v1/invoke", "Bearer " + token, 400}, // not a request
	} {
		r, err := http.NewRequestWithContext(soon(t), tt.method, p.url+tt.path, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", tt.auth)
		r.Close = true
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || resp.Header.Get("Lambdapool-Agent") != "1" {
			t.Errorf("%s %s with %q: %d %q, mark %q; want %d and the mark", tt.method, tt.path, tt.auth, resp.StatusCode, body, resp.Header.Get("Lambdapool-Agent"), tt.status)
		}
	}
}

// An agent whose environment is wrong says so, all at once, and does not serve.
func TestWrongEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  []string
		want []string
	}{
		"nothing":      {nil, []string{"PORT", "LAMBDAPOOL_TOKEN", "openssl rand"}},
		"short token":  {[]string{"PORT=1", "LAMBDAPOOL_TOKEN=secret"}, []string{"has 6 bytes"}},
		"both":         {[]string{"PORT=1", "LAMBDAPOOL_AUTH=platform", "LAMBDAPOOL_TOKEN=" + token}, []string{"unset one"}},
		"unknown auth": {[]string{"PORT=1", "LAMBDAPOOL_AUTH=none"}, []string{`"none"`}},
		"numbers": {
			[]string{"PORT=http", "LAMBDAPOOL_AUTH=platform", "LAMBDAPOOL_TIMEOUT=300", "LAMBDAPOOL_CPU=-1", "LAMBDAPOOL_MEMORY=NaN", "LAMBDAPOOL_CONCURRENCY=0"},
			[]string{"PORT", "LAMBDAPOOL_TIMEOUT", "LAMBDAPOOL_CPU", "LAMBDAPOOL_MEMORY", "LAMBDAPOOL_CONCURRENCY"},
		},
		"address": {[]string{"LAMBDAPOOL_ADDRESS=here", "LAMBDAPOOL_AUTH=platform"}, []string{"HOST:PORT"}},
	} {
		cmd := exec.CommandContext(soon(t), os.Args[0])
		cmd.Env = append(cmd.Environ(), "LAMBDAPOOL_AGENT=http", "LAMBDAPOOL_TOKEN=")
		cmd.Env = append(cmd.Env, tt.env...)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%s: it served", name)
		}
		for _, want := range tt.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %s; want %q", name, out, want)
			}
		}
		if strings.Contains(string(out), "secret") {
			t.Errorf("%s: the token is in the log: %s", name, out)
		}
	}
}

// PORT alone, as every container has it, makes no agent.
func TestPortAloneMakesNoAgent(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(soon(t), os.Args[0], "-test.run=^$")
	cmd.Env = append(cmd.Environ(), "PORT=1", "K_SERVICE=client")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "no tests to run") {
		t.Errorf("%v: %s; want the program itself", err, out)
	}
}
