package agent

import (
	"io"
	"os"
	"strconv"
)

// lifelineFD names a file descriptor, the read end of a pipe whose write end
// only the parent holds. Its end of file is the parent's end, however it came
// about: SIGKILL lets nobody say goodbye.
const lifelineFD = "LAMBDAPOOL_LIFELINE_FD"

// watchLifeline ends this process, and the group it leads, when the parent is
// gone, even in the middle of a call. Without a lifeline it does nothing.
func watchLifeline() {
	value, ok := os.LookupEnv(lifelineFD)
	if !ok {
		return
	}
	// Neither the variable nor the descriptor is for children of user functions.
	_ = os.Unsetenv(lifelineFD)
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
