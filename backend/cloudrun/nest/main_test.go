package nest_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestMain(m *testing.M) {
	if os.Getenv("K_SERVICE") == "" {
		// Whether there is a metadata server is looked up once in a process, and must not be asked of the network.
		os.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	}
	agent.Main()
	noleak.Main(m)
}

const (
	caller  = "caller@local-project.iam.gserviceaccount.com"  // the client
	service = "service@local-project.iam.gserviceaccount.com" // whose the containers are
)

// patience is when a test gives up, on whatever machine.
const patience = 3 * time.Minute

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A cloud is the embedded Cloud Run with one service, whose containers speak for the account service.
type cloud struct {
	*googlelocal.Cloud

	name   string // of the service
	ledger string // the file in which functions note what becomes of them
}

// start makes a service that answers instances times two requests at once. Its account may do what the package's
// comment says that it must.
func start(t *testing.T, instances int) *cloud {
	t.Helper()
	for _, name := range []string{
		"GOOGLE_CLOUD_PROJECT", "CLOUDSDK_RUN_REGION", "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", "STORAGE_EMULATOR_HOST",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	c := &cloud{ledger: filepath.Join(t.TempDir(), "ledger")}
	if err := os.WriteFile(c.ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.Cloud, err = googlelocal.New(googlelocal.Options{
		Run: runlocal.Options{Images: map[string]string{"agent": ""}, Output: io.Discard}, Dir: t.TempDir(), Account: caller,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	c.AttachAccount(service)
	made := runlocal.Agents("agent", map[string]string{
		ledger: c.ledger, "GCE_METADATA_HOST": c.MetadataHost(), "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": c.URL(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": c.URL(),
	})
	template := made["template"].(map[string]any)
	template["maxInstanceRequestConcurrency"], template["scaling"] = 2, map[string]int{"maxInstanceCount": instances}
	if c.name, err = c.Deploy(soon(t), "agents", made); err != nil {
		t.Fatal(err)
	}
	c.Allow(caller, c.name)
	c.Grant("roles/run.viewer", service, c.name)
	c.Grant("roles/run.invoker", service, c.name)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, c.Key(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	for name, value := range c.Environment() {
		t.Setenv(name, value)
	}
	return c
}

// open opens the service, with the bucket of the cloud.
func (c *cloud) open(t *testing.T) *cloudrun.Backend {
	t.Helper()
	b, err := cloudrun.New(soon(t), c.name, cloudrun.WithBucket(googlelocal.Bucket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // returns nil
	return b
}

// pool is an executor on the service.
func (c *cloud) pool(t *testing.T, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(c.open(t), append([]lambdapool.Option{lambdapool.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
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

// ledger, in the environment of a container, is the file in which functions note what becomes of them.
const ledger = "TEST_LEDGER"

// note adds a line to the ledger.
func note(what string) error {
	f, err := os.OpenFile(os.Getenv(ledger), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(what + "\n")
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// await returns when the ledger has so many lines that say what.
func (c *cloud) await(t *testing.T, what string, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		data, err := os.ReadFile(c.ledger)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(data, []byte(what+"\n")) >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not %d times %q in %v: %s", n, what, patience, strings.ReplaceAll(string(data), "\n", ", "))
		}
	}
}
