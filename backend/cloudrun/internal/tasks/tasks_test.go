package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/tasks"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/taskslocal"
)

const (
	queue   = "projects/project-1/locations/europe-west1/queues/lambdapool"
	account = "caller@project-1.iam.gserviceaccount.com"
	token   = "planted-token"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// A delivery is what a service is sent.
type delivery struct {
	body, authorization, name, retries, within string
}

// A service takes deliveries, by what answer says.
type service struct {
	url    string
	answer func(n int, d delivery) int // n counts from 1

	mu  sync.Mutex
	got []delivery
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	d := delivery{string(data), r.Header.Get("Authorization"), r.Header.Get("X-CloudTasks-TaskName"), r.Header.Get("X-CloudTasks-TaskRetryCount"), r.Header.Get("Lambdapool-Within")}
	s.mu.Lock()
	s.got = append(s.got, d)
	n := len(s.got)
	s.mu.Unlock()
	w.WriteHeader(s.answer(n, d))
}

// serve serves one.
func serve(t *testing.T, answer func(int, delivery) int) *service {
	t.Helper()
	s := &service{answer: answer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL + "/lambdapool/v1/invoke"
	return s
}

// transport is one that the test closes.
func transport(t *testing.T) *http.Transport {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func tokens() oauth2.TokenSource { return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}) }

// local is a queue on this machine, and its URL.
func local(t *testing.T, options ...func(*taskslocal.Config)) (*taskslocal.Queue, string) {
	t.Helper()
	cfg := taskslocal.Config{
		Queue: queue, Token: func(got string) bool { return got == token }, Deliver: transport(t), Backoff: time.Millisecond,
		Identity: func(account, audience string) (string, error) { return account + " for " + audience, nil },
	}
	for _, o := range options {
		o(&cfg)
	}
	q := taskslocal.New(cfg)
	server := httptest.NewServer(q)
	t.Cleanup(func() {
		server.Close()
		q.Close()
	})
	return q, server.URL
}

// open makes a Detacher.
func open(t *testing.T, endpoint, url string) *tasks.Queue {
	t.Helper()
	q, err := tasks.New(tasks.Config{Queue: queue, URL: url, Account: account, Tokens: tokens(), Endpoint: endpoint, Transport: transport(t), Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// send queues a text.
func send(t *testing.T, q *tasks.Queue, text string) (string, error) {
	t.Helper()
	return q.InvokeEvent(t.Context(), &driver.Request{Payload: []byte(text)})
}

// A request arrives as it was sent, with the account's token for the service, and once for the same bytes.
func TestDelivery(t *testing.T) {
	s := serve(t, func(int, delivery) int { return http.StatusOK })
	l, endpoint := local(t)
	q := open(t, endpoint, s.url)
	binary := "\x00\xff\"data"
	id, err := send(t, q, binary)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := send(t, q, binary); again != id || err != nil {
		t.Errorf("the same bytes: %s, %v; were %s", again, err, id)
	}
	if other, err := send(t, q, "other"); other == id || err != nil {
		t.Errorf("other bytes: %s, %v", other, err)
	}
	l.Wait()
	audience := strings.TrimSuffix(s.url, "/lambdapool/v1/invoke")
	seen := map[string]int{}
	for _, d := range s.got {
		seen[d.body]++
		if d.body == binary && d != (delivery{binary, "Bearer " + account + " for " + audience, id, "0", "1740s"}) {
			t.Errorf("%+v", d)
		}
	}
	if len(seen) != 2 || seen[binary] != 1 || seen["other"] != 1 {
		t.Errorf("%v", seen)
	}
	if limits := q.EventLimits(); limits.Request != tasks.MaxRequest || limits.Retries != 99 || limits.Age != 6*time.Hour {
		t.Errorf("%+v", limits)
	}
}

// What is not answered with 2xx is delivered again; on request twice, or never.
func TestDeliveriesThatFail(t *testing.T) {
	s := serve(t, func(n int, d delivery) int {
		if d.body == "again" && d.retries != "3" {
			return []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusNotFound}[n%3]
		}
		return http.StatusNoContent
	})
	l, endpoint := local(t, func(cfg *taskslocal.Config) {
		lost := false
		cfg.Drop = func(string) bool { first := !lost; lost = true; return first }
		cfg.Duplicate = func(string) bool { return true }
	})
	q := open(t, endpoint, s.url)
	for _, text := range []string{"lost", "again"} {
		if _, err := send(t, q, text); err != nil {
			t.Fatal(err)
		}
	}
	l.Wait()
	seen := map[string]int{}
	for _, d := range s.got {
		seen[d.body+" "+d.retries]++
	}
	for try := range 4 {
		if name := fmt.Sprint("again ", try); seen[name] != 2 {
			t.Errorf("%s: %d deliveries, want 2", name, seen[name])
		}
	}
	if len(s.got) != 8 {
		t.Errorf("%d deliveries: %v", len(s.got), seen)
	}
}

// A queue gives up.
func TestAttempts(t *testing.T) {
	s := serve(t, func(int, delivery) int { return http.StatusServiceUnavailable })
	l, endpoint := local(t, func(cfg *taskslocal.Config) { cfg.Attempts = 3 })
	if _, err := send(t, open(t, endpoint, s.url), "x"); err != nil {
		t.Fatal(err)
	}
	l.Wait()
	if len(s.got) != 3 {
		t.Errorf("%d deliveries", len(s.got))
	}
}

// What does not fit is not sent; what just fits is taken.
func TestSizes(t *testing.T) {
	s := serve(t, func(int, delivery) int { return http.StatusOK })
	l, endpoint := local(t)
	q := open(t, endpoint, s.url)
	if _, err := send(t, q, strings.Repeat("x", tasks.MaxRequest+1)); !errors.Is(err, driver.ErrTooLarge) || outcome(err) != driver.OutcomeNotRun {
		t.Errorf("%v", err)
	}
	if _, err := send(t, q, strings.Repeat("\xff", tasks.MaxRequest)); err != nil {
		t.Error(err)
	}
	l.Wait()
	if len(s.got) != 1 || len(s.got[0].body) != tasks.MaxRequest {
		t.Errorf("%d deliveries", len(s.got))
	}
}

func outcome(err error) driver.Outcome {
	var e *driver.InvokeError
	if !errors.As(err, &e) {
		return 255
	}
	return e.Outcome
}

// A refusal queues nothing, and says what to do; what nobody vouches for is unknown.
func TestRefusals(t *testing.T) {
	for status, want := range map[int]struct {
		outcome   driver.Outcome
		kind      error
		permanent bool
		hint      string
	}{
		400: {driver.OutcomeNotRun, driver.ErrBadArguments, true, ""},
		401: {driver.OutcomeNotRun, driver.ErrAccessDenied, false, "gcloud auth"},
		403: {driver.OutcomeNotRun, driver.ErrAccessDenied, true, "roles/cloudtasks.enqueuer"},
		404: {driver.OutcomeNotRun, driver.ErrFunctionNotFound, true, "gcloud tasks queues create lambdapool"},
		429: {driver.OutcomeNotRun, driver.ErrThrottled, false, ""},
		500: {driver.OutcomeUnknown, driver.ErrUnknownOutcome, false, "may be queued"},
		503: {driver.OutcomeUnknown, driver.ErrUnknownOutcome, false, "may be queued"},
		302: {driver.OutcomeUnknown, driver.ErrUnknownOutcome, false, ""},
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"code":1,"message":"why","status":"STATUS"}}`)
		}))
		_, err := send(t, open(t, server.URL, "https://service.run.app/x"), "planted")
		server.Close()
		var e *driver.InvokeError
		if !errors.As(err, &e) || e.Outcome != want.outcome || !errors.Is(e.Kind, want.kind) || e.Permanent != want.permanent ||
			!strings.Contains(e.Hint, want.hint) || e.RetryAfter != 7*time.Second || requests != 1 {
			t.Errorf("%d: %+v, %d requests", status, e, requests)
		}
		if !strings.Contains(err.Error(), "STATUS: why") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// An answer that is lost leaves it open whether the request is queued; one that was never sent does not.
func TestLost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	if _, err := send(t, open(t, server.URL, "https://service.run.app/x"), "x"); outcome(err) != driver.OutcomeUnknown || !errors.Is(err, driver.ErrUnknownOutcome) {
		t.Errorf("lost: %v, %v", err, outcome(err))
	}
	if _, err := send(t, open(t, "http://127.0.0.1:1", "https://service.run.app/x"), "x"); outcome(err) != driver.OutcomeNotRun || !errors.Is(err, driver.ErrUnreachable) {
		t.Errorf("not reached: %v, %v", err, outcome(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, server.URL, "https://service.run.app/x").InvokeEvent(ctx, &driver.Request{}); !errors.Is(err, driver.ErrCanceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestBadConfigs(t *testing.T) {
	for says, change := range map[string]func(*tasks.Config){
		"is not a queue":  func(cfg *tasks.Config) { cfg.Queue = "lambdapool" },
		"an invocation":   func(cfg *tasks.Config) { cfg.URL = "https://u:planted@host/" },
		"an endpoint":     func(cfg *tasks.Config) { cfg.Endpoint = "://planted" },
		"service account": func(cfg *tasks.Config) { cfg.Account = "" },
		"access tokens":   func(cfg *tasks.Config) { cfg.Tokens = nil },
		"no transport":    func(cfg *tasks.Config) { cfg.Transport = nil },
		"30m0s at most":   func(cfg *tasks.Config) { cfg.Deadline = time.Hour },
		"leaves nothing":  func(cfg *tasks.Config) { cfg.Deadline, cfg.Wait = time.Minute, time.Minute },
		"not be negative": func(cfg *tasks.Config) { cfg.Attempts = -1 },
	} {
		cfg := tasks.Config{Queue: queue, URL: "https://service.run.app/x", Account: account, Tokens: tokens(), Transport: transport(t)}
		change(&cfg)
		if _, err := tasks.New(cfg); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// What the stand-in does not know it refuses.
func TestStandInIsStrict(t *testing.T) {
	_, endpoint := local(t)
	tr := transport(t)
	const path = "/v2/" + queue + "/tasks"
	task := func(name, deadline, request string) string {
		return fmt.Sprintf(`{"task":{"name":%q,"dispatchDeadline":%q,"httpRequest":%s}}`, name, deadline, request)
	}
	const request = `{"url":"https://service.run.app/x","httpMethod":"POST","body":"AAAA","oidcToken":{"serviceAccountEmail":"a@b"}}`
	for _, tt := range []struct {
		method, path, token, body string
		want                      int
	}{
		{"POST", path, "x", "{}", 401},
		{"GET", path, token, "", 501},
		{"POST", path + "?x", token, "{}", 501},
		{"POST", path + ":batchCreate", token, "{}", 501},
		{"POST", "/v2/projects/p/locations/l/queues/other/tasks", token, "{}", 404},
		{"POST", path, token, "x", 400},
		{"POST", path, token, `{"responseView":"FULL"}`, 400},
		{"POST", path, token, task(queue+"/tasks/a b", "30s", request), 400},
		{"POST", path, token, task("", "30s", request), 400},
		{"POST", path, token, task(queue+"/tasks/a", "14s", request), 400},
		{"POST", path, token, task(queue+"/tasks/a", "1801s", request), 400},
		{"POST", path, token, task(queue+"/tasks/a", "30s", strings.Replace(request, "POST", "GET", 1)), 501},
		{"POST", path, token, task(queue+"/tasks/a", "30s", strings.Replace(request, "oidcToken", "oauthToken", 1)), 400},
		{"POST", path, token, task(queue+"/tasks/a", "30s", strings.Replace(request, "https", "ftp", 1)), 400},
		{"POST", path, token, task(queue+"/tasks/a", "30s", strings.Replace(request, "AAAA", strings.Repeat("A", 100<<10), 1)), 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, endpoint+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+tt.token)
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s %.100s: %d %s, want %d", tt.method, tt.path, tt.body, resp.StatusCode, body, tt.want)
		}
	}
}
