//go:build unix

package journal_test

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/journal"
)

// limitDisk has writes beyond 300 kB into a file fail, as on a full disk.
func limitDisk() error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 300_000, Max: 300_000})
}

// A run on a full disk stops, and one with room goes on after it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, lines := child(t, dir, "full")
	got, stopped := 0, ""
	for lines.Scan() {
		if lines.Text() == "got 10000" {
			got++
			continue
		}
		stopped += lines.Text()
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, stopped)
	}
	for _, part := range []string{"record test.stretch: journal: ", journal.File(dir, stretch.Name()), syscall.EFBIG.Error(), "run again"} {
		if !strings.Contains(stopped, part) {
			t.Errorf("the error %q does not say %q", stopped, part)
		}
	}
	if got == 0 || got > 30 {
		t.Errorf("%d results in 300 kB", got)
	}
	sizes := make([]int, 100)
	for i := range sizes {
		sizes[i] = 10_000
	}
	e := pool(t)
	results, err := lambdapool.Map(t.Context(), e, stretch, sizes, journal.WithJournal(dir))
	if err != nil || len(results) != 100 {
		t.Fatal(len(results), err)
	}
	if ran := int(executions.Load()); ran > 100-got || ran == 0 {
		t.Errorf("%d items were run after %d had been delivered", ran, got)
	}
}
