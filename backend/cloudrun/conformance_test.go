package cloudrun_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// elsewhere, in the environment, has a process of this executable be a Google Cloud with one service, whose timeout is
// its value, until its standard input ends. The suite looks for goroutines that were left behind: those of a cloud in the same
// process would be among them.
const elsewhere = "TEST_CLOUD"

// whereabouts is what such a process says.
type whereabouts struct {
	Name        string // of the service
	Environment map[string]string
	Key         []byte
}

func cloudElsewhere(timeout string) error {
	dir, err := os.MkdirTemp("", "bucket")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := googlelocal.New(googlelocal.Options{
		Run: runlocal.Options{Images: map[string]string{"agent": ""}, Output: os.Stderr}, Dir: dir, Account: invoker,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	name, err := deploy(c.Server, settings{
		timeout: timeout, instances: 2, concurrency: 2, cpu: "2", memory: "4Gi", // the race detector takes most of it
		env: map[string]string{"LAMBDAPOOL_TIMEOUT": timeout, "LAMBDAPOOL_CPU": "2", "LAMBDAPOOL_MEMORY": "4096", "LAMBDAPOOL_CONCURRENCY": "2"},
	})
	if err != nil {
		return err
	}
	c.Allow(invoker, name)
	if err := json.NewEncoder(os.Stdout).Encode(whereabouts{name, c.Environment(), c.Key()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// inAnotherProcess has a cloud run there for as long as the test does, and this process find it.
func inAnotherProcess(t *testing.T, timeout string) (service string) {
	t.Helper()
	isolate(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), elsewhere+"="+timeout)
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stop.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(fmt.Errorf("the cloud: %w", err))
		}
	})
	var there whereabouts
	if err := json.NewDecoder(said).Decode(&there); err != nil {
		t.Fatal(err)
	}
	use(t, there.Key)
	for name, value := range there.Environment {
		t.Setenv(name, value)
	}
	return there.Name
}

// In its own process: the suite looks for goroutines that were left behind.
func TestConformance(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	name := inAnotherProcess(t, "60s")
	backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
		t.Helper()
		b, err := cloudrun.New(soon(t), name, cloudrun.WithBucket(googlelocal.Bucket))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		return b
	}, backendtest.WithoutNested(), backendtest.ReplacesAgents()) // this program does not import backend/cloudrun/nest, whose tests run that suite
}

// Agents in containers do what the queue delivers, and record it in the bucket.
func TestDetached(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	name := inAnotherProcess(t, "8s") // short enough for a function that is stuck
	b, err := cloudrun.New(soon(t), name, cloudrun.WithBucket(googlelocal.Bucket), cloudrun.WithQueue(googlelocal.Queue))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	t.Run("Suite", func(t *testing.T) { backendtest.RunDetached(t, b) })
	if left, err := b.Store().List(soon(t), "", ""); err != nil || len(left.Objects) > 0 {
		t.Errorf("%d objects remain, %v", len(left.Objects), err)
	}
}
