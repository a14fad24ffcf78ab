package live_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/live"
	"github.com/lambdapool/lambdapool/report"
)

var half = lambdapool.Register("test.half", func(_ context.Context, n int) (int, error) {
	if n%2 != 0 {
		return 0, fmt.Errorf("%d is odd <script>alert(1)</script>\x1b[2J", n)
	}
	return n / 2, nil
})

// A state is what the tests read of what the page is told.
type state struct {
	State    string
	Facts    []struct{ Name, Value, Note string }
	Runs     []struct{ Func, State, Items, Problem string }
	Failures []struct{ Func, Text, Items, Example string }
	Agents   struct {
		Rows []struct {
			Name  string
			Parts [][4]int64
		}
	}
	Detached []struct{ ID, State string }
	Notice   string
}

func (s state) fact(name string) string {
	for _, f := range s.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// serve opens a page, which is silent.
func serve(t *testing.T) *live.Page {
	t.Helper()
	page, err := live.Serve(t.Context(), live.Output(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := page.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return page
}

// events follows a page. The channel is closed when the page has said all.
func events(t *testing.T, page *live.Page) <-chan state {
	t.Helper()
	resp := get(t, page.URL()+"events")
	states := make(chan state, 1000)
	go func() {
		defer close(states)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 10<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var s state
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Error(err)
			}
			states <- s
		}
	}()
	return states
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) // closed by the caller
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// last returns the last state of a page, which ends.
func last(t *testing.T, page *live.Page, states <-chan state) (s state) {
	t.Helper()
	if err := page.Close(); err != nil {
		t.Fatal(err)
	}
	for s = range states { // the last one
	}
	if s.State != "ended" {
		t.Errorf("the page ended in the state %q", s.State)
	}
	return s
}

// What the page says at the end is what a report says of the same run.
func TestPageHasTheTotalsOfTheReport(t *testing.T) {
	page := serve(t)
	states := events(t, page)
	var rec report.Recorder
	e, err := lambdapool.New(inproc.New(), page, lambdapool.WithRecorder(&rec), lambdapool.WithWorkers(4))
	if err != nil {
		t.Fatal(err)
	}
	in := make([]int, 100)
	for i := range in {
		in[i] = i
	}
	_, err = lambdapool.Map(t.Context(), e, half, in, lambdapool.ContinueOnError())
	if err == nil {
		t.Fatal("half of the items must fail")
	}
	if _, err := lambdapool.Call(t.Context(), e, half, 8); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	s, want := last(t, page, states), rec.Report()
	for name, n := range map[string]int64{"Invocations": want.Invocations, "Calls carried": want.Items, "Failed": 50, "Throttled": want.Throttled, "Single calls": 1} {
		if got := s.fact(name); got != fmt.Sprint(n) {
			t.Errorf("%s: %q, the report has %d", name, got, n)
		}
	}
	if len(s.Runs) != 1 || s.Runs[0].Func != "test.half" || s.Runs[0].State != "done, with failures" || s.Runs[0].Items != "100 of 100" {
		t.Errorf("runs: %+v", s.Runs)
	}
	if len(s.Failures) != 1 || s.Failures[0].Items != "50" || !strings.Contains(s.Failures[0].Example, " is odd <script>") || strings.Contains(s.Failures[0].Example, "\x1b") {
		t.Errorf("failures: %+v", s.Failures)
	}
}

// The page may be given to one run; the others are not shown then.
func TestPageOfOneRun(t *testing.T) {
	page := serve(t)
	states := events(t, page)
	e, err := lambdapool.New(inproc.New())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, opts := range [][]lambdapool.MapOption{{page}, nil} {
		if _, err := lambdapool.Map(t.Context(), e, half, []int{2, 4}, opts...); err != nil {
			t.Fatal(err)
		}
	}
	if s := last(t, page, states); len(s.Runs) != 1 || s.Runs[0].Items != "2 of 2" || s.fact("Calls carried") != "2" {
		t.Errorf("%+v", s)
	}
}

// A run that two pages show ends on both.
func TestTwoPagesOfOneRun(t *testing.T) {
	all, one := serve(t), serve(t)
	states := []<-chan state{events(t, all), events(t, one)}
	e, err := lambdapool.New(inproc.New(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := lambdapool.Map(t.Context(), e, half, []int{2, 4}, one); err != nil {
		t.Fatal(err)
	}
	for i, page := range []*live.Page{all, one} {
		if s := last(t, page, states[i]); len(s.Runs) != 1 || s.Runs[0].State != "done" || s.Runs[0].Items != "2 of 2" {
			t.Errorf("page %d: %+v", i, s.Runs)
		}
	}
	if _, err := lambdapool.MapDetached(t.Context(), e, half, []int{2}, one); err == nil {
		t.Error("a detached run takes a page, and would never show on it")
	}
}

// A thousand runs and as many kinds of failures do not make the page grow.
func TestPageIsBounded(t *testing.T) {
	page := serve(t)
	e, err := lambdapool.New(inproc.New(), page)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for range 300 {
		if _, err := lambdapool.Map(t.Context(), e, half, []int{1, 2}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(1)); err == nil {
			t.Fatal("1 is odd")
		}
	}
	for range 5000 {
		if _, err := lambdapool.Call(t.Context(), e, half, 2); err != nil {
			t.Fatal(err)
		}
	}
	states := events(t, page)
	s := last(t, page, states)
	if len(s.Runs) != 25 || s.fact("Invocations") != "5,600" || len(s.Failures) != 1 {
		t.Errorf("%d runs, %s invocations, %d failures", len(s.Runs), s.fact("Invocations"), len(s.Failures))
	}
	parts := 0
	for _, row := range s.Agents.Rows {
		parts += len(row.Parts)
	}
	if parts == 0 || parts > 4000 {
		t.Errorf("%d invocations are drawn", parts)
	}
}

// The page is there under its token alone, for this machine's browsers alone, and may load nothing.
func TestPageIsGuarded(t *testing.T) {
	page := serve(t)
	resp := get(t, page.URL())
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "<title>lambdapool live</title>") {
		t.Fatalf("%d %v: %.100s", resp.StatusCode, err, body)
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	token := strings.Split(page.URL(), "/")[3]
	root, _, _ := strings.Cut(page.URL(), token)
	for name, change := range map[string]func(*http.Request){
		"without the token":  func(r *http.Request) { r.URL.Path = "/" },
		"with another token": func(r *http.Request) { r.URL.Path = "/" + strings.Repeat("a", len(token)) + "/" },
		"by another name":    func(r *http.Request) { r.Host = "evil.example:80" },
		"a command by GET":   func(r *http.Request) { r.URL.Path += "detached" },
		"from another's script": func(r *http.Request) {
			r.Method = "POST"
			r.URL.Path += "detached"
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, root+token+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	for name, opt := range map[string]live.Option{
		"nil":              nil,
		"another machine":  live.Address("192.0.2.1:80"),
		"all addresses":    live.Address(":8080"),
		"no port":          live.Address("localhost"),
		"no writer":        live.Output(nil),
		"an impossibility": live.Address("127.0.0.1:99999"),
	} {
		if page, err := live.Serve(t.Context(), opt); err == nil {
			page.Close()
			t.Errorf("%s is accepted", name)
		}
	}
}

// A context that ends takes the page with it; the program goes on.
func TestPageEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	page, err := live.Serve(ctx, live.Output(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	states := events(t, page)
	cancel()
	for range states { // until it ends
	}
	e, err := lambdapool.New(inproc.New(), page)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := lambdapool.Call(t.Context(), e, half, 2); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	page.Close()
}

// Detached runs are listed and canceled from the page.
func TestPageCancelsDetachedRuns(t *testing.T) {
	page := serve(t)
	states := events(t, page)
	e, err := lambdapool.New(inproc.New(), page)
	if err != nil {
		t.Fatal(err)
	}
	run, err := lambdapool.MapDetached(t.Context(), e, half, []int{2, 4, 6}, lambdapool.RunName("nightly"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"detached", "detached/nightly/cancel", "detached/nosuch/cancel"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page.URL()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	run.Close()
	e.Close()
	s := last(t, page, states)
	if len(s.Detached) != 1 || s.Detached[0].ID != "nightly" || s.Detached[0].State != "3 of 3 succeeded" || !strings.Contains(s.Notice, "no run") {
		t.Errorf("%+v, %q", s.Detached, s.Notice)
	}
}
