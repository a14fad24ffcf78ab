package runlocal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// container, in the environment, has a process of this executable be one. What it does, a request says.
const container = "TEST_CONTAINER"

func TestMain(m *testing.M) {
	if os.Getenv(container) != "" {
		serve()
	}
	apart.Waiting(4)
	noleak.Main(m)
}

// serve is the container's program.
func serve() {
	if os.Getenv(container) == "broken" {
		os.Exit(2)
	}
	var held [][]byte
	addr := os.Getenv("LAMBDAPOOL_ADDRESS")
	err := http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch do, arg, _ := strings.Cut(string(body), " "); do {
		case "exit":
			os.Exit(3)
		case "hoard":
			for range 64 {
				held = append(held, bytes.Repeat([]byte{1}, 16<<20))
			}
		case "wait":
			d, _ := time.ParseDuration(arg)
			fmt.Fprintln(os.Stderr, "waiting")
			select {
			case <-r.Context().Done():
				fmt.Fprintln(os.Stderr, "hung up")
			case <-time.After(d):
				fmt.Fprintln(os.Stderr, "waited")
			}
		case "headers":
			_ = json.NewEncoder(w).Encode(r.Header)
			return
		case "environment":
			fmt.Fprint(w, strings.Join(os.Environ(), "\n"))
			return
		case "who":
			dir, _ := os.Getwd()
			fmt.Fprintf(w, "%d %s", os.Getuid(), dir)
			return
		case "large":
			_, _ = w.Write(make([]byte, 40<<20))
			return
		}
		fmt.Fprintf(w, "%d", os.Getpid())
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const (
	admin  = "admin@local-project.iam.gserviceaccount.com"
	caller = "caller@local-project.iam.gserviceaccount.com"
	// patience is when a test gives up, on whatever machine.
	patience = 3 * time.Minute
)

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A cloud is a server under test, and what its containers print.
type cloud struct {
	*runlocal.Server

	t   *testing.T
	mu  sync.Mutex
	log bytes.Buffer
}

func (c *cloud) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(p)
}

func (c *cloud) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

func start(t *testing.T, o runlocal.Options) *cloud {
	t.Helper()
	c := &cloud{t: t}
	o.Images, o.Output = map[string]string{"program": ""}, c
	var err error
	if c.Server, err = runlocal.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	c.ServiceAccount(admin)
	c.Grant("roles/run.admin", admin, "")
	c.ServiceAccount(caller)
	return c
}

// template is a service's, of one container.
func template(change ...func(template, container map[string]any)) map[string]any {
	box := map[string]any{"image": "program", "env": []any{map[string]any{"name": container, "value": "1"}}}
	tmpl := map[string]any{"timeout": "60s", "maxInstanceRequestConcurrency": 1, "scaling": map[string]any{"maxInstanceCount": 1}, "containers": []any{box}}
	for _, f := range change {
		f(tmpl, box)
	}
	return tmpl
}

func set(name string, value any) func(map[string]any, map[string]any) {
	return func(tmpl, _ map[string]any) { tmpl[name] = value }
}

func (c *cloud) parent() string {
	return "/v2/projects/" + c.Project() + "/locations/" + c.Region()
}

// api makes a request of an account.
func (c *cloud) api(email, method, path string, in any) (int, map[string]any) {
	c.t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	status, body, _ := c.send(method, c.URL()+path, c.AccessToken(email), string(data))
	out := map[string]any{}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		c.t.Fatalf("%s %s: HTTP %d %s", method, path, status, body)
	}
	return status, out
}

// send makes a request on a connection of its own.
func (c *cloud) send(method, url, token, body string) (int, string, http.Header) {
	c.t.Helper()
	status, answer, header, err := request(soon(c.t), method, url, token, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return status, answer, header
}

func request(ctx context.Context, method, url, token, body string) (int, string, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Close = true
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", nil, err
	}
	return resp.StatusCode, string(data), resp.Header, nil
}

// settled waits for an operation, and returns its error's message.
func (c *cloud) settled(status int, op map[string]any) string {
	c.t.Helper()
	if status != http.StatusOK {
		c.t.Fatalf("HTTP %d %v", status, op)
	}
	if op["done"] != true {
		status, op = c.api(admin, "POST", "/v2/"+op["name"].(string)+":wait", map[string]string{"timeout": "180s"})
		if status != http.StatusOK || op["done"] != true {
			c.t.Fatalf("HTTP %d %v", status, op)
		}
	}
	if failed, ok := op["error"].(map[string]any); ok {
		return failed["message"].(string)
	}
	return ""
}

// create makes a service and returns its URL. caller may invoke it.
func (c *cloud) create(change ...func(template, container map[string]any)) string {
	c.t.Helper()
	if failed := c.settled(c.api(admin, "POST", c.parent()+"/services?serviceId=it", map[string]any{"template": template(change...)})); failed != "" {
		c.t.Fatal(failed)
	}
	_, svc := c.api(admin, "GET", c.parent()+"/services/it", nil)
	c.Grant("roles/run.invoker", caller, strings.TrimPrefix(c.parent(), "/v2/")+"/services/it")
	return svc["uri"].(string)
}

// invoke sends a body to a service as caller.
func (c *cloud) invoke(url, body string) (int, string, http.Header) {
	c.t.Helper()
	return c.send("POST", url, c.IDToken(caller, url), body)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}
