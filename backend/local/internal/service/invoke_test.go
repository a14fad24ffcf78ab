package service

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/codec"
)

// instant is a pool whose environments are always free, and end an invocation at once.
type instant func(*sandbox.Invocation) sandbox.Result

func (instant) Acquire() (*sandbox.Sandbox, error) { return &sandbox.Sandbox{}, nil }
func (i instant) Run(_ *sandbox.Sandbox, inv *sandbox.Invocation) (sandbox.Result, bool, error) {
	return i(inv), true, nil
}
func (instant) Freed() <-chan struct{}       { return nil }
func (instant) Find(string) *sandbox.Sandbox { return nil }
func (instant) Close()                       {}

// function makes one on a pool of the test's.
func function(t *testing.T, pool environments, change func(*Config)) *Function {
	t.Helper()
	cfg := Config{Terms: Terms{Age: time.Hour}, Spec: sandbox.Spec{Region: "eu-west-1", Name: "demo", Version: wire.Latest, Logger: slog.New(slog.DiscardHandler)}}
	if change != nil {
		change(&cfg)
	}
	f := &Function{cfg: cfg, pool: pool}
	f.events = newEvents(f)
	t.Cleanup(f.Close)
	return f
}

// A request is one to Invoke that has been admitted.
type request struct {
	name, query, body string
	header            map[string]string
}

func (q request) sent(t *testing.T, serve func(http.ResponseWriter, *http.Request, *wire.Claim, []byte) *wire.Refusal) (*httptest.ResponseRecorder, *wire.Refusal) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?"+q.query, nil)
	r.SetPathValue("name", q.name)
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	w.Header().Set("X-Amzn-RequestId", "id")
	return w, serve(w, r, &wire.Claim{Region: "eu-west-1"}, []byte(q.body))
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	ran := make(chan *sandbox.Invocation, 1)
	f := function(t, instant(func(inv *sandbox.Invocation) sandbox.Result {
		ran <- inv
		res := sandbox.Result{Payload: []byte("out"), Log: []byte("log")}
		if string(inv.Payload) == `"fail"` {
			res.ErrType = "Mine"
		}
		return res
	}), nil)
	api := &API{Resolve: f.Only}
	kind := func(kind string) map[string]string { return map[string]string{"X-Amz-Invocation-Type": kind} }
	client := base64.StdEncoding.EncodeToString([]byte("{ \"a\":\n1 }"))
	for name, c := range map[string]struct {
		request request
		status  int
		header  map[string]string // of the answer
		in      string            // what the function gets; empty: it does not run
		context string
	}{
		"no payload":       {request{name: "demo"}, 200, map[string]string{"X-Amz-Function-Error": "", "X-Amz-Executed-Version": "$LATEST", "X-Amz-Log-Result": ""}, "{}", ""},
		"a payload":        {request{name: "demo", body: "[1, 2]", header: kind("RequestResponse")}, 200, nil, "[1, 2]", ""},
		"by its ARN":       {request{name: f.ARN("")}, 200, nil, "{}", ""},
		"by its version":   {request{name: "demo", query: "Qualifier=%24LATEST"}, 200, nil, "{}", ""},
		"it fails":         {request{name: "demo", body: `"fail"`}, 200, map[string]string{"X-Amz-Function-Error": "Unhandled"}, `"fail"`, ""},
		"with its log":     {request{name: "demo", header: map[string]string{"X-Amz-Log-Type": "Tail"}}, 200, map[string]string{"X-Amz-Log-Result": "bG9n"}, "{}", ""},
		"with a context":   {request{name: "demo", header: map[string]string{"X-Amz-Client-Context": client}}, 200, nil, "{}", `{"a":1}`},
		"with a trace":     {request{name: "demo", header: map[string]string{"X-Amzn-Trace-Id": "Root=1"}}, 200, map[string]string{"X-Amzn-Trace-Id": "Root=1"}, "{}", ""},
		"as an event":      {request{name: "demo", body: "1", header: map[string]string{"X-Amz-Invocation-Type": "Event", "X-Amz-Client-Context": client}}, 202, nil, "1", ""},
		"a rehearsal only": {request{name: "demo", header: kind("DryRun")}, 204, map[string]string{"X-Amz-Executed-Version": "$LATEST"}, "", ""},
	} {
		w, refused := c.request.sent(t, api.invoke)
		if refused != nil || w.Code != c.status {
			t.Errorf("%s: %d, %+v", name, w.Code, refused)
		}
		for field, want := range c.header {
			if got := w.Header().Get(field); got != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}
		if c.status == 200 && w.Body.String() != "out" {
			t.Errorf("%s: %q", name, w.Body)
		}
		if c.in == "" {
			continue
		}
		if inv := <-ran; string(inv.Payload) != c.in || inv.ClientContext != c.context || inv.ID != "id" || inv.TraceID == "" || !strings.HasPrefix(inv.ARN, f.ARN("")) {
			t.Errorf("%s: the function got %+v with %q", name, inv, inv.Payload)
		}
	}
	if len(ran) > 0 {
		t.Error("it has run once more")
	}
}

// What is refused does not run, whatever it is.
func TestInvokeRefuses(t *testing.T) {
	t.Parallel()
	f := function(t, instant(func(inv *sandbox.Invocation) sandbox.Result {
		t.Errorf("it has run with %.20q", inv.Payload)
		return sandbox.Result{}
	}), nil)
	uses := 0
	api := &API{Resolve: func(id wire.FunctionID) (*Function, func(), *wire.Refusal) {
		fn, _, refused := f.Only(id)
		if refused == nil {
			uses++
		}
		return fn, func() { uses-- }, refused
	}}
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	for name, c := range map[string]struct {
		request request
		code    string
	}{
		"another function":     {request{name: "other"}, "ResourceNotFoundException"},
		"another version":      {request{name: "demo:7"}, "ResourceNotFoundException"},
		"another account":      {request{name: "123456789012:function:demo"}, "ResourceNotFoundException"},
		"no name":              {request{name: "a b"}, "ValidationException"},
		"another kind":         {request{name: "demo", header: header("X-Amz-Invocation-Type", "event")}, "ValidationException"},
		"another log":          {request{name: "demo", header: header("X-Amz-Log-Type", "All")}, "ValidationException"},
		"no JSON":              {request{name: "demo", body: "{"}, "InvalidRequestContentException"},
		"two values":           {request{name: "demo", body: "1 2"}, "InvalidRequestContentException"},
		"no UTF-8":             {request{name: "demo", body: "\"\xff\""}, "InvalidRequestContentException"},
		"an unescaped newline": {request{name: "demo", body: "\"a\nb\""}, "InvalidRequestContentException"},
		"a large event":        {request{name: "demo", body: `"` + strings.Repeat("x", codec.MaxEventRequest) + `"`, header: header("X-Amz-Invocation-Type", "Event")}, "RequestEntityTooLargeException"},
		"no base64":            {request{name: "demo", header: header("X-Amz-Client-Context", "{}")}, "InvalidRequestContentException"},
		"no object":            {request{name: "demo", header: header("X-Amz-Client-Context", "WzFd")}, "InvalidRequestContentException"},
		"a large context":      {request{name: "demo", header: header("X-Amz-Client-Context", strings.Repeat("A", maxClientContext+1))}, "InvalidRequestContentException"},
	} {
		w, refused := c.request.sent(t, api.invoke)
		if refused == nil || refused.Code != c.code {
			t.Errorf("%s: %d %+v, want %s", name, w.Code, refused, c.code)
		}
		if uses != 0 {
			t.Errorf("%s: the function is in use %d times", name, uses)
		}
	}
	if _, refused := (request{name: "demo", header: header("X-Amz-Invocation-Type", "Event")}).sent(t, api.invokeStream); refused == nil || refused.Code != "ValidationException" {
		t.Errorf("an event whose answer is a stream: %+v", refused)
	}
}

// Faults on request come before the run or after it, and are counted as what they are.
func TestInvokeWithFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   faults.Kind
		runs   int
		status int    // of an answer
		code   string // of a refusal
	}{
		"none":             {faults.Kinds, 1, 200, ""},
		"refused":          {faults.Refuse, 0, 0, "TooManyRequestsException"},
		"broken before":    {faults.ErrorBefore, 0, 0, "?"},
		"broken after":     {faults.ErrorAfter, 1, 0, "?"},
		"of another build": {faults.Stale, 1, 200, ""}, // what is no request of a pool cannot be answered so
	} {
		runs := 0
		f := function(t, instant(func(*sandbox.Invocation) sandbox.Result {
			runs++
			return sandbox.Result{Payload: []byte("out")}
		}), func(cfg *Config) {
			plan := &faults.Plan{Seed: 1}
			if c.kind < faults.Kinds {
				plan.Calls = []faults.Share{{Kind: c.kind, Fraction: 1}}
			}
			cfg.Faults = faults.New(plan)
		})
		w, refused := request{name: "demo"}.sent(t, (&API{Resolve: f.Only}).invoke)
		if runs != c.runs {
			t.Errorf("%s: %d runs, want %d", name, runs, c.runs)
		}
		switch {
		case c.code == "" && (refused != nil || w.Code != c.status || w.Body.String() != "out"):
			t.Errorf("%s: %d %q %+v", name, w.Code, w.Body, refused)
		case c.code == "?" && (refused == nil && w.Code < 500 || refused != nil && refused.Status < 500):
			t.Errorf("%s: %d %+v", name, w.Code, refused)
		case c.code != "" && c.code != "?" && (refused == nil || refused.Code != c.code):
			t.Errorf("%s: %+v", name, refused)
		}
		if c.kind < faults.Kinds && c.kind != faults.Stale && f.cfg.Faults.Count(c.kind) != 1 {
			t.Errorf("%s: counted %d times", name, f.cfg.Faults.Count(c.kind))
		}
	}
}
