package runlocal_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestWhoMayInvoke(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create()
	other := start(t, runlocal.Options{})
	good := c.IDToken(caller, url)
	const stranger = "stranger@local-project.iam.gserviceaccount.com"
	for name, tt := range map[string]struct {
		token  string
		status int
	}{
		"who may":                {good, 200},
		"nobody":                 {"", 403},
		"an access token":        {c.AccessToken(caller), 401},
		"another audience":       {c.IDToken(caller, "https://elsewhere.run.app"), 401},
		"another issuer":         {other.IDToken(caller, url), 401},
		"a token that has ended": {c.IDTokenFor(caller, url, 0), 401},
		"another signature":      {good[:len(good)-8] + "AAAAAAAA", 401},
		"who may not":            {c.IDToken(stranger, url), 403},
		"no token at all":        {"secret", 401},
		"claims were changed":    {strings.Join([]string{strings.Split(good, ".")[0], strings.Split(c.IDToken(stranger, url), ".")[1], strings.Split(good, ".")[2]}, "."), 401},
	} {
		status, body, header := c.send("POST", url, tt.token, "")
		if status != tt.status || status != 200 && (!strings.Contains(body, "<html>") || header.Get("Server") != "Google Frontend") {
			t.Errorf("%s: HTTP %d %s; want %d, and a page where it is refused", name, status, body, tt.status)
		}
	}
}

// What the container gets is the request, without the proof of who has sent it.
func TestContainerContract(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create()
	_, body, header := c.invoke(url, "headers")
	if !strings.Contains(body, "SIGNATURE_REMOVED_BY_GOOGLE") || !strings.Contains(body, "X-Cloud-Trace-Context") || header.Get("X-Cloud-Trace-Context") == "" {
		t.Errorf("%s, %v", body, header)
	}
	_, body, _ = c.invoke(url, "environment")
	for _, want := range []string{"PORT=", "K_SERVICE=it", "K_REVISION=it-00001-", "K_CONFIGURATION=it", container + "=1"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	for _, never := range []string{"GOPATH", "GOOGLE_APPLICATION_CREDENTIALS", "USER="} {
		if strings.Contains(body, never) {
			t.Errorf("the client's %s is in %s", never, body)
		}
	}
	for _, path := range []string{"/healthz", "/eventlog", "/_ah/start"} {
		if status, _, _ := c.send("GET", url+path, c.IDToken(caller, url), ""); status != 404 {
			t.Errorf("%s is reserved, and answered %d", path, status)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{MaxBody: 1 << 20})
	url := c.create()
	for size, want := range map[int]int{1 << 20: 200, 1<<20 + 1: 413} {
		if status, _, _ := c.invoke(url, strings.Repeat("x", size)); status != want {
			t.Errorf("%d bytes: HTTP %d, want %d", size, status, want)
		}
	}
	if status, body, _ := c.invoke(url, "large"); status != 500 || !strings.Contains(body, "too large") {
		t.Errorf("an answer above the limit: HTTP %d %s", status, body)
	}
}

// A crash and a kill for memory look alike, and another container takes over.
func TestDeaths(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create(func(_, box map[string]any) {
		box["resources"] = map[string]any{"limits": map[string]any{"memory": "256Mi"}, "cpuIdle": true}
	})
	for _, how := range []struct{ do, said string }{{"exit", "exit status 3"}, {"hoard", "Memory limit of 256 MiB exceeded"}} {
		status, body, header := c.invoke(url, how.do)
		if status != 503 || body != "Service Unavailable" || header.Get("Server") != "Google Frontend" {
			t.Errorf("%s: HTTP %d %s", how.do, status, body)
		}
		if status, _, _ := c.invoke(url, ""); status != 200 {
			t.Errorf("after %s: HTTP %d", how.do, status)
		}
		if !strings.Contains(c.said(), how.said) {
			t.Errorf("the log does not say %q: %s", how.said, c.said())
		}
	}
}

// With no instance free a request waits, and is refused then.
func TestBusy(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{Wait: 50 * time.Millisecond})
	url := c.create(set("maxInstanceRequestConcurrency", 2))
	ctx, hangUp := context.WithCancel(soon(t))
	defer hangUp()
	var all sync.WaitGroup
	defer all.Wait()
	for range 2 {
		all.Go(func() {
			if status, _, _, err := request(ctx, "POST", url, c.IDToken(caller, url), "wait 1h"); err == nil {
				t.Errorf("HTTP %d", status)
			}
		})
	}
	eventually(t, "both run", func() bool { return strings.Count(c.said(), "waiting") == 2 })
	if status, body, _ := c.invoke(url, ""); status != 429 || body != "Rate exceeded." {
		t.Errorf("HTTP %d %s; want that it is refused", status, body)
	}
	hangUp()
	eventually(t, "there is room again", func() bool {
		status, _, _ := c.invoke(url, "")
		return status == 200
	})
	eventually(t, "both hear of it", func() bool { return strings.Count(c.said(), "hung up") == 2 })
}

// As many instances as may be, each with as many requests as it takes.
func TestInstances(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	url := c.create(set("scaling", map[string]any{"maxInstanceCount": 3}))
	var mu sync.Mutex
	pids := map[string]bool{}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			_, pid, _ := c.invoke(url, "wait 300ms")
			mu.Lock()
			defer mu.Unlock()
			pids[pid] = true
		})
	}
	all.Wait()
	if len(pids) < 1 || len(pids) > 3 {
		t.Errorf("%d instances, want at most 3", len(pids))
	}
}

// A timeout kills nobody: the container goes on, beside the next request. It hears of the end of its
// connection, or not.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		t.Run(map[bool]string{false: "hears", true: "deaf"}[deaf], func(t *testing.T) {
			t.Parallel()
			c := start(t, runlocal.Options{Deaf: deaf})
			url := c.create(set("timeout", "1s"))
			_, pid, _ := c.invoke(url, "")
			status, body, _ := c.invoke(url, "wait 1800ms")
			if status != http.StatusGatewayTimeout || body != "upstream request timeout" {
				t.Errorf("HTTP %d %s", status, body)
			}
			if status, next, _ := c.invoke(url, ""); status != 200 || next != pid {
				t.Errorf("the next request: HTTP %d %s, want process %s", status, next, pid)
			}
			want := map[bool]string{false: "hung up", true: "waited"}[deaf]
			eventually(t, want, func() bool { return strings.Contains(c.said(), want) })
		})
	}
}

// A container that does not listen is a 503 for whoever waited for it, and its deployment fails.
func TestBrokenContainer(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	failed := c.settled(c.api(admin, "POST", c.parent()+"/services?serviceId=it", map[string]any{"template": template(func(_, box map[string]any) {
		box["env"] = []any{map[string]any{"name": container, "value": "broken"}}
	})}))
	if !strings.Contains(failed, "failed to start and listen") {
		t.Errorf("%q", failed)
	}
	_, svc := c.api(admin, "GET", c.parent()+"/services/it", nil)
	if ready := svc["terminalCondition"].(map[string]any); ready["state"] != "CONDITION_FAILED" || svc["latestReadyRevision"] != nil {
		t.Errorf("%v", svc)
	}
}

// An instance that is idle gets SIGTERM.
func TestIdle(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{Idle: 10 * time.Millisecond})
	url := c.create()
	_, first, _ := c.invoke(url, "")
	if _, err := strconv.Atoi(first); err != nil {
		t.Fatal(first)
	}
	eventually(t, "another process answers", func() bool {
		time.Sleep(100 * time.Millisecond) // none is idle that is asked all the time
		_, pid, _ := c.invoke(url, "")
		return pid != first
	})
	eventually(t, "the first has ended", func() bool { return strings.Contains(c.said(), "signal: terminated") })
}
