package httpagent_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/httpagent"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

const token = "0123456789abcdef0123456789abcdef"

func TestMain(m *testing.M) {
	if os.Getenv(platform) != "" {
		restart()
	}
	agent.Main()
	if err := os.Setenv("LAMBDAPOOL_TOKEN", token); err != nil { // for all tests, so that they can run in parallel
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	apart.Waiting(4)
	noleak.Main(m)
}

// platform, in the environment, makes a process of this executable what keeps an agent alive: it starts
// one again when it has ended, at the same address, as container platforms do.
const platform = "TEST_PLATFORM"

func restart() {
	_ = os.Unsetenv(platform)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-stop:
			_ = cmd.Process.Kill()
			<-ended
			os.Exit(0)
		}
	}
}

// address returns an address that the system found to be free.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A process is an agent behind HTTP, this very executable, or what keeps one alive.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
	log string // the file that it writes to
}

var serving = regexp.MustCompile(`serving HTTP on (\S+)\n`)

// spawn starts an agent on a port of the system's choice. It leaves no goroutine.
func spawn(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{t: t, log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "LAMBDAPOOL_AGENT=http", "LAMBDAPOOL_ADDRESS=127.0.0.1:0", "LAMBDAPOOL_TOKEN="+token)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // a platform ends its agent with itself
		p.ended()
	})
	eventually(t, "the agent serves", func() bool {
		m := serving.FindStringSubmatch(p.said())
		if m != nil {
			p.url = "http://" + m[1]
		}
		return m != nil
	})
	return p
}

func (p *process) said() string {
	p.t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// patience is when a test gives up, on whatever machine.
const patience = 3 * time.Minute

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// ended waits until the process has ended by itself, and returns how.
func (p *process) ended() *os.ProcessState {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() {
		p.t.Errorf("the process does not end: %s", p.said())
		_ = p.cmd.Process.Kill()
	})
	defer timer.Stop()
	_ = p.cmd.Wait()
	return p.cmd.ProcessState
}

func (p *process) term() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// open makes a backend on url that ends with t. Its token is that of TestMain, unless opts give another.
func open(t *testing.T, url string, opts ...httpagent.Option) *httpagent.Backend {
	t.Helper()
	b, err := httpagent.New(t.Context(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func executor(t *testing.T, b lambdapool.Backend, opts ...lambdapool.Option) *lambdapool.Executor {
	t.Helper()
	e, err := lambdapool.New(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

type order struct {
	Do string
	N  int
}

var work = lambdapool.Register("httpagent.work", func(ctx context.Context, o order) (int, error) {
	switch o.Do {
	case "exit":
		os.Exit(o.N)
	case "ignore":
		time.Sleep(time.Duration(o.N) * time.Millisecond)
	case "wait", "say and wait":
		if o.Do != "wait" {
			fmt.Fprintln(os.Stderr, "it runs")
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Duration(o.N) * time.Millisecond):
		}
	case "":
	default:
		return 0, fmt.Errorf("unknown order %q", o.Do)
	}
	return os.Getpid(), nil
})
