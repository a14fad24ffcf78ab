//go:build unix

package agent_test

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

func init() {
	// What a child of a user's function inherits of the lifeline.
	lambdapool.RegisterFunc("test.inherited", func(int) (string, error) {
		out, err := exec.Command("/bin/sh", "-c", `echo "${LAMBDAPOOL_LIFELINE_FD-unset}"; if (: <&3) 2>/dev/null; then echo open; else echo closed; fi`).Output()
		return string(out), err
	})
	// A function with a child process that outlives everything but its group. It
	// says on descriptor 4 that it is there.
	lambdapool.RegisterFunc("test.child", func(int) error {
		return exec.Command("/bin/sh", "-c", "echo >&4; sleep 300").Run()
	})
}

// detach starts a process as the leader of its own group.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// lifeline returns a pipe as backend/local makes it.
func lifeline(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = read.Close()
		_ = write.Close()
	})
	return read, write
}

const lifelineVariable = "LAMBDAPOOL_LIFELINE_FD=3"

// The end of the lifeline ends an agent, idle or in the middle of a call.
func TestLifeline(t *testing.T) {
	for _, name := range []string{"idle", "busy"} {
		t.Run(name, func(t *testing.T) {
			read, write := lifeline(t)
			p := start(t, []*os.File{read}, lifelineVariable)
			if got := result[int](t, only(t, p.call("test.double", 1))); got != 2 {
				t.Errorf("double(1) = %d", got)
			}
			if _, err := io.WriteString(write, "still here"); err != nil {
				t.Fatal(err)
			}
			p.call("test.double", 1)
			if name == "busy" {
				p.send(encode(t, request(t, lambdapool.DefaultRegistry, "test.block", 0)))
			}
			if err := write.Close(); err != nil {
				t.Fatal(err)
			}
			if status, ok := p.ends().Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
				t.Errorf("the agent ended with %v, want it killed with its group", p.process.ProcessState)
			}
		})
	}
}

// Children of user functions go with the agent.
func TestLifelineEndsChildren(t *testing.T) {
	read, write := lifeline(t)
	alive, held := lifeline(t) // the agent and its child hold the other end
	p := start(t, []*os.File{read, held}, lifelineVariable, "PATH="+os.Getenv("PATH"))
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	p.send(encode(t, request(t, lambdapool.DefaultRegistry, "test.child", 0)))
	if err := alive.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(alive, make([]byte, 1)); err != nil {
		t.Fatalf("the child does not start: %v", err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	p.ends()
	if _, err := io.Copy(io.Discard, alive); err != nil {
		t.Errorf("the child lives on: %v", err)
	}
}

func TestLifelineIsNotInherited(t *testing.T) {
	read, _ := lifeline(t)
	p := start(t, []*os.File{read}, lifelineVariable)
	if got, want := result[string](t, only(t, p.call("test.inherited", 0))), "unset\nclosed\n"; got != want {
		t.Errorf("a child of a function has the lifeline's variable and descriptor: %q, want %q", got, want)
	}
}
