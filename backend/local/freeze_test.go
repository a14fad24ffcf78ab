package local_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/backend/local"
)

// stopped says whether a process does not run until it is told to.
func stopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") T ")
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		if _, err := local.New(local.WithFreeze(true)); err == nil || !strings.Contains(err.Error(), "Linux only") {
			t.Errorf("elsewhere: %v", err)
		}
		return
	}
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithFreeze(true))
	first := result[[]int](t, do(t, b, job{Do: "spawn"}))
	for _, pid := range first {
		eventually(t, "the agent and its child are frozen", func() bool { return stopped(pid) })
	}
	if again := result[[]int](t, do(t, b, job{Do: "spawn"})); again[0] != first[0] {
		t.Errorf("agent %d after %d: it was to be thawed", again[0], first[0])
	}
	eventually(t, "it is frozen again", func() bool { return stopped(first[0]) })
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for _, pid := range first {
		eventually(t, "they are gone", func() bool { return !alive(pid) })
	}
}

// logTo has the life of the agents told to w.
func logTo(w io.Writer) local.Option { return local.WithLogger(slog.New(slog.NewTextHandler(w, nil))) }
