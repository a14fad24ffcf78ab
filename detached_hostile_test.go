package lambdapool_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// Whoever can write a manifest can claim that its run is the largest there may be. Who looks at it takes
// memory for what is there.
func TestAManifestThatClaimsTooMuch(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	e := executor(t, b)
	run, err := lambdapool.MapDetached(t.Context(), e, square, []int{1, 2, 3}, lambdapool.RunName("honest"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	body, _, err := b.Store().Open(t.Context(), "index/honest")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	const calls = 1_000_000_000
	text := string(data)
	for old, claim := range map[string]string{`"id": "honest"`: `"id": "hostile"`, `"items": 3`: `"items": 1000000000`, `"chunk": 1`: `"chunk": 100`} {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		text = strings.Replace(text, old, claim, 1)
	}
	data = []byte(text)
	if err := b.Store().Put(t.Context(), "index/hostile", bytes.NewReader(data), int64(len(data)), sha256.Sum256(data)); err != nil {
		t.Fatal(err)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	hostile, err := lambdapool.Attach(t.Context(), e, square, "hostile")
	if err != nil {
		t.Fatal(err)
	}
	defer hostile.Close()
	state, err := hostile.State(t.Context())
	if err != nil || state.Queued != calls || len(state.Chunks) != 1<<16 {
		t.Errorf("%d queued, %d invocations, %v", state.Queued, len(state.Chunks), err)
	}
	for result := range hostile.Recorded(t.Context()) {
		t.Errorf("recorded: %+v", result)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	values, err := hostile.Wait(ctx)
	if values != nil || !errors.Is(err, lambdapool.ErrTimeout) {
		t.Errorf("%d values, %v", len(values), err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 128<<20 {
		t.Errorf("%d MB for a manifest of %d bytes", took>>20, len(data))
	}
}
