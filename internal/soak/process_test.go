package soak_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A process plays a part, until it ends or is killed.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	told  chan string   // lines of its stdout, a few
	ended chan struct{} // closed when it is gone
	err   error         // how it ended
}

// A stage is where the processes of one test play.
type stage struct {
	t      *testing.T
	logs   string
	enough time.Duration
	late   chan struct{} // closed when the test has lasted long enough

	mu    sync.Mutex
	all   []*process
	count atomic.Int64
}

// newStage makes a stage for a run of that many items. The test fails when it lasts four times as
// long as calls may wait.
func newStage(t *testing.T, items int) *stage {
	t.Helper()
	s := &stage{t: t, logs: t.ArtifactDir(), enough: 4 * startWithin(items), late: make(chan struct{})}
	timer := time.AfterFunc(s.enough, func() { close(s.late) })
	t.Cleanup(func() {
		timer.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range s.all {
			p.kill()
		}
	})
	return s
}

// start has a new process play p.
func (s *stage) start(p part) *process {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	proc := &process{cmd: exec.Command(exe), told: make(chan string, 16), ended: make(chan struct{})}
	proc.cmd.Env = append(os.Environ(), partVariable+"="+string(text))
	log, err := os.Create(filepath.Join(s.logs, fmt.Sprintf("%s-%03d.log", p.Play, s.count.Add(1))))
	if err != nil {
		panic(err)
	}
	defer log.Close()
	proc.cmd.Stderr = log
	out, err := proc.cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if proc.stdin, err = proc.cmd.StdinPipe(); err != nil {
		panic(err)
	}
	if err := proc.cmd.Start(); err != nil {
		panic(err)
	}
	s.mu.Lock()
	s.all = append(s.all, proc)
	s.mu.Unlock()
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case proc.told <- lines.Text():
			default: // more than anybody wants to know
			}
		}
		proc.err = proc.cmd.Wait()
		close(proc.told)
		close(proc.ended)
	}()
	return proc
}

// hears waits for the next thing that the process says.
func (p *process) hears() (string, error) {
	select {
	case line, ok := <-p.told:
		if ok {
			return line, nil
		}
		<-p.ended
		return "", fmt.Errorf("the process has ended: %w", p.err)
	case <-time.After(5 * time.Minute):
		return "", fmt.Errorf("the process says nothing")
	}
}

// kill ends the process as kill -9 does, if it has not ended, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.ended
}

// leave has the process end in its own way.
func (p *process) leave() error {
	_ = p.stdin.Close() // it may be gone
	<-p.ended
	return p.err
}

// until has a part played again and again until it comes to its own end. It is killed each
// time when patience is over, which begins when the process says so, or at once, and has no end
// below zero. until returns how often it killed, and how often before anything was said.
func (s *stage) until(p part, patience func() (from string, limit time.Duration)) (kills, silent int, err error) {
	for {
		said := false
		from, limit := patience()
		proc := s.start(p)
		var over <-chan time.Time
		if limit >= 0 && from == "" {
			over = time.After(limit)
		}
		for alive := true; alive; {
			select {
			case line, ok := <-proc.told:
				alive, said = ok, said || ok
				if ok && line == from && limit >= 0 {
					over = time.After(limit)
				}
			case <-over:
				proc.kill()
				alive = false
			case <-s.late:
				proc.kill()
				return kills, silent, fmt.Errorf("%s has come to no end in %v: see %s", p.Play, s.enough, s.logs)
			}
		}
		<-proc.ended
		switch code := proc.cmd.ProcessState.ExitCode(); code {
		case 0:
			return kills, silent, nil
		case -1:
			kills++
			if !said {
				silent++
			}
		default:
			return kills, silent, fmt.Errorf("%s has failed: %w: see %s", p.Play, proc.err, s.logs)
		}
	}
}
