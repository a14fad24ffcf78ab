package local_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
)

var pid = lambdapool.Register("local_test.PID", func(context.Context, int) (int, error) { return os.Getpid(), nil })

// family starts a child in a group of the agent's, and stays.
var family = lambdapool.Register("local_test.Family", func(_ context.Context, path string) (int, error) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if err := appendTo(path, fmt.Sprintf("%d %d\n", os.Getpid(), cmd.Process.Pid)); err != nil {
		return 0, err
	}
	time.Sleep(time.Hour)
	return 0, nil
})

// parentKind says, in the environment of this test binary, which parent of
// agents it is to be.
const parentKind = "TEST_PARENT"

// parent has agents busy and idle, says who they are, and ends as it is told.
func parent() {
	kind := os.Getenv(parentKind)
	os.Unsetenv(parentKind)
	if kind == "forgetful" {
		_, err := local.New()
		fmt.Println(err)
		os.Exit(0)
	}
	if how, ok := strings.CutPrefix(kind, "server "); ok {
		serverParent(how)
	}
	if kind == "keeper" {
		keeper(os.Getenv("TEST_DATA"), os.Getenv("TEST_OUT"))
	}
	agent.Main()
	opts := []local.Option{local.WithConcurrency(2)}
	if strings.HasPrefix(kind, "binary ") {
		opts = append(opts, local.WithBinary(must(os.Executable())))
	}
	b := must(local.New(opts...))
	e := must(lambdapool.New(b))
	path := os.Getenv("TEST_FILE")
	lambdapool.Submit(context.Background(), e, family, path)
	for {
		if data, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(data), "\n") {
			fmt.Print(strings.ReplaceAll(string(data), " ", "\n"))
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(must(lambdapool.Call(context.Background(), e, pid, 0)))
	fmt.Println(b.Endpoint())
	switch _, how, _ := strings.Cut(kind, " "); how {
	case "panics":
		panic("on purpose")
	case "exits":
		os.Exit(0)
	default:
		select {}
	}
}

func TestNothingOutlivesTheParent(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"own", "binary"} {
		for how, sig := range map[string]os.Signal{
			"killed": syscall.SIGKILL, "terminated": syscall.SIGTERM, "interrupted": syscall.SIGINT,
			"panics": nil, "exits": nil,
		} {
			t.Run(program+" "+how, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(must(os.Executable()))
				cmd.Env = append(os.Environ(), parentKind+"="+program+" "+how, "TEST_FILE="+t.TempDir()+"/pids")
				out := must(cmd.StdoutPipe())
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				var busy, child, idle int
				var endpoint string
				if n, err := fmt.Fscan(bufio.NewReader(out), &busy, &child, &idle, &endpoint); n != 4 {
					t.Fatalf("the parent said %d of 4 things: %v", n, err)
				}
				if how == "killed" { // frozen it hears of nothing
					if err := freeze(idle); err != nil {
						t.Fatal(err)
					}
				}
				if sig != nil {
					if err := cmd.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
				}
				_ = cmd.Wait() // it ends as it was told, which is no success for most
				eventually(t, "the busy agent is gone", func() bool { return !alive(busy) })
				eventually(t, "the idle agent is gone", func() bool { return !alive(idle) })
				if program == "binary" { // nobody has promised that its child is gone
					_ = kill(child)
				}
				eventually(t, "the busy agent's child is gone", func() bool { return !alive(child) })
			})
		}
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	b := open(t, local.WithConcurrency(2))
	e := must(lambdapool.New(b))
	path := t.TempDir() + "/pids"
	call := lambdapool.Submit(t.Context(), e, family, path)
	var busy, child int
	eventually(t, "a function is running", func() bool {
		data, _ := os.ReadFile(path)
		n, _ := fmt.Sscan(string(data), &busy, &child)
		return n == 2 && strings.HasSuffix(string(data), "\n")
	})
	idle := must(lambdapool.Call(t.Context(), e, pid, 0))
	raw := make(chan reply, 1)
	go func() {
		r, err := try(t, b, request{body: []byte(`"not for lambdapool"`)})
		if err != nil {
			r.body = err.Error()
		}
		raw <- r
	}()
	<-raw
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if alive(busy) || alive(idle) || alive(child) {
				t.Errorf("after Close: busy %v, idle %v, child %v", alive(busy), alive(idle), alive(child))
			}
		})
	}
	wg.Wait()
	_, err := call.Result(t.Context())
	if poolErr := (*lambdapool.PoolError)(nil); !errors.As(err, &poolErr) || !errors.Is(err, lambdapool.ErrClosed) {
		t.Errorf("the call in flight: %v", err)
	}
	_, err = b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte("1")})
	if invokeErr := (*lambdapool.InvokeError)(nil); !errors.As(err, &invokeErr) || invokeErr.Kind != lambdapool.ErrClosed || invokeErr.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("Invoke after Close: %v", err)
	}
	if _, err := try(t, b, request{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the port after Close: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// A caller that is not the pool hears about Close as the service would say it.
func TestCloseAnswersCallersInFlight(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1), local.WithTimeout(15*time.Minute))
	out := t.TempDir() + "/started"
	answer := make(chan reply)
	go func() {
		r, err := try(t, b, request{body: must(json.Marshal(job{Do: "touch and sleep", Text: out, N: 900_000}))})
		if err != nil {
			r.body = err.Error()
		}
		answer <- r
	}()
	eventually(t, "the function runs", func() bool { _, err := os.Stat(out); return err == nil })
	began := time.Now()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Minute { // a third of what the function takes
		t.Errorf("Close took %v", took)
	}
	if r := <-answer; r.status != 500 || r.errorType() != "ServiceException" || !strings.Contains(r.body, "the backend was closed while the function ran") {
		t.Errorf("%d %s %s", r.status, r.errorType(), r.body)
	}
}

func TestCloseWhileAgentsStart(t *testing.T) {
	t.Parallel()
	for range 20 {
		b := open(t, as("handler"), local.WithConcurrency(8))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _, _ = try(t, b, request{body: []byte("1")}) })
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

func TestForgottenMain(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), parentKind+"=forgetful")
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "main must call agent.Main() as its first line") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAgentsStartNoAgents(t *testing.T) {
	t.Setenv("LAMBDAPOOL_LOCAL_AGENT", "1")
	for _, opts := range [][]local.Option{nil, {local.WithBinary(must(os.Executable()))}} {
		if _, err := local.New(opts...); err == nil || !strings.Contains(err.Error(), "this process is an agent") {
			t.Errorf("New: %v", err)
		}
	}
}

// A program that was rebuilt, or removed, since it started is still its own agent.
func TestExecutableMayBeRemoved(t *testing.T) {
	t.Parallel()
	copied := t.TempDir() + "/program"
	// Another process writes it: a child of this one, forked meanwhile, would keep a file busy
	// that this one has open.
	if out, err := exec.Command("cp", must(os.Executable()), copied).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	cmd := exec.Command(copied)
	cmd.Env = append(os.Environ(), parentKind+"=own exits", "TEST_FILE="+t.TempDir()+"/pids")
	out := must(cmd.StdoutPipe())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	var busy, child int
	if n, err := fmt.Fscan(bufio.NewReader(out), &busy, &child); n != 2 {
		t.Errorf("no agent: %v", err)
	}
	_ = cmd.Wait() // a broken pipe may have ended it
	eventually(t, "the agent and its child are gone", func() bool { return !alive(busy) && !alive(child) })
}
