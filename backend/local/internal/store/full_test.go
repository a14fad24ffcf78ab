package store

import (
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/lambdapool/lambdapool"
)

// A full disk is named with a way out, and is no reason to try again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	err := fullDisk(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	invoke, ok := errors.AsType[*lambdapool.InvokeError](err)
	if !ok || !invoke.Permanent || !errors.Is(err, errFull) || !strings.Contains(invoke.Hint, "free space") {
		t.Errorf("a full disk: %#v", err)
	}
	w := httptest.NewRecorder()
	notStored(w, httptest.NewRequest("PUT", "/", strings.NewReader("x")), err)
	if w.Code != 507 || !strings.Contains(w.Body.String(), "<Code>DiskFull</Code>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if other := errors.New("other"); fullDisk(other) != other { //nolint:errorlint // the very same
		t.Error("other errors are changed")
	}
}
