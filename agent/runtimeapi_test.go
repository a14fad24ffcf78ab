package agent_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

// patience is when a test gives up on a process.
const patience = 3 * time.Minute

// A platform is Lambda's side of the Runtime API for one agent process.
type platform struct {
	t       *testing.T
	invokes chan invocation
	answers chan answer
	process *exec.Cmd
	log     lockedBuffer  // of the process
	exited  chan struct{} // closed when it has ended
	number  int

	answered sync.Map // ids
}

type invocation struct {
	id      string
	payload []byte
	timeout time.Duration
}

// A lockedBuffer is written while it is read.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// output is what the process has written so far.
func (p *platform) output() string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.log.buf.String()
}

// An answer is what the agent posted.
type answer struct {
	id, verb    string // verb: "response" or "error"
	body        []byte
	contentType string
}

const apiPrefix = "/2018-06-01/runtime/invocation/"

// start runs this test binary as an agent and plays Lambda for it.
func start(t *testing.T, files []*os.File, env ...string) *platform {
	t.Helper()
	return startBy(t, nil, files, env...)
}

// startBy is start through another program, which gets this one's path as its last argument.
func startBy(t *testing.T, program []string, files []*os.File, env ...string) *platform {
	t.Helper()
	p := &platform{t: t, invokes: make(chan invocation), answers: make(chan answer), exited: make(chan struct{})}
	stop := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiPrefix+"next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case inv := <-p.invokes:
			header := w.Header()
			header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
			header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(inv.timeout).UnixMilli(), 10))
			header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:test")
			header.Set("Lambda-Runtime-Trace-Id", "Root=1-"+inv.id)
			header.Set("Lambda-Runtime-Client-Context", `{"custom":{"for":"`+inv.id+`"}}`)
			if _, err := w.Write(inv.payload); err != nil {
				t.Errorf("next: %v", err)
			}
		case <-r.Context().Done():
		case <-stop:
		}
	})
	mux.HandleFunc("POST "+apiPrefix+"{id}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !p.accepts(r.PathValue("id")) { // cut off by a death, or given before
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		select {
		case p.answers <- answer{r.PathValue("id"), r.PathValue("verb"), body, r.Header.Get("Content-Type")}:
		case <-stop:
		}
	})
	server := httptest.NewServer(mux)

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program = append(slices.Clone(program), exe)
	p.process = exec.Command(program[0], program[1:]...)
	p.process.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://")}, env...)
	p.process.ExtraFiles = files
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	detach(p.process)
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.process.Wait() // how it ended is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.process.Process.Kill()
		<-p.exited
		close(stop)
		server.Close()
		if t.Failed() {
			t.Logf("the agent's output:\n%s", p.output())
		}
	})
	return p
}

// accepts reports whether a request is answered for the first time.
func (p *platform) accepts(id string) bool {
	_, before := p.answered.LoadOrStore(id, true)
	return !before
}

// send hands an invocation to the agent.
func (p *platform) send(payload []byte) (id string) {
	p.t.Helper()
	p.number++
	id = "request-" + strconv.Itoa(p.number)
	select {
	case p.invokes <- invocation{id, payload, patience}:
	case <-p.exited:
		p.t.Fatal("the agent has ended")
	case <-time.After(patience):
		p.t.Fatal("the agent asks for no work")
	}
	return id
}

// answer waits for the agent's next answer.
func (p *platform) answer() answer {
	p.t.Helper()
	select {
	case a := <-p.answers:
		return a
	case <-p.exited:
		p.t.Fatal("the agent has ended")
	case <-time.After(patience):
		p.t.Fatal("the agent does not answer")
	}
	return answer{}
}

// call invokes one of this process's registered functions in the agent.
func (p *platform) call(name string, args ...any) *codec.Reply {
	p.t.Helper()
	id := p.send(encode(p.t, request(p.t, lambdapool.DefaultRegistry, name, args...)))
	a := p.answer()
	if a.id != id || a.verb != "response" {
		p.t.Fatalf("%s: the answer to %s is %s of %s: %.500s", name, id, a.verb, a.id, a.body)
	}
	return decodeReply(p.t, a.body)
}

// ends waits for the process to end.
func (p *platform) ends() *os.ProcessState {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	select {
	case <-p.exited:
	case <-ctx.Done():
		p.t.Fatal("the agent goes on")
	}
	return p.process.ProcessState
}
