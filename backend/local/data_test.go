package local_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

var repeated = lambdapool.Register("local_test.repeated", func(_ context.Context, n int) (string, error) {
	return strings.Repeat("r", n), nil
})

// withData opens a backend on a directory, as a program does.
func withData(t *testing.T, dir string) (*lambdapool.Executor, func()) {
	t.Helper()
	b := must(local.New(local.WithConcurrency(1), local.WithData(dir)))
	e := must(lambdapool.New(b, lambdapool.WithOwnedBackend()))
	closed := false
	end := func() {
		if closed {
			return
		}
		closed = true
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return e, end
}

// A run goes on where another Backend has the same directory: nothing of it is lost, and
// what is queued still runs.
func TestRunOutlivesItsBackend(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "by New")
	const calls = 60
	args := make([]int, calls)
	for i := range args {
		args[i] = i
	}
	args[7], args[59] = 300_000, 7_000_000 // a file of its own, and more than an invocation carries
	e, end := withData(t, dir)
	run := must(lambdapool.MapDetached(t.Context(), e, repeated, args, lambdapool.RunName("r"), lambdapool.ChunkSize(1)))
	if run.Info().Ephemeral {
		t.Error("the run is said to end with its process")
	}
	end()
	queued := must(os.ReadDir(filepath.Join(dir, "queue")))

	e, _ = withData(t, dir)
	run = must(lambdapool.Attach(t.Context(), e, repeated, "r"))
	results, err := run.Wait(t.Context())
	if err != nil {
		t.Fatalf("%d of %d calls were queued when the first backend closed: %v", len(queued), calls, err)
	}
	for i, result := range results {
		if len(result) != args[i] {
			t.Errorf("call %d: %d bytes, want %d", i, len(result), args[i])
		}
	}
	if state := must(run.State(t.Context())); state.Succeeded != calls {
		t.Errorf("state %+v", state)
	}
	if err := e.DeleteRun(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	if left := must(os.ReadDir(filepath.Join(dir, "objects"))); len(left) > 0 {
		t.Errorf("%d objects are left of a run that was deleted, such as %s", len(left), left[0].Name())
	}
}

func TestDataHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, end := withData(t, dir)
	if _, err := local.New(local.WithData(dir)); err == nil || !strings.Contains(err.Error(), "another process has this directory open") {
		t.Errorf("a second owner: %v", err)
	}
	end()
	_, end = withData(t, dir)
	end()
}

// Links in arguments lead to where the process before this one listened, so the next one listens there, unless somebody else does.
func TestDataKeepsTheAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	endpoint := func() string {
		b := must(local.New(local.WithConcurrency(1), local.WithData(dir)))
		defer b.Close()
		return b.Endpoint()
	}
	first := endpoint()
	if second := endpoint(); second != first {
		t.Errorf("at %s, then at %s", first, second)
	}
	taken := must(net.Listen("tcp4", strings.TrimPrefix(first, "http://")))
	defer taken.Close()
	if third := endpoint(); third == first {
		t.Error("at an address that is taken")
	}
}

func TestDataThatIsDamaged(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"store.json": "store.json", "object": "objects/00"} {
		dir := t.TempDir()
		_, end := withData(t, dir)
		end()
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(file)), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := local.New(local.WithData(dir)); err == nil || !strings.Contains(err.Error(), "remove") || !strings.Contains(err.Error(), filepath.FromSlash(file)) {
			t.Errorf("%s: %v, %v", name, b, err)
		}
		// What a killed process has not finished is no damage.
		if err := os.Rename(filepath.Join(dir, filepath.FromSlash(file)), filepath.Join(dir, filepath.FromSlash("new-123"))); err != nil {
			t.Fatal(err)
		}
		_, end = withData(t, dir)
		end()
	}
	if _, err := local.New(local.WithData("")); err == nil || !strings.Contains(err.Error(), "no directory") {
		t.Errorf("no directory: %v", err)
	}
}

// Whoever starts a run that ends with the process is told, once.
func TestRunWithoutDataWarns(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	b := open(t, local.WithConcurrency(1), local.WithLogOutput(io.Discard))
	e := must(lambdapool.New(b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
	defer e.Close()
	for range 2 {
		run := must(lambdapool.MapDetached(t.Context(), e, repeated, []int{1}))
		must(run.Wait(t.Context()))
		if !run.Info().Ephemeral {
			t.Error("the run is not said to end with its process")
		}
	}
	if n := strings.Count(log.String(), "local.WithData"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}
