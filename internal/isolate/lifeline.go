package isolate

import (
	"io"
	"os"
	"strconv"
)

// WatchLifeline ends this process, and the group it leads, when the parent is gone, even in the
// middle of a call: SIGKILL lets nobody say goodbye. backend/local gives its agents one, so
// that none outlives a client that crashed. Without a lifeline it does nothing. Call it once.
func WatchLifeline() {
	value, ok := os.LookupEnv(Lifeline)
	if !ok {
		return
	}
	// Neither the variable nor the descriptor is for children of user functions.
	_ = os.Unsetenv(Lifeline)
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return
	}
	closeOnExec(fd)
	pipe := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, pipe)
		killGroup()
		os.Exit(1)
	}()
}
