package isolate

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The descriptors that a worker is started with, after the standard ones.
const (
	journalFD = 3 + iota // the shared memory
	outputFD             // where the runtime repeats what it says of a fatal error
	bellFD               // wakes the supervisor
	afterFDs
)

// A supervisor starts workers, one at a time, and waits for them. It allocates little and runs
// none of the user's functions, so that it does not die of what kills a worker. Its memory is a
// part of the function's: see [Reserve].
type supervisor struct {
	journal        *Journal
	path           string
	env            []string
	files          []uintptr
	output         int // descriptor
	bell           int // read end
	memory         int64
	kills          int64 // by the kernel for want of memory, in this group, before the worker was started
	restarts       int
	progressBefore uint64

	mu      sync.Mutex
	pid     int       // 0: no worker is alive
	stopped time.Time // when the watch last killed a worker
	ending  bool      // the platform wants us to end
}

// supervise makes a supervisor of this process, and then never returns. It returns
// when it cannot: then the process serves alone, as it would without isolation.
func supervise() {
	s := &supervisor{memory: variable(memoryVariable, 0) << 20}
	if err := s.prepare(int(variable(concurrencyVariable, 1))); err != nil {
		notef("isolation is off: a crash ends the whole agent: %v", err)
		return
	}
	WatchLifeline()
	if err := s.start(); err != nil {
		notef("isolation is off: a crash ends the whole agent: start a worker: %v", err)
		return
	}
	go s.forward()
	go s.watch()
	s.kills = memoryKills()
	for {
		s.ended(s.await())
	}
}

// variable reads a number from the environment; what is none is as good as absent.
func variable(name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(os.Getenv(name), 10, 64)
	if err != nil || n < 1 || n > 1<<30 {
		return otherwise
	}
	return n
}

// note writes a line into the function's log.
func notef(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "lambdapool: agent: "+format+"\n", args...)
}

// prepare gets what a worker needs and this system may not have.
func (s *supervisor) prepare(concurrency int) error {
	// What a worker leaves behind becomes our child, and ends with it.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // else it ends with us, at the latest
	shared, l, err := shareMemory(layoutFor(s.memory, concurrency))
	if err != nil {
		return err
	}
	mem, err := mapMemory(shared, l.size())
	if err != nil {
		return err
	}
	s.journal = newJournal(mem, l)
	if s.output, err = anonymous("lambdapool-output"); err != nil {
		return fmt.Errorf("memory for fatal errors: %w", err)
	}
	var bell [2]int
	if err := unix.Pipe2(bell[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	s.bell = bell[0]
	s.files = []uintptr{0, 1, 2, journalFD: uintptr(shared), outputFD: uintptr(s.output), bellFD: uintptr(bell[1])}
	s.path = "/proc/self/exe" // also when another file is at its path by now
	if _, err := os.Stat(s.path); err != nil {
		if s.path, err = os.Executable(); err != nil {
			return err
		}
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if name != Variable && name != Lifeline {
			s.env = append(s.env, entry)
		}
	}
	s.env = append(s.env, Variable+"="+worker)
	return nil
}

// start starts a worker. The kernel kills it when this thread ends; as initialization
// runs on the main thread, that is when this process does.
func (s *supervisor) start() error {
	s.journal.head.workers.Add(1)
	s.progressBefore = s.journal.head.progress.Load()
	pid, err := syscall.ForkExec(s.path, os.Args, &syscall.ProcAttr{ //nolint:gosec // this very program
		Env: s.env, Files: s.files, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
	if s.ending {
		s.signal(syscall.SIGTERM)
	}
	return nil
}

// signal sends a signal to the worker. The caller holds the lock.
func (s *supervisor) signal(sig syscall.Signal) {
	if s.pid > 0 {
		_ = syscall.Kill(s.pid, sig)
	}
}

// forward passes on SIGTERM, which Lambda sends before it ends an environment.
func (s *supervisor) forward() {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	for range terminate {
		s.mu.Lock()
		s.ending = true
		s.signal(syscall.SIGTERM)
		s.mu.Unlock()
	}
}

// watch kills the worker when it does not answer in time. It knows that from the journal: the
// worker itself may be stuck in a way that lets no goroutine run.
func (s *supervisor) watch() {
	var stopped time.Time
	for {
		now := time.Now()
		kill, look := s.journal.nextKill(now, stopped)
		switch {
		case look.IsZero():
			s.sleep()
		case !kill.IsZero() && !now.Before(kill):
			stopped = now
			s.mu.Lock()
			if s.pid > 0 {
				s.stopped = now
			}
			s.signal(syscall.SIGKILL)
			s.mu.Unlock()
		case !kill.IsZero() && kill.Before(look):
			<-time.After(kill.Sub(now))
		default:
			<-time.After(look.Sub(now))
		}
	}
}

// sleep blocks until an invocation begins, so that an idle environment costs nothing. The
// worker rings only if it finds asleep set, and clears it: the pipe never fills.
func (s *supervisor) sleep() {
	asleep := &s.journal.head.asleep
	asleep.Store(1)
	if _, look := s.journal.nextKill(time.Now(), time.Time{}); !look.IsZero() {
		if asleep.CompareAndSwap(1, 0) {
			return // it began in between, and does not ring
		}
	}
	var b [1]byte
	for {
		if _, err := syscall.Read(s.bell, b[:]); err != syscall.EINTR {
			return
		}
	}
}

// await blocks until the worker has ended, and returns how. It reaps whatever else ends.
func (s *supervisor) await() (status syscall.WaitStatus, used syscall.Rusage) {
	for {
		// Without reaping, so that the worker's id is its own while somebody may send it a signal.
		if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil); err == unix.EINTR {
			continue
		}
		if s.reap(&status, &used) {
			return status, used
		}
	}
}

// reap takes leave of children that have ended, and reports whether the worker was among them.
func (s *supervisor) reap(status *syscall.WaitStatus, used *syscall.Rusage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var ws syscall.WaitStatus
		var ru syscall.Rusage
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, &ru)
		switch {
		case err == syscall.EINTR:
		case pid <= 0:
			return false
		case pid == s.pid:
			*status, *used, s.pid = ws, ru, 0
			return true
		}
	}
}

// ended starts another worker, or ends as the last one did when another would not help: when
// the environment ends, or when the worker had begun nothing.
func (s *supervisor) ended(status syscall.WaitStatus, used syscall.Rusage) {
	s.mu.Lock()
	stopped, ending := !s.stopped.IsZero(), s.ending
	s.stopped = time.Time{}
	s.mu.Unlock()
	killOrphans()
	d := Death{
		Status: describe(status), Stopped: stopped && status.Signaled() && status.Signal() == syscall.SIGKILL,
		Output: s.takeOutput(), Peak: used.Maxrss << 10,
	}
	kills := memoryKills()
	d.OutOfMemory = !d.Stopped && outOfMemory(status, d, s.memory, kills > s.kills)
	s.kills = kills
	progress := s.journal.head.progress.Load() != s.progressBefore
	retired := s.journal.head.retiring.Swap(0) != 0
	if ending || !progress && !d.Stopped {
		// It ended as asked, or before it had begun anything: so would the next one.
		exitLike(status)
	}
	s.journal.setDeath(d)
	s.restarts++
	switch {
	case retired:
		notef("a new process takes over (%d): a function ignored that its time was up", s.restarts)
	case d.Stopped:
		notef("the process was stopped, since time was up and it did not answer; another goes on (%d)", s.restarts)
	default:
		notef("the process ended (%s); another goes on (%d)", d.Status, s.restarts)
	}
	if err := s.start(); err != nil {
		notef("start a worker: %v", err)
		exitLike(status)
	}
}

// takeOutput returns what the runtime wrote of a fatal error, if any, and forgets it.
func (s *supervisor) takeOutput() string {
	buf := make([]byte, maxOutput)
	n, err := unix.Pread(s.output, buf, 0)
	if err != nil || n == 0 {
		return ""
	}
	_ = unix.Ftruncate(s.output, 0) // else the next one reads longer than it should
	_, _ = unix.Seek(s.output, 0, 0)
	return strings.ToValidUTF8(string(buf[:n]), "\uFFFD")
}

// describe says how a process has ended, in the words of Go's os/exec.
func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return "exit status " + strconv.Itoa(status.ExitStatus())
}

// exitLike ends this process as the worker has ended.
func exitLike(status syscall.WaitStatus) {
	if status.Signaled() {
		switch sig := status.Signal(); sig {
		case syscall.SIGTERM:
			signal.Reset(sig)
			fallthrough
		case syscall.SIGKILL:
			_ = syscall.Kill(os.Getpid(), sig)
			<-time.After(time.Second) // it may reach another thread first
		}
		const killed = 128 // plus the signal, as shells have it: others would make this process tell of its own stacks
		os.Exit(killed + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
}
