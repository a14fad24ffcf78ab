//go:build linux || darwin

package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A Spawner starts processes on one thread that lives as long as the spawner:
// Linux ends a child with Pdeathsig when the thread that created it ends, not
// the process, and the Go runtime ends threads whenever it likes.
type Spawner struct {
	starts   chan func()
	lifeline *os.File // read end: agents inherit it and exit when it reports EOF
	held     *os.File // write end: only this process has it, so that its end closes it, however it ends
}

// NewSpawner makes one without processes. The caller closes it.
func NewSpawner() (*Spawner, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &Spawner{starts: make(chan func()), lifeline: r, held: w}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for start := range s.starts {
			start()
		}
	}()
	return s, nil
}

// Close ends the thread. No start may be under way and no process alive.
func (s *Spawner) Close() {
	close(s.starts)
	_ = s.held.Close()
	_ = s.lifeline.Close()
}

// A command says what to start.
type command struct {
	path string // "" for this very executable
	dir  string
	env  []string
}

// A process is a running agent, the leader of its own process group.
type process struct {
	cmd    *exec.Cmd
	pid    int
	output *os.File // read end of its stdout and stderr

	mu     sync.Mutex
	reaped bool // its pid, and so its group's, may belong to another from now on
}

// start runs the command with stdout and stderr on one pipe, and the lifeline
// as file 3.
func (s *Spawner) start(c command) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path:        c.path,
		Args:        []string{filepath.Base(c.path)},
		Dir:         c.dir,
		Env:         c.env,
		Stdout:      w,
		Stderr:      w,
		ExtraFiles:  []*os.File{s.lifeline},
		SysProcAttr: processAttributes(c.path != ""),
	}
	if c.path == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, errors.Join(err, r.Close(), w.Close())
		}
		cmd.Path, cmd.Args = thisExecutable(self), []string{filepath.Base(self)}
	}
	done := make(chan error)
	s.starts <- func() { done <- cmd.Start() }
	err = <-done
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return &process{cmd: cmd, pid: cmd.Process.Pid, output: r}, nil
}

// kill ends the process and all it started, at once. It does not wait.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

// suspend stops the process and all it started, until resume: none of their
// instructions runs meanwhile, as in Lambda's frozen environments.
func (p *process) suspend() { p.signal(syscall.SIGSTOP) }

func (p *process) resume() { p.signal(syscall.SIGCONT) }

// signal reaches the process and all it started, but for what has left its group.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.pid, s) // ESRCH: it is gone already
	}
}

// killMember ends another process of the group, at once, and reports whether it was one.
func (p *process) killMember(pid int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return false
	}
	group, err := syscall.Getpgid(pid)
	return err == nil && group == p.pid && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// How long what was killed may take to end, and how often it is looked for: the kernel
// first frees its memory, and a busy machine has other things to do.
const (
	lingering  = time.Minute
	lingerStep = time.Millisecond
)

// wait blocks until the process has ended, ends what it left behind, and
// returns how it ended: "exit status 3", "signal: killed". Called once.
func (p *process) wait() *os.ProcessState {
	awaitExit(p.pid) // without reaping, so that the group's id still is its own
	p.kill()
	p.mu.Lock()
	_ = p.cmd.Wait() // an exit status is no error here: the caller reads the state
	p.reaped = true
	p.mu.Unlock()
	// The others are not our children, so nobody tells us of their end. The group's id is
	// nobody else's as long as one of them is left.
	for left := lingering; left > 0 && populated(p.pid); left -= lingerStep {
		<-time.After(lingerStep)
	}
	return p.cmd.ProcessState
}

// populated reports whether a process of the group lives.
func populated(group int) bool {
	return syscall.Kill(-group, 0) == nil && anyAlive(group)
}

// Unusable says that the program itself, not this machine's state, is why err
// came from start.
func Unusable(err error) bool {
	for _, reason := range []syscall.Errno{syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.ENOEXEC, syscall.ENOTDIR, syscall.EISDIR} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}
