package soak_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// A storm is between the client and Cloud Run's front end, and does to requests what networks and front ends do.
type storm struct {
	to     string // the service's URL
	client *http.Transport

	mu     sync.Mutex
	dice   *rand.Rand
	counts map[string]int
}

// mischiefs are what happens to a request, each to one of a hundred.
var mischiefs = []string{"reset before", "reset after", "truncate", "corrupt", "500", "502", "503", "504", "429", "slow"}

// next chooses what happens to a request: mostly nothing.
func (s *storm) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.dice.IntN(100)
	if i >= len(mischiefs) {
		return ""
	}
	s.counts[mischiefs[i]]++
	return mischiefs[i]
}

func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	what := s.next()
	switch what {
	case "reset before":
		panic(http.ErrAbortHandler)
	case "500", "502", "503", "504", "429": // of a front end: without the agent's mark
		status, _ := strconv.Atoi(what)
		w.Header().Set("Server", "Google Frontend")
		http.Error(w, "Rate exceeded.", status)
		return
	case "slow":
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", s.to[len("http://"):], ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := s.client.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	data, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || what == "reset after" {
		panic(http.ErrAbortHandler)
	}
	if what == "corrupt" && len(data) > 0 {
		data[len(data)/2] ^= 1
	}
	maps.Copy(w.Header(), resp.Header)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(resp.StatusCode)
	if what == "truncate" {
		_, _ = w.Write(data[:len(data)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(data)
}

// TestSoakHTTP is TestSoak behind HTTP: requests meet a storm, instances are killed, and revisions replaced. Nothing is
// lost, and nothing runs twice that must not.
func TestSoakHTTP(t *testing.T) {
	n := *calls / 5 // each costs more than on the embedded Lambda
	t.Logf("%d calls, seed %d", n, *seed)
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	server, name, weather, client := inAStorm(t, path)
	e, err := lambdapool.New(client,
		lambdapool.WithWorkers(2*agents),
		lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 6, BaseDelay: 2 * time.Millisecond, MaxDelay: 100 * time.Millisecond}),
		lambdapool.WithHedging(lambdapool.Hedging{}),
		lambdapool.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, calm := context.WithCancel(t.Context())
	var trouble sync.WaitGroup
	trouble.Go(func() { disturb(t, ctx, server, name) })
	s := &session{e: e, seed: *seed, accounts: make([]account, n)}
	s.run(t)
	calm()
	trouble.Wait()
	stats := e.Stats()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := server.Close(); err != nil { // and its agents: the ledger is complete
		t.Error(err)
	}
	s.check(t, readLedger(t, path, n))
	if total := stats.Succeeded + stats.FunctionErrors + stats.PoolErrors; stats.Submitted != int64(n) || total != int64(n) {
		t.Errorf("%d calls were sent, these were counted: %+v", n, stats)
	}
	weather.mu.Lock()
	defer weather.mu.Unlock()
	for _, what := range mischiefs {
		if weather.counts[what] == 0 && n >= enough {
			t.Errorf("nothing met %q", what)
		}
	}
	t.Logf("%+v", stats)
	t.Logf("faults: %v", weather.counts)
}

// inAStorm makes a service with agents of this executable, and a backend that reaches it through a storm.
func inAStorm(t *testing.T, path string) (*runlocal.Server, string, *storm, *cloudrun.Backend) {
	t.Helper()
	t.Cleanup(func() { noleak.Check(t) })
	server, err := runlocal.New(runlocal.Options{Images: map[string]string{"agent": ""}, Wait: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() }) // the test does, before
	service := runlocal.Agents("agent", map[string]string{
		ledgerVariable: path, httpwire.EnvTimeout: "60s", httpwire.EnvConcurrency: "2",
	})
	template := service["template"].(map[string]any)
	template["maxInstanceRequestConcurrency"], template["scaling"] = 2, map[string]int{"maxInstanceCount": agents / 2}
	name, err := server.Deploy(t.Context(), "soak", service)
	if err != nil {
		t.Fatal(err)
	}
	const account = "soak@local-project.iam.gserviceaccount.com"
	key, err := server.KeyFile(account)
	if err != nil {
		t.Fatal(err)
	}
	server.Grant("roles/run.invoker", account, name)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	var made struct{ URI string }
	if err := server.Call(t.Context(), "owner@local-project.iam.gserviceaccount.com", http.MethodGet, "/v2/"+name, struct{}{}, &made); err != nil {
		t.Fatal(err)
	}
	weather := &storm{to: made.URI, client: &http.Transport{MaxIdleConnsPerHost: 4 * agents}, dice: rand.New(rand.NewPCG(*seed, 3)), counts: map[string]int{}}
	front := httptest.NewServer(weather)
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(func() {
		front.Close()
		weather.client.CloseIdleConnections()
	})
	client, err := cloudrun.New(t.Context(), "soak", cloudrun.WithURL(front.URL), cloudrun.WithAudience(made.URI),
		cloudrun.WithWorkers(2*agents), cloudrun.WithTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return server, name, weather, client
}

// disturb kills instances, and replaces the revision now and then, until ctx ends.
func disturb(t *testing.T, ctx context.Context, server *runlocal.Server, name string) {
	t.Helper()
	dice := rand.New(rand.NewPCG(*seed, 4))
	for i := 1; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(50+dice.IntN(150)) * time.Millisecond):
		}
		if i%5 > 0 {
			server.Crash(name)
			continue
		}
		if err := server.Update(context.WithoutCancel(ctx), name, "labels", map[string]any{"labels": map[string]string{"n": fmt.Sprint(i)}}); err != nil {
			t.Errorf("a new revision: %v", err)
			return
		}
	}
}
