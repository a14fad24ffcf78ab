//go:build !lambdapool.nohttp

package agent_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// post sends a request to an agent behind HTTP.
func post(t *testing.T, h http.Handler, body io.Reader, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, httpwire.InvokePath, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64); err == nil {
		r.ContentLength = n // as a server reads it
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get(httpwire.Mark) == "" {
		t.Errorf("an answer without the mark: %d %s", w.Code, w.Body)
	}
	return w
}

// A queue delivers again after every answer but 200. So it gets that one for what no delivery can do, and no other
// for what the next one may.
func TestDeliveriesOfAQueue(t *testing.T) {
	registry, l := lambdapool.NewRegistry(), newLedger(t)
	lambdapool.RegisterIn(registry, "length", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
	h := agent.NewHandler(registry)
	h.Transport = l
	server := agent.HTTPHandler(h, time.Minute)
	req := encode(t, detached(request(t, registry, "length", []byte("abc")), true))
	refusing := func(code int, body string) func(*http.Request, string) (*http.Response, error) {
		return func(*http.Request, string) (*http.Response, error) { return status(code, body), nil }
	}
	for name, tt := range map[string]struct {
		body           io.Reader
		length         int
		store          func(*http.Request, string) (*http.Response, error)
		direct, queued int
		says           string
	}{
		"a request":           {body: bytes.NewReader(req), direct: 200, queued: 200},
		"no request":          {body: strings.NewReader("nonsense"), direct: 400, queued: 200, says: "lambdapool agent"},
		"too large":           {body: strings.NewReader("x"), length: httpwire.MaxBody + 1, direct: 413, queued: 200, says: "the agent takes 33554432"},
		"too late":            {body: bytes.NewReader(req), store: refusing(400, "<Code>ExpiredToken</Code>"), direct: 500, queued: 200, says: "ExpiredToken"},
		"not allowed for now": {body: bytes.NewReader(req), store: refusing(403, "<Code>AccessDenied</Code>"), direct: 500, queued: 500, says: "AccessDenied"},
		"cut short":           {body: io.MultiReader(bytes.NewReader(req), broken{}), direct: 400, queued: 400, says: "ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			l.before = tt.store
			body, err := io.ReadAll(tt.body)
			for _, way := range []struct {
				status int
				header []string
			}{{tt.direct, nil}, {tt.queued, []string{httpwire.TaskName, "task-1"}}} {
				var again io.Reader = bytes.NewReader(body)
				if err != nil {
					again = io.MultiReader(again, broken{})
				}
				if tt.length > 0 {
					way.header = append(way.header, "Content-Length", strconv.Itoa(tt.length))
				}
				if w := post(t, server, again, way.header...); w.Code != way.status || !strings.Contains(w.Body.String(), tt.says) {
					t.Errorf("%v: %d %s; want %d", way.header, w.Code, w.Body, way.status)
				}
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Whoever waits for less time than the agent has says so; more than that it does not get.
func TestWithin(t *testing.T) {
	for header, want := range map[string]time.Duration{"": time.Minute, "20s": 20 * time.Second, "1h": time.Minute, "x": time.Minute, "-5s": time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			registry := lambdapool.NewRegistry()
			var left time.Duration
			lambdapool.RegisterIn(registry, "length", func(ctx context.Context, _ []byte) (int, error) {
				end, _ := ctx.Deadline()
				left = time.Until(end)
				return 0, nil
			})
			server := agent.HTTPHandler(agent.NewHandler(registry), time.Minute)
			post(t, server, bytes.NewReader(encode(t, request(t, registry, "length", []byte("abc")))), httpwire.Within, header)
			if left > want || left < want*3/4 {
				t.Errorf("%q: %v left, want a little less than %v", header, left, want)
			}
		})
	}
}

// The id of a request is that of the trace under which the platform's log has it.
func TestTraceOfARequest(t *testing.T) {
	const trace = "0123456789abcdef0123456789abcdef"
	server := agent.HTTPHandler(agent.NewHandler(lambdapool.NewRegistry()), time.Minute)
	for _, header := range [][]string{
		{httpwire.Traceparent, "00-" + trace + "-0123456789abcdef-01"},
		{httpwire.CloudTrace, trace + "/1;o=1"},
		{httpwire.CloudTrace, "nonsense"},
	} {
		got := post(t, server, strings.NewReader("x"), header...).Header().Get(httpwire.RequestID)
		if want := !strings.Contains(header[1], "nonsense"); (got == trace) != want || got == "" {
			t.Errorf("%v: %q", header, got)
		}
	}
}
