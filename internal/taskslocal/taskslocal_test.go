package taskslocal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/taskslocal"
)

func TestMain(m *testing.M) { noleak.Main(m) }

const queue = "projects/p/locations/l/queues/q"

// A target is what tasks are delivered to. It answers with what is next in statuses, and 200 after that; 0 is a
// connection that breaks.
type target struct {
	mu       sync.Mutex
	statuses []int
	got      []delivery
}

type delivery struct {
	at     time.Time
	header http.Header
	url    string
	body   string
	left   time.Duration // until its deadline
}

func (g *target) RoundTrip(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	deadline, _ := r.Context().Deadline()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, delivery{time.Now(), r.Header, r.URL.String(), string(data), time.Until(deadline)})
	status := http.StatusOK
	if len(g.statuses) > 0 {
		status, g.statuses = g.statuses[0], g.statuses[1:]
	}
	if status == 0 {
		return nil, errors.New("broken")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("said"))}, nil
}

func config(g *target) taskslocal.Config {
	return taskslocal.Config{
		Queue: queue, Token: func(token string) bool { return token == "good" }, Deliver: g,
		Identity: func(account, audience string) (string, error) { return account + " for " + audience, nil },
	}
}

// create asks a queue for a task, and returns the status and the document.
func create(t *testing.T, q http.Handler, document string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "/v2/"+queue+"/tasks", strings.NewReader(document))
	r.Header.Set("Authorization", "Bearer good")
	w := httptest.NewRecorder()
	q.ServeHTTP(w, r)
	out := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	return w.Code, out
}

func task(id string) string {
	return fmt.Sprintf(`{"task":{"name":"%s/tasks/%s","dispatchDeadline":"20s","httpRequest":{"url":"https://s.run.app/x","httpMethod":"POST",
		"headers":{"Content-Type":"a/b","Authorization":"mine"},"body":"AAEC","oidcToken":{"serviceAccountEmail":"a@b"}}}}`, queue, id)
}

// A task is delivered again after whatever is not 2xx, later each time, until it is taken.
func TestDeliveriesAreRepeatedUntilOneIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{statuses: []int{500, 404, 301, 0, 199, 429}}
		q := taskslocal.New(config(g))
		defer q.Close()
		began := time.Now()
		if status, out := create(t, q, task("one")); status != http.StatusOK || out["name"] != queue+"/tasks/one" {
			t.Fatalf("%d %v", status, out)
		}
		q.Wait()
		if len(g.got) != 7 {
			t.Fatalf("%d deliveries", len(g.got))
		}
		var at []string
		for i, d := range g.got {
			at = append(at, d.at.Sub(began).String())
			if d.header.Get("X-Cloudtasks-Taskretrycount") != fmt.Sprint(i) || d.header.Get("X-Cloudtasks-Taskname") != "one" || d.header.Get("X-Cloudtasks-Queuename") != "q" ||
				d.header.Get("Content-Type") != "a/b" || d.header.Get("Authorization") != "Bearer a@b for https://s.run.app/x" ||
				d.url != "https://s.run.app/x" || d.body != "\x00\x01\x02" || d.left != 20*time.Second {
				t.Errorf("delivery %d: %+v", i, d)
			}
		}
		if got := strings.Join(at, " "); got != "0s 100ms 300ms 700ms 1.5s 2.5s 3.5s" {
			t.Errorf("delivered after %s", got)
		}
	})
}

func TestADeliveryEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries int
		cfg := config(&target{})
		cfg.Attempts, cfg.Backoff = 2, time.Second
		cfg.Deliver = roundTripper(func(r *http.Request) (*http.Response, error) {
			tries++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		q := taskslocal.New(cfg)
		defer q.Close()
		began := time.Now()
		create(t, q, task("slow"))
		q.Wait() // and its attempts are used up
		if took := time.Since(began); tries != 2 || took != 2*20*time.Second+2*time.Second {
			t.Errorf("%d deliveries in %v", tries, took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Close ends what is under way and what waits, and takes nothing more in.
func TestACloseEndsDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&target{})
		cfg.Backoff = time.Hour
		waits := make(chan struct{})
		cfg.Deliver = roundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.Header.Get("X-Cloudtasks-Taskname"), "refused") {
				return nil, errors.New("refused")
			}
			close(waits)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		q := taskslocal.New(cfg)
		create(t, q, task("refused"))
		create(t, q, task("under-way"))
		<-waits
		synctest.Wait()
		began := time.Now()
		q.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		if status, out := create(t, q, task("late")); status != http.StatusServiceUnavailable {
			t.Errorf("%d %v", status, out)
		}
	})
}

func TestANameIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{}
		cfg := config(g)
		cfg.Duplicate = func(id string) bool { return id == "twice" }
		cfg.Drop = func(id string) bool { return id == "never" }
		q := taskslocal.New(cfg)
		defer q.Close()
		for _, test := range []struct {
			id   string
			want int
		}{{"one", 200}, {"twice", 200}, {"never", 200}, {"one", 409}, {"never", 409}} {
			if status, out := create(t, q, task(test.id)); status != test.want {
				t.Errorf("%s: %d %v", test.id, status, out)
			}
		}
		q.Wait()
		if status, _ := create(t, q, task("one")); status != http.StatusConflict { // gone, and its name is still known
			t.Errorf("%d", status)
		}
		seen := map[string]int{}
		for _, d := range g.got {
			seen[d.header.Get("X-Cloudtasks-Taskname")]++
		}
		if seen["one"] != 1 || seen["twice"] != 2 || seen["never"] != 0 {
			t.Errorf("delivered %v", seen)
		}
	})
}

func TestWhoMayNotIsRefused(t *testing.T) {
	cfg := config(&target{})
	cfg.Denied = func(token, account string) string { return token + " is not " + account }
	q := taskslocal.New(cfg)
	defer q.Close()
	status, out := create(t, q, task("one"))
	if failed, _ := out["error"].(map[string]any); status != http.StatusForbidden || failed["status"] != "PERMISSION_DENIED" || failed["message"] != "good is not a@b" {
		t.Errorf("%d %v", status, out)
	}
}

// What Google's own clients send besides is understood; what would change something is refused.
func TestHowItMayBeAsked(t *testing.T) {
	g := &target{}
	q := taskslocal.New(config(g))
	defer q.Close()
	ask := func(query, document string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v2/"+queue+"/tasks"+query, strings.NewReader(document))
		r.Header.Set("Authorization", "Bearer good")
		w := httptest.NewRecorder()
		q.ServeHTTP(w, r)
		return w.Code
	}
	for i, test := range []struct {
		query, from, to string
		want            int
	}{
		{"?%24alt=json%3Benum-encoding%3Dint", `"POST"`, `1`, 200},
		{"?alt=json&prettyPrint=false", `{"task"`, `{"parent":"` + queue + `","task"`, 200},
		{"?alt=proto", "", "", 501},
		{"?key=mine", "", "", 501},
		{"", `"POST"`, `2`, 400},
		{"", `"POST"`, `"PUT"`, 501},
		{"", `{"task"`, `{"parent":"` + queue + `x","task"`, 400},
		{"", `"20s"`, `"20"`, 400},
		{"", `"20s"`, `"s"`, 400},
		{"", `"20s"`, `"1800s"`, 200},
		{"", `"20s"`, `"15.5s"`, 200},
		{"", `"name"`, `"scheduleTime":"2026-01-01T00:00:00Z","name"`, 400},
		{"", `}}}}`, `}}}} {}`, 400},
		{"", `"a@b"`, `""`, 501},
	} {
		if got := ask(test.query, strings.Replace(task(fmt.Sprint("t", i)), test.from, test.to, 1)); got != test.want {
			t.Errorf("%s %s: %d, want %d", test.query, test.to, got, test.want)
		}
	}
	q.Wait()
}
