package isolate

import (
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// join maps the journal that this process was started with. Nil: it was not, or cannot.
func join() *Journal {
	for fd := journalFD; fd < afterFDs; fd++ {
		unix.CloseOnExec(fd)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(journalFD, &stat); err != nil {
		notef("join the supervisor: %v", err)
		return nil
	}
	mem, err := mapMemory(journalFD, int(stat.Size))
	if err != nil {
		notef("join the supervisor: %v", err)
		return nil
	}
	j := openJournal(mem)
	j.ring = func() { _, _ = unix.Write(bellFD, []byte{0}) } // the pipe is empty: it cannot block
	j.punch = func(from, to int) {
		_ = unix.Fallocate(journalFD, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(from), int64(to-from)) // else the pages stay
	}
	// The runtime duplicates the descriptor; the file is ours no longer.
	output := os.NewFile(outputFD, "output")
	if err := debug.SetCrashOutput(output, debug.CrashOptions{}); err != nil {
		notef("fatal errors are only in the log: %v", err)
	}
	_ = output.Close()
	return j
}
