package service

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The machine's own limits are named with a way out.
func TestLimitsOfTheMachineAreNamed(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{syscall.EMFILE: "ulimit -n", syscall.EAGAIN: "fewer agents", syscall.ENOMEM: "fewer agents"} {
		if got := noResources(&os.PathError{Op: "pipe", Err: errno}).Message; !strings.Contains(got, want) {
			t.Errorf("%v: %s", errno, got)
		}
	}
	if wayOut(errors.New("other")) != "" {
		t.Error("other errors have a way out")
	}
}
