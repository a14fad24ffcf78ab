//go:build linux

package agent_test

import (
	"bytes"
	"os/exec"
	"os/signal"
	"time"

	"context"
	"errors"
	"fmt"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// isolated is what whoever starts an agent sets.
const isolated = "LAMBDAPOOL_ISOLATION=on"

// A deed is what an item does to its process.
type deed struct {
	Do    string
	Index int
	Runs  string // a file that gets a line for each run
}

func init() {
	lambdapool.RegisterFunc("test.pid", func(int) int { return os.Getpid() })
	lambdapool.RegisterFunc("test.onTerm", func(int) int {
		terminate := make(chan os.Signal, 1)
		signal.Notify(terminate, syscall.SIGTERM)
		go func() {
			<-terminate
			fmt.Fprintln(os.Stderr, "asked to end")
			os.Exit(5)
		}()
		return 0
	})
	lambdapool.RegisterFunc("test.platform", func(ctx context.Context, last int) (string, error) {
		if last == 0 {
			os.Exit(9)
		}
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		if left := time.Until(deadline); left <= 0 || left > patience {
			return "", fmt.Errorf("%v are left", left)
		}
		return strings.Join([]string{lc.AwsRequestID, lc.InvokedFunctionArn, lc.ClientContext.Custom["for"], os.Getenv("_X_AMZN_TRACE_ID"), fmt.Sprint(ctx.Value("x-amzn-trace-id"))}, " "), nil
	})
	lambdapool.RegisterFunc("test.bulk", func(mb int) []byte {
		if mb == 0 {
			os.Exit(9)
		}
		return make([]byte, mb<<20)
	})
	lambdapool.Register("test.deed", func(_ context.Context, d deed) (int, error) {
		if err := noteRun(d); err != nil {
			return 0, err
		}
		switch d.Do {
		case "exit":
			os.Exit(9)
		case "exit 0":
			os.Exit(0)
		case "goexit":
			runtime.Goexit()
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case "stack":
			return overflow(d.Index), nil
		case "maps":
			m := map[int]int{}
			for range 4 {
				go func() {
					for i := 0; ; i++ {
						m[i%8] = i
					}
				}()
			}
			select {}
		case "panic elsewhere":
			go panic("in a goroutine of its own")
			select {}
		case "stop":
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			select {} // the call may return before the process stops
		case "ignore":
			select {}
		case "spawn":
			child := exec.Command("/bin/sleep", "300")
			if err := child.Start(); err != nil {
				return 0, err
			}
			if err := os.WriteFile(d.Runs+".child", []byte(strconv.Itoa(child.Process.Pid)), 0o600); err != nil {
				return 0, err
			}
			os.Exit(9)
		case "hoard":
			hoarded = bytes.Repeat([]byte{1}, 250<<20)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case "fail":
			return 0, fmt.Errorf("item %d fails", d.Index)
		}
		return d.Index * 10, nil
	})
}

var hoarded []byte

func noteRun(d deed) error {
	file, err := os.OpenFile(d.Runs, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%d\n", d.Index)
	return errors.Join(err, file.Close())
}

//go:noinline
func overflow(n int) int {
	var room [1 << 10]int
	room[n%len(room)] = n
	if n < 0 {
		return n
	}
	return overflow(n+1) + room[(n+1)%len(room)]
}

// runsOf counts the runs of each item.
func runsOf(t *testing.T, path string) map[int]int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	runs := map[int]int{}
	for line := range strings.Lines(string(data)) {
		i, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		runs[i]++
	}
	return runs
}

// deeds makes a chunk of n items, of which some do something special.
func deeds(t *testing.T, n, parallel int, special map[int]string) (req *codec.Request, runs string) {
	t.Helper()
	runs = filepath.Join(t.TempDir(), "runs")
	args := make([]any, n)
	for i := range args {
		args[i] = deed{Do: special[i], Index: i, Runs: runs}
	}
	req = request(t, lambdapool.DefaultRegistry, "test.deed", args...)
	req.Parallel = parallel
	return req, runs
}

// chunk sends a request and returns the agent's reply.
func (p *platform) chunk(req *codec.Request) *codec.Reply {
	p.t.Helper()
	id := p.send(encode(p.t, req))
	a := p.answer()
	if a.id != id || a.verb != "response" {
		p.t.Fatalf("the answer to %s is %s of %s: %.500s", id, a.verb, a.id, a.body)
	}
	return decodeReply(p.t, a.body)
}

// What kills the process takes with it what ran at that moment, and nothing else. No item
// runs twice, and the environment lives on.
func TestDeathTakesOnlyWhatRan(t *testing.T) {
	const n, culprit = 40, 17
	for _, tt := range []struct {
		do, message, output string
		kind                codec.ErrorKind
	}{
		{"exit", "the agent's process ended while the item ran: exit status 9", "", codec.KindCrashed},
		{"exit 0", "exit status 0", "", codec.KindCrashed},
		{"kill", "signal: killed", "", codec.KindCrashed},
		{"stack", "exit status 2: stack overflow", "agent_test.overflow", codec.KindCrashed},
		{"maps", "exit status 2: concurrent use of a map", "agent_test.init", codec.KindCrashed},
		{"panic elsewhere", "exit status 2: panic: in a goroutine of its own", "agent_test.init", codec.KindCrashed},
	} {
		for _, parallel := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s at %d", tt.do, parallel), func(t *testing.T) {
				p := start(t, nil, isolated, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256")
				req, runs := deeds(t, n, parallel, map[int]string{culprit: tt.do, 3: "goexit", 5: "fail"})
				reply := p.chunk(req)
				crashed := 0
				for i, item := range reply.Items {
					switch {
					case item.Err == nil:
						if got := result[int](t, item); got != i*10 || i == culprit {
							t.Errorf("item %d is %d", i, got)
						}
					case item.Err.Kind == codec.KindFunction && (i == 3 || i == 5):
					case item.Err.Kind == tt.kind && strings.Contains(item.Err.Message, tt.message) && strings.Contains(item.Err.Stack, tt.output):
						crashed++
					default:
						t.Errorf("item %d: %+v", i, item.Err)
					}
				}
				if reply.Items[culprit].Err == nil || crashed < 1 || crashed > parallel {
					t.Errorf("%d items are lost, want at most the %d that ran at once", crashed, parallel)
				}
				for i, times := range runsOf(t, runs) {
					if times != 1 {
						t.Errorf("item %d ran %d times", i, times)
					}
				}
				if got := result[int](t, only(t, p.call("test.double", 21))); got != 42 {
					t.Errorf("afterwards double(21) = %d", got)
				}
				if log := p.output(); !strings.Contains(log, "another goes on (1)") {
					t.Errorf("the log does not tell of it:\n%s", log)
				}
			})
		}
	}
}

// Several items of a chunk that kill their process cost as many processes.
func TestManyDeaths(t *testing.T) {
	const n = 30
	p := start(t, nil, isolated)
	special := map[int]string{}
	for i := 0; i < n; i += 3 {
		special[i] = "exit"
	}
	req, runs := deeds(t, n, 1, special)
	for i, item := range p.chunk(req).Items {
		if lost := item.Err != nil; lost != (i%3 == 0) || lost && item.Err.Kind != codec.KindCrashed {
			t.Errorf("item %d: %+v", i, item.Err)
		}
	}
	if got := len(runsOf(t, runs)); got != n {
		t.Errorf("%d items ran", got)
	}
}

// What was set to off, or not at all, is as it was: the process ends.
func TestWithoutIsolation(t *testing.T) {
	for _, env := range []string{"LAMBDAPOOL_ISOLATION=off", "LAMBDAPOOL_ISOLATION=", "OTHER=1"} {
		p := start(t, nil, env)
		req, _ := deeds(t, 3, 1, map[int]string{1: "exit"})
		p.send(encode(t, req))
		if state := p.ends(); state.ExitCode() != 9 {
			t.Errorf("%s: it ended with %v", env, state)
		}
		if strings.Contains(p.output(), "lambdapool: agent") {
			t.Errorf("%s: the log:\n%s", env, p.output())
		}
	}
}

// A process that cannot even be started ends the agent, as it does without isolation.
func TestDeathBeforeTheFirstItem(t *testing.T) {
	p := start(t, nil, isolated, "TEST_DIES_AT_START=1")
	if state := p.ends(); state.ExitCode() != 3 {
		t.Errorf("it ended with %v", state)
	}
	if log := p.output(); strings.Contains(log, "another goes on") {
		t.Errorf("it was started again:\n%s", log)
	}
}

// kinds says of each item of a reply what it ended in: 0 is a value.
func kinds(reply *codec.Reply) (all []codec.ErrorKind) {
	for _, item := range reply.Items {
		kind := codec.ErrorKind(0)
		if item.Err != nil {
			kind = item.Err.Kind
		}
		all = append(all, kind)
	}
	return all
}

// A process that is stuck as a whole is killed before its time is up, and what had ended keeps its value.
func TestStuckProcessIsStopped(t *testing.T) {
	p := start(t, nil, isolated)
	req, _ := deeds(t, 4, 1, map[int]string{2: "stop"})
	p.invokes <- invocation{"stuck", encode(t, req), 800 * time.Millisecond}
	reply := decodeReply(t, p.answer().body)
	if got, want := kinds(reply), []codec.ErrorKind{0, 0, codec.KindTimeout, codec.KindNotBegun}; !slices.Equal(got, want) {
		t.Errorf("the items ended in %v, want %v", got, want)
	}
	if e := reply.Items[2].Err; e == nil || !strings.Contains(e.Message, "whose process was stopped") {
		t.Errorf("the stuck item: %+v", e)
	}
	if got := result[int](t, only(t, p.call("test.double", 21))); got != 42 {
		t.Errorf("afterwards double(21) = %d", got)
	}
}

// A function that ignores that its time is up is answered for, and then really ends.
func TestIgnoringFunctionEnds(t *testing.T) {
	p := start(t, nil, isolated)
	before := result[int](t, only(t, p.call("test.pid", 0)))
	req, _ := deeds(t, 3, 1, map[int]string{1: "ignore"})
	p.invokes <- invocation{"ignored", encode(t, req), time.Second}
	a := p.answer()
	if got, want := kinds(decodeReply(t, a.body)), []codec.ErrorKind{0, codec.KindTimeout, codec.KindNotBegun}; a.id != "ignored" || !slices.Equal(got, want) {
		t.Errorf("%s: the items ended in %v, want %v", a.id, got, want)
	}
	reply := p.call("test.pid", 0)
	if after := result[int](t, only(t, reply)); after == before || syscall.Kill(before, 0) == nil {
		t.Errorf("process %d has served before and %d now, which are to be two, the first gone", before, after)
	}
	if reply.Agent.Cold || reply.Agent.Invocation != 3 {
		t.Errorf("the environment takes itself for new: %+v", reply.Agent)
	}
}

// That a process was killed is out of memory only if its memory says so.
func TestOutOfMemoryIsToldFromAKill(t *testing.T) {
	p := start(t, nil, isolated, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256")
	req, _ := deeds(t, 3, 1, map[int]string{1: "hoard"})
	reply := p.chunk(req)
	if got, want := kinds(reply), []codec.ErrorKind{0, codec.KindOutOfMemory, 0}; !slices.Equal(got, want) {
		t.Errorf("the items ended in %v, want %v", got, want)
	}
	if reply.Agent.PeakMemory < 230<<20 {
		t.Errorf("the reply tells of a peak of %d bytes", reply.Agent.PeakMemory)
	}
}

// A value that has no room in shared memory is as good as its process: the others are kept.
func TestJournalFull(t *testing.T) {
	p := start(t, nil, isolated, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256")
	req := request(t, lambdapool.DefaultRegistry, "test.bulk", 1, 40, 2, 0, 1)
	req.Parallel, req.Spill = 1, &codec.Spill{} // so that there is room in the reply
	reply := p.chunk(req)
	if got, want := kinds(reply), []codec.ErrorKind{0, codec.KindCrashed, 0, codec.KindCrashed, 0}; !slices.Equal(got, want) {
		t.Fatalf("the items ended in %v, want %v", got, want)
	}
	if e := reply.Items[1].Err; !strings.Contains(e.Message, "too large to be kept") {
		t.Errorf("the large one: %+v", e)
	}
	if got := len(result[[]byte](t, reply.Items[2])); got != 2<<20 {
		t.Errorf("the value has %d bytes", got)
	}
}

// What the platform says of an invocation reaches whoever takes it over.
func TestSuccessorKnowsTheInvocation(t *testing.T) {
	p := start(t, nil, isolated)
	req := request(t, lambdapool.DefaultRegistry, "test.platform", 1, 0, 1)
	req.Parallel = 1
	reply := p.chunk(req)
	const want = "request-1 arn:aws:lambda:eu-west-1:123456789012:function:test request-1 Root=1-request-1 Root=1-request-1"
	for _, i := range []int{0, 2} {
		if got := result[string](t, reply.Items[i]); got != want {
			t.Errorf("item %d sees %q, want %q", i, got, want)
		}
	}
}

// A death hits all invocations in progress; each is answered once, and loses what ran.
func TestDeathBesideOtherInvocations(t *testing.T) {
	const together = 3
	p := start(t, nil, isolated, "AWS_LAMBDA_MAX_CONCURRENCY=3")
	pending := map[string]string{}
	gate := filepath.Join(t.TempDir(), "gate")
	for i := range together {
		req := request(t, lambdapool.DefaultRegistry, "test.gathered", gathering{Path: gate, Want: together}, gathering{Path: gate, Die: i == 0, Outlive: true}, gathering{Path: gate})
		req.Parallel = 1
		pending[p.send(encode(t, req))] = "asked"
	}
	for range together {
		a := p.answer()
		if pending[a.id] != "asked" {
			t.Errorf("%s is answered, which is %q", a.id, pending[a.id])
		}
		pending[a.id] = "answered"
		got := kinds(decodeReply(t, a.body))
		if got[0] != 0 && got[0] != codec.KindCrashed || got[2] != 0 {
			t.Errorf("%s: %v", a.id, got)
		}
	}
	if got := result[int](t, only(t, p.call("test.double", 21))); got != 42 {
		t.Errorf("afterwards double(21) = %d", got)
	}
}

// A gathering is an item that goes on when as many have come. One of them may end the process; others
// go on when that has happened, so that none is done before it.
type gathering struct {
	Path    string
	Want    int
	Die     bool
	Outlive bool
}

func init() {
	lambdapool.Register("test.gathered", func(ctx context.Context, g gathering) (int, error) {
		self, grave := strconv.Itoa(os.Getpid()), g.Path+".died"
		if g.Die {
			if err := os.WriteFile(grave, []byte(self), 0o600); err != nil {
				return 0, err
			}
			os.Exit(9)
		}
		if err := noteRun(deed{Runs: g.Path}); err != nil {
			return 0, err
		}
		for {
			data, err := os.ReadFile(g.Path)
			if err != nil {
				return 0, err
			}
			died, _ := os.ReadFile(grave) // not there yet
			if outlived := len(died) > 0 && string(died) != self; bytes.Count(data, []byte{'\n'}) >= g.Want && (outlived || !g.Outlive) {
				return 1, nil
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	})
}

// What a process has started ends with it.
func TestChildrenEndWithTheirProcess(t *testing.T) {
	p := start(t, nil, isolated)
	req, runs := deeds(t, 2, 1, map[int]string{0: "spawn"})
	p.chunk(req)
	data, err := os.ReadFile(runs + ".child")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child %d lives: %v", pid, err)
	}
}

// SIGTERM reaches the functions' process, and the agent ends as that does.
func TestTermination(t *testing.T) {
	for _, handled := range []bool{false, true} {
		p := start(t, nil, isolated)
		p.call("test.double", 1)
		if handled {
			p.call("test.onTerm", 0)
		}
		if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		status, _ := p.ends().Sys().(syscall.WaitStatus)
		switch {
		case handled && (status.ExitStatus() != 5 || !strings.Contains(p.output(), "asked to end")):
			t.Errorf("it ended with %v, and said %q", p.process.ProcessState, p.output())
		case !handled && status.Signal() != syscall.SIGTERM:
			t.Errorf("it ended with %v", p.process.ProcessState)
		}
	}
}

// The end of the lifeline ends supervisor and worker.
func TestLifelineOfAnIsolatedAgent(t *testing.T) {
	read, write := lifeline(t)
	p := start(t, []*os.File{read}, lifelineVariable, isolated)
	if got, want := result[string](t, only(t, p.call("test.inherited", 0))), "unset\nclosed\n"; got != want {
		t.Errorf("a child of a function has descriptors of the agent's: %q, want %q", got, want)
	}
	pid := result[int](t, only(t, p.call("test.pid", 0)))
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if status, ok := p.ends().Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Errorf("the agent ended with %v, want it killed with its group", p.process.ProcessState)
	}
	for began := time.Now(); syscall.Kill(pid, 0) == nil && time.Since(began) < patience; {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if bytes.Contains(stat, []byte(") Z ")) {
			break // nobody here reaps it
		}
		<-time.After(time.Millisecond)
	}
}

// Where memory cannot be shared the agent serves as it would without isolation, and says so.
func TestIsolationThatCannotBe(t *testing.T) {
	// Addresses for a Go program, and not for the records of a hundred invocations.
	p := startBy(t, []string{"/bin/sh", "-c", `ulimit -v 3000000; exec "$0"`}, nil, isolated, "AWS_LAMBDA_MAX_CONCURRENCY=100", "PATH="+os.Getenv("PATH"))
	if got := result[int](t, only(t, p.call("test.double", 21))); got != 42 {
		t.Errorf("double(21) = %d", got)
	}
	if log := p.output(); !strings.Contains(log, "lambdapool: agent: isolation is off: a crash ends the whole agent: mmap: cannot allocate memory") {
		t.Errorf("the log does not say so:\n%s", log)
	}
}
