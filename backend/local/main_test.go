package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	awslambdago "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/agent"
	_ "github.com/lambdapool/lambdapool/backend/backendtest" // registers the suite's functions for the agents
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

// agentKind says, in the environment of an agent, which one it is to be
// instead of a lambdapool agent.
const agentKind = "TEST_AGENT"

func TestMain(m *testing.M) {
	switch os.Getenv(agentKind) {
	case "handler":
		fmt.Println("the handler is being made")
		awslambdago.Start(handler{})
	case "reader":
		awslambdago.Start(func() (io.Reader, error) {
			return io.MultiReader(strings.NewReader("half of it"), iotest.ErrReader(errors.New("the disk is gone"))), nil
		})
	case "bare":
		bareRuntime()
	case "exit":
		fmt.Println("cannot go on")
		os.Exit(3)
	case "exit0":
		os.Exit(0)
	case "hang":
		select {}
	case "init error":
		bareInitError()
	case "init error that stays":
		say(http.MethodPost, "init/error", `{"errorMessage":"no database","errorType":"Init.NoDatabase"}`)
		select {}
	case "late once": // the first of them, until the test says that it has ended
		if _, err := os.Stat(os.Getenv("TEST_DIR") + "/second"); err != nil {
			select {}
		}
		fmt.Println("second init")
		awslambdago.Start(handler{})
	case "answer and exit":
		answerAndExit()
	case "hoard":
		hoard(400)
		select {}
	}
	if os.Getenv(parentKind) != "" {
		parent()
	}
	agent.Main()
	apart.Waiting(4)
	noleak.Main(m)
}

// A job is what the test's handler is asked to do.
type job struct {
	Do   string `json:"do"`
	N    int    `json:"n,omitempty"`
	Text string `json:"text,omitempty"`
}

// handler is an ordinary aws-lambda-go handler, with bytes in and out.
type handler struct{}

var served int

func (handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	served++
	var j job
	if err := json.Unmarshal(payload, &j); err != nil || j.Do == "" {
		return payload, nil //nolint:nilerr // what is no job is echoed
	}
	switch j.Do {
	case "env":
		return json.Marshal(os.Environ())
	case "state":
		wd, err := os.Getwd()
		return must(json.Marshal(state{PID: os.Getpid(), Served: served, Args: os.Args, Dir: wd})), err
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return json.Marshal(map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "client": lc.ClientContext.Custom,
			"left": time.Until(deadline).Seconds(), "trace": os.Getenv("_X_AMZN_TRACE_ID"),
		})
	case "sleep":
		time.Sleep(time.Duration(j.N) * time.Millisecond)
		return []byte(`"slept"`), nil
	case "exit":
		os.Exit(j.N)
	case "panic":
		panic(j.Text)
	case "error":
		return nil, errors.New(j.Text)
	case "hoard":
		hoard(j.N)
		return []byte(`"survived"`), nil
	case "print":
		fmt.Println(j.Text)
		fmt.Fprintf(os.Stderr, "%s\n", strings.Repeat("x", j.N))
		fmt.Print("no end of line")
		return []byte(`"printed"`), nil
	case "reply":
		return bytes.Repeat([]byte{'r'}, j.N), nil
	case "read":
		data, err := os.ReadFile(j.Text)
		return must(json.Marshal(string(data))), err
	case "binary":
		return []byte{0xc1, 'L', 'P', 0, 0xff, '\n', 0xfe}, nil
	case "touch and sleep":
		if err := appendTo(j.Text, "."); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(j.N) * time.Millisecond)
		return []byte(`"slept"`), nil
	case "spawn":
		cmd := exec.Command("sleep", "100")
		return must(json.Marshal([]int{os.Getpid(), startPID(cmd)})), nil
	case "spawn and wait":
		cmd := exec.Command("sleep", "100")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		fmt.Printf("child %d\n", cmd.Process.Pid)
		time.Sleep(time.Hour)
	case "fail until":
		if data, err := os.ReadFile(j.Text); err == nil && len(data) >= j.N {
			return nil, appendTo(j.Text, ".")
		}
		return nil, errors.Join(errors.New("not yet"), appendTo(j.Text, "."))
	}
	return nil, fmt.Errorf("unknown job %q", j.Do)
}

func startPID(cmd *exec.Cmd) int {
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return cmd.Process.Pid
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

type state struct {
	PID    int      `json:"pid"`
	Served int      `json:"served"`
	Args   []string `json:"args"`
	Dir    string   `json:"dir"`
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var hoarded [][]byte

// hoard touches mb MB and keeps them.
func hoard(mb int) {
	for range mb {
		hoarded = append(hoarded, bytes.Repeat([]byte{1}, 1<<20))
	}
}

// say talks to the Runtime API without a library, and tells what was said.
func say(method, path, body string) (string, http.Header) {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" + path
	resp, err := http.DefaultClient.Do(must(http.NewRequest(method, url, strings.NewReader(body))))
	if err != nil {
		os.Exit(1)
	}
	defer resp.Body.Close()
	data := must(io.ReadAll(resp.Body))
	return fmt.Sprintf("%s %s: %d %s", method, path, resp.StatusCode, data), resp.Header
}

func bareInitError() {
	said, _ := say(http.MethodPost, "init/error", `{"errorMessage":"no database","errorType":"Init.NoDatabase"}`)
	if !strings.Contains(said, ": 202 ") {
		os.Exit(9)
	}
	os.Exit(1)
}

// answerAndExit does what the invocation says, "response" or "error", and ends.
func answerAndExit() {
	said, next := say("GET", "invocation/next", "")
	_, how, _ := strings.Cut(said, ": 200 ")
	say("POST", "invocation/"+next.Get("Lambda-Runtime-Aws-Request-Id")+"/"+strings.Trim(how, `"`), `{"errorMessage":"sorry","errorType":"Mine"}`)
	os.Exit(5)
}

// bareRuntime makes every mistake that a runtime can make before it answers
// each invocation with what the platform said to them.
func bareRuntime() {
	for {
		_, next := say("GET", "invocation/next", "")
		id := next.Get("Lambda-Runtime-Aws-Request-Id")
		var heard []string
		for _, mistake := range [][3]string{
			{"GET", "invocation/next", ""},
			{"POST", "invocation/no-such-id/response", "1"},
			{"POST", "invocation/no-such-id/error", "{}"},
			{"POST", "init/error", "{}"},
			{"PUT", "invocation/next", ""},
			{"GET", "restore/next", ""},
		} {
			line, _ := say(mistake[0], mistake[1], mistake[2])
			heard = append(heard, line)
		}
		headers := []string{}
		for name := range next {
			headers = append(headers, name)
		}
		slices.Sort(headers)
		say("POST", "invocation/"+id+"/response", string(must(json.Marshal(append(heard, headers...)))))
		again, _ := say("POST", "invocation/"+id+"/response", `"twice"`)
		if !strings.Contains(again, "403") {
			os.Exit(8)
		}
	}
}

// open starts an embedded Lambda for the length of the test.
func open(t *testing.T, opts ...local.Option) *local.Backend {
	t.Helper()
	t.TempDir() // what agents write there must end before it is removed: cleanups run last in, first out
	b, err := local.New(append([]local.Option{local.WithLogOutput(io.Discard)}, opts...)...)
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

// as makes the agents the given kind of test agent.
func as(kind string) local.Option {
	return local.WithEnv(map[string]string{agentKind: kind})
}
