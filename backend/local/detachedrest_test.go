package local_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// A slow item writes a byte to the file Runs when it runs, and returns N a second later.
type slow struct {
	N    int
	Runs string
}

var unhurried = lambdapool.Register("local_test.unhurried", func(_ context.Context, s slow) (int, error) {
	if err := appendTo(s.Runs, "x"); err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	return s.N, nil
})

// What agents have no time to begin of a detached chunk is sent again by the client that waits for it, and
// runs once.
func TestDetachedChunkWithMoreWorkThanTime(t *testing.T) {
	t.Parallel()
	const n = 8
	b := open(t, local.WithConcurrency(1), local.WithTimeout(6*time.Second))
	e := must(lambdapool.New(b))
	t.Cleanup(func() { _ = e.Close() })
	path := filepath.Join(t.TempDir(), "runs")
	items := make([]slow, n)
	for i := range items {
		items[i] = slow{N: i, Runs: path}
	}
	run := must(lambdapool.MapDetached(t.Context(), e, unhurried, items, lambdapool.ChunkSize(n), lambdapool.Parallel(1)))
	t.Cleanup(func() { _ = run.Close() })
	got, err := run.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != i {
			t.Errorf("call %d: %d", i, v)
		}
	}
	if ran := len(must(os.ReadFile(path))); ran != n {
		t.Errorf("%d runs of %d calls", ran, n)
	}
	if state := must(run.State(t.Context())); state.Succeeded != n || state.Deliveries < 2 {
		t.Errorf("%+v", state)
	}
}
