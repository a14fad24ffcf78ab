package splits_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/journal"
	"github.com/lambdapool/lambdapool/splits"
)

// A run over splits goes on where it was although their links are signed anew: with a journal, and
// detached under its name.
func TestRunsOverSplitsGoOn(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	const text = "one  \ntwo  \nthree\nfour \n"
	if err := b.Store().Put(t.Context(), "in/a", strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text))); err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int32
	r := lambdapool.NewRegistry()
	first := lambdapool.RegisterIn(r, "first", func(ctx context.Context, s splits.Split) (string, error) {
		ran.Add(1)
		for line, err := range s.Lines(ctx) {
			return strings.TrimSpace(string(line)), err
		}
		return "", nil
	})
	pool, err := lambdapool.New(b, lambdapool.WithRegistry(r), lambdapool.WithWorkers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	parts := func() []splits.Split { // each time with other links: they tell when they end
		parts, err := splits.Collect(splits.Stored(t.Context(), b.Store(), "in/", splits.Size(6)))
		if err != nil || len(parts) != 4 {
			t.Fatalf("%v, %v", parts, err)
		}
		return parts
	}
	if one, other := parts()[0].Link.URL, parts()[0].Link.URL; one == other {
		t.Fatalf("both links are %s: this test shows nothing", one)
	}

	dir := t.TempDir()
	n := 0
	for range lambdapool.Stream(t.Context(), pool, first, func(yield func(splits.Split) bool) {
		for _, s := range parts() {
			if !yield(s) {
				return
			}
		}
	}, journal.WithJournal(dir), lambdapool.ChunkSize(1), lambdapool.Window(1)) {
		if n++; n == 2 {
			break
		}
	}
	before := ran.Load()
	values, err := lambdapool.Map(t.Context(), pool, first, parts(), journal.WithJournal(dir), lambdapool.ChunkSize(1))
	if want := "[one two three four]"; err != nil || fmt.Sprint(values) != want {
		t.Errorf("the second run: %v, %v; want %s", values, err, want)
	}
	if again := ran.Load() - before; again < 1 || again > 2 {
		t.Errorf("%d of 4 were run by the second run, although two or three were recorded", again)
	}

	one, err := lambdapool.MapDetached(t.Context(), pool, first, parts(), lambdapool.RunName("r"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	before = ran.Load()
	two, err := lambdapool.MapDetached(t.Context(), pool, first, parts(), lambdapool.RunName("r"))
	if err != nil {
		t.Fatalf("the run started again: %v", err)
	}
	if values, err := two.Wait(t.Context()); err != nil || fmt.Sprint(values) != "[one two three four]" || ran.Load() != before {
		t.Errorf("the run started again: %v, %v; %d calls were run again", values, err, ran.Load()-before)
	}
}
