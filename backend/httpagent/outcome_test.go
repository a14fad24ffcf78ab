package httpagent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/httpagent"
)

// A fake answers every request as its handler says, and counts them.
type fake struct {
	*httptest.Server

	requests atomic.Int64
}

func newFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// fails makes one attempt, which must end in an InvokeError.
func fails(t *testing.T, b *httpagent.Backend) *lambdapool.InvokeError {
	t.Helper()
	response, err := b.Invoke(soon(t), &lambdapool.Request{Payload: []byte("\xc1LPsecret argument")})
	var failed *lambdapool.InvokeError
	if !errors.As(err, &failed) {
		t.Fatalf("%v, %v; want an InvokeError", response, err)
	}
	if strings.Contains(fmt.Sprintf("%v %v", err, failed.Hint), "secret") {
		t.Errorf("the error quotes the request or the answer: %v (%s)", err, failed.Hint)
	}
	return failed
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const (
		agent, platform = true, false
		notRun, unknown = lambdapool.OutcomeNotRun, lambdapool.OutcomeUnknown
	)
	for _, tt := range []struct {
		status    int
		marked    bool
		outcome   lambdapool.Outcome
		kind      error
		permanent bool
	}{
		{200, platform, unknown, lambdapool.ErrDecode, true},
		{302, platform, notRun, lambdapool.ErrFunctionNotFound, true},
		{400, platform, unknown, lambdapool.ErrUnknownOutcome, false},
		{400, agent, notRun, lambdapool.ErrDecode, true},
		{401, platform, notRun, lambdapool.ErrAccessDenied, true},
		{401, agent, notRun, lambdapool.ErrAccessDenied, true},
		{403, platform, notRun, lambdapool.ErrAccessDenied, true},
		{403, agent, notRun, lambdapool.ErrAccessDenied, true},
		{404, platform, notRun, lambdapool.ErrFunctionNotFound, true},
		{404, agent, notRun, lambdapool.ErrFunctionNotFound, true},
		{405, agent, notRun, lambdapool.ErrFunctionNotFound, true},
		{413, platform, notRun, lambdapool.ErrTooLarge, true},
		{413, agent, notRun, lambdapool.ErrTooLarge, true},
		{429, platform, notRun, lambdapool.ErrThrottled, false},
		{429, agent, notRun, lambdapool.ErrThrottled, false},
		{500, platform, unknown, lambdapool.ErrUnknownOutcome, false},
		{500, agent, unknown, lambdapool.ErrUnknownOutcome, false},
		{502, platform, unknown, lambdapool.ErrUnknownOutcome, false},
		{503, platform, unknown, lambdapool.ErrUnknownOutcome, false},
		{503, agent, notRun, lambdapool.ErrUnreachable, false},
		{504, platform, unknown, lambdapool.ErrTimeout, false},
		{599, platform, unknown, lambdapool.ErrUnknownOutcome, false},
		{418, agent, unknown, lambdapool.ErrUnknownOutcome, false},
	} {
		t.Run(fmt.Sprintf("%d marked %t", tt.status, tt.marked), func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.marked {
					w.Header().Set("Lambdapool-Agent", "1")
				}
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(tt.status)
				if !tt.marked {
					fmt.Fprint(w, "<html>secret page</html>")
				}
			})
			failed := fails(t, open(t, f.URL))
			if failed.Outcome != tt.outcome || !errors.Is(failed, tt.kind) || failed.Permanent != tt.permanent || failed.Hint == "" {
				t.Errorf("%v: outcome %v, permanent %t, hint %q; want %v, %v, %t and a hint",
					failed, failed.Outcome, failed.Permanent, failed.Hint, tt.outcome, tt.kind, tt.permanent)
			}
			if failed.RetryAfter != 2*time.Second || failed.RequestID == "" {
				t.Errorf("retry after %v, request %q; want 2s and an id", failed.RetryAfter, failed.RequestID)
			}
			want := int64(1)
			if tt.kind == lambdapool.ErrAccessDenied {
				want = 2 // after the token was renewed
			}
			if n := f.requests.Load(); n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
		})
	}
}

// A connection that is lost, or an answer that ends early, leaves open whether the function ran.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"connection lost": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		},
		"cut short": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Lambdapool-Agent", "1")
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(make([]byte, 500))
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		},
		"no HTTP": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, _ := w.(http.Hijacker).Hijack()
			_, _ = conn.Write([]byte("secret answer\r\n\r\n"))
			conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, answer)
			failed := fails(t, open(t, f.URL))
			if failed.Outcome != lambdapool.OutcomeUnknown || !errors.Is(failed, lambdapool.ErrUnknownOutcome) || failed.Permanent {
				t.Errorf("%v: outcome %v, permanent %t; want unknown", failed, failed.Outcome, failed.Permanent)
			}
			if n := f.requests.Load(); n != 1 {
				t.Errorf("%d requests for one attempt", n)
			}
		})
	}
}

func TestAnswerTooLong(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambdapool-Agent", "1")
		_, _ = w.Write(make([]byte, 17<<10))
	})
	if failed := fails(t, open(t, f.URL, httpagent.WithMaxBody(16<<10))); !errors.Is(failed, lambdapool.ErrTooLarge) || failed.Outcome != lambdapool.OutcomeUnknown {
		t.Errorf("%v, outcome %v; want too large, unknown", failed, failed.Outcome)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(http.ResponseWriter, *http.Request) {})
	b := open(t, f.URL)
	f.Close()
	if failed := fails(t, b); failed.Outcome != lambdapool.OutcomeNotRun || failed.Permanent {
		t.Errorf("%v: outcome %v, permanent %t; want not run, and that it may be there later", failed, failed.Outcome, failed.Permanent)
	}
}

// tokens gives another token each time that one was refused.
type tokens struct {
	n   atomic.Int64
	err error
}

func (s *tokens) Token(_ context.Context, renew bool) (string, error) {
	if renew {
		s.n.Add(1)
	}
	return fmt.Sprintf("token-%d", s.n.Load()), s.err
}

// A token that ends during a run is renewed, and the request sent again: it cannot have run.
func TestTokenRenewed(t *testing.T) {
	t.Parallel()
	var good atomic.Value
	good.Store("token-0")
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Lambdapool-Agent", "1")
		fmt.Fprint(w, "reply")
	})
	src := &tokens{}
	b := open(t, f.URL, httpagent.WithTokenSource(src))
	for _, now := range []string{"token-0", "token-1", "token-2"} {
		good.Store(now)
		response, err := b.Invoke(soon(t), &lambdapool.Request{Payload: []byte("x")})
		if err != nil || string(response.Payload) != "reply" {
			t.Fatalf("with %s: %v, %v", now, response, err)
		}
	}
	good.Store("another")
	if failed := fails(t, b); !errors.Is(failed, lambdapool.ErrAccessDenied) || !failed.Permanent {
		t.Errorf("%v, permanent %t; want access denied for good", failed, failed.Permanent)
	}
	src.err = errors.New("sign in first")
	if failed := fails(t, b); !errors.Is(failed, lambdapool.ErrAccessDenied) || failed.Outcome != lambdapool.OutcomeNotRun || !strings.Contains(failed.Error(), "sign in first") {
		t.Errorf("%v, outcome %v; want access denied with the source's words", failed, failed.Outcome)
	}
	src.err = fmt.Errorf("%w: a network without routes", lambdapool.ErrUnreachable)
	if failed := fails(t, b); !errors.Is(failed, lambdapool.ErrUnreachable) || errors.Is(failed, lambdapool.ErrAccessDenied) || failed.Outcome != lambdapool.OutcomeNotRun || failed.Permanent {
		t.Errorf("%v, outcome %v, permanent %t; want unreachable, and another try", failed, failed.Outcome, failed.Permanent)
	}
}

func TestOptions(t *testing.T) {
	t.Setenv("LAMBDAPOOL_TOKEN", "")
	t.Setenv("SPACED_TOKEN", "not a token")
	for name, tt := range map[string]struct {
		url  string
		opts []httpagent.Option
		want string
	}{
		"no scheme":       {"agents.example.com", nil, "not the URL of agents"},
		"password":        {"https://me:secret@agents.example.com", nil, "not the URL of agents"},
		"query":           {"https://agents.example.com?token=secret", nil, "not the URL of agents"},
		"plain":           {"http://agents.example.com", nil, "not encrypted"},
		"no workers":      {"https://a.example.com", []httpagent.Option{httpagent.WithWorkers(0)}, "WithWorkers"},
		"no timeout":      {"https://a.example.com", []httpagent.Option{httpagent.WithTimeout(0)}, "WithTimeout"},
		"two hours":       {"https://a.example.com", []httpagent.Option{httpagent.WithTimeout(2 * time.Hour)}, "WithTimeout"},
		"body":            {"https://a.example.com", []httpagent.Option{httpagent.WithMaxBody(1)}, "WithMaxBody"},
		"no source":       {"https://a.example.com", []httpagent.Option{httpagent.WithTokenSource(nil)}, "WithTokenSource"},
		"no variable":     {"https://a.example.com", []httpagent.Option{httpagent.WithTokenFromEnv("NO_SUCH")}, "NO_SUCH"},
		"spaced":          {"https://a.example.com", []httpagent.Option{httpagent.WithTokenFromEnv("SPACED_TOKEN")}, "white space"},
		"no store":        {"https://a.example.com", []httpagent.Option{httpagent.WithStore(nil)}, "WithStore"},
		"no tune":         {"https://a.example.com", []httpagent.Option{httpagent.WithHTTPTransport(nil)}, "WithHTTPTransport"},
		"a nil option":    {"https://a.example.com", []httpagent.Option{nil}, "option 0 is nil"},
		"another variety": {"ftp://a.example.com", nil, "not the URL of agents"},
	} {
		_, err := httpagent.New(t.Context(), tt.url, tt.opts...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "not a token") {
			t.Errorf("%s: %v; want %q, and no secret", name, err, tt.want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1/", "https://agents.example.com/below/"} {
		b, err := httpagent.New(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		b.Close()
	}
}
