package cloudrun_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestMain(m *testing.M) {
	if d, err := time.ParseDuration(os.Getenv(slowStart)); err == nil {
		time.Sleep(d)
	}
	// Whether there is a metadata server is looked up once in a process, and must not be asked of the network.
	os.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	agent.Main()
	if timeout := os.Getenv(elsewhere); timeout != "" {
		if err := cloudElsewhere(timeout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	apart.Waiting(4)
	noleak.Main(m)
}

// slowStart, in the environment of a container, is how long its start takes.
const slowStart = "TEST_START"

const (
	invoker = "invoker@local-project.iam.gserviceaccount.com"
	person  = "person@example.com"
)

// patience is when a test gives up, on whatever machine.
const patience = 3 * time.Minute

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A cloud is the embedded Cloud Run, and what its containers print.
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

// isolate keeps the developer's own configuration out of a test.
func isolate(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "CLOUDSDK_RUN_REGION", "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS", "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", "STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "LAMBDAPOOL_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
}

// start makes a Cloud Run.
func start(t *testing.T, o runlocal.Options) *cloud {
	t.Helper()
	isolate(t)
	c := &cloud{t: t}
	o.Images, o.Output = map[string]string{"agent": ""}, c
	var err error
	if c.Server, err = runlocal.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// A settings is what a service is made of.
type settings struct {
	timeout                string
	instances, concurrency int
	cpu, memory            string
	env                    map[string]string
}

// create makes a service called "agents" and returns its full name.
func (c *cloud) create(s settings) string {
	c.t.Helper()
	name, err := deploy(c.Server, s)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, c.said())
	}
	return name
}

// deploy makes a service called "agents" and returns its full name.
func deploy(c *runlocal.Server, s settings) (name string, err error) {
	service := runlocal.Agents("agent", s.env)
	template := service["template"].(map[string]any)
	template["timeout"], template["maxInstanceRequestConcurrency"] = s.timeout, s.concurrency
	template["scaling"] = map[string]int{"maxInstanceCount": s.instances}
	template["containers"].([]map[string]any)[0]["resources"] = map[string]any{
		"limits": map[string]string{"cpu": cmp.Or(s.cpu, "1"), "memory": cmp.Or(s.memory, "512Mi")}, "cpuIdle": true,
	}
	return c.Deploy(context.Background(), "agents", service)
}

// use has the credentials of this test be what file says.
func use(t *testing.T, file []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
}

// asInvoker has the credentials be a key of invoker, who may look up and invoke the service.
func (c *cloud) asInvoker(name string) {
	c.t.Helper()
	file, err := c.KeyFile(invoker)
	if err != nil {
		c.t.Fatal(err)
	}
	use(c.t, file)
	c.Grant("roles/run.viewer", invoker, name)
	c.Grant("roles/run.invoker", invoker, name)
}

// open opens a service, and closes it with the test.
func (c *cloud) open(name string, opts ...cloudrun.Option) *cloudrun.Backend {
	c.t.Helper()
	b, err := cloudrun.New(soon(c.t), name, append([]cloudrun.Option{cloudrun.WithEndpoint(c.URL())}, opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return b
}

func executor(t *testing.T, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}
