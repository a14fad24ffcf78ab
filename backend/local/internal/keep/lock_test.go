//go:build linux || darwin

package keep_test

import (
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
)

// One at a time has the directory, and the next as soon as it was given back.
func TestLock(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	for range 3 {
		first, second := open(t, path), open(t, path)
		if err := first.Lock(); err != nil {
			t.Fatal(err)
		}
		if err := second.Lock(); err == nil || !strings.Contains(err.Error(), "another process has this directory open") {
			t.Errorf("a second owner: %v", err)
		}
		if err := second.Unlock(); err != nil {
			t.Errorf("what was not taken: %v", err)
		}
		if err := second.Lock(); err == nil {
			t.Error("who did not have it has given it back")
		}
		if err := first.Unlock(); err != nil {
			t.Error(err)
		}
	}
	if err := (*keep.Dir)(nil).Unlock(); err != nil {
		t.Errorf("no directory: %v", err)
	}
}
