package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// concurrency is how many invocations the agent of TestManagedInstances takes at once.
const concurrency = 4

var together sync.WaitGroup

func init() {
	together.Add(concurrency)
	lambdapool.RegisterFunc("test.double", func(n int) int { return 2 * n })
	lambdapool.RegisterFunc("test.panic", func(int) int { panic("out of paper") })
	lambdapool.RegisterFunc("test.block", func(ctx context.Context, _ int) { <-ctx.Done() })
	lambdapool.RegisterFunc("test.requestID", func(ctx context.Context, _ int) string {
		lc, _ := lambdacontext.FromContext(ctx)
		return lc.AwsRequestID
	})
	lambdapool.RegisterFunc("test.meet", func(int) bool {
		together.Done()
		together.Wait()
		return true
	})
	lambdapool.RegisterFunc("test.echo", func(s string) string { return s })
	lambdapool.RegisterFunc("test.memoryLimit", func(int) int64 { return debug.SetMemoryLimit(-1) })
}

func TestMainReturnsOutsideOfLambda(t *testing.T) {
	agent.Main() // TestMain got here, and so does this
	if !agent.Called() {
		t.Error("Called is false after Main")
	}
}

func TestAgentProcess(t *testing.T) {
	p := start(t, nil)
	reply := p.call("test.double", 21)
	if got := result[int](t, only(t, reply)); got != 42 {
		t.Errorf("double(21) = %d", got)
	}
	if init := reply.Agent.Init; !reply.Agent.Cold || init <= 0 || init > patience {
		t.Errorf("the first invocation is cold: %t, after %v", reply.Agent.Cold, init)
	}
	if got := result[string](t, only(t, p.call("test.requestID", 0))); got != "request-2" {
		t.Errorf("the function sees request id %q, want the platform's", got)
	}
	reply = p.call("test.panic", 0)
	if e := only(t, reply).Err; e == nil || e.Kind != codec.KindPanic {
		t.Errorf("panic: %+v", e)
	}
	if got := p.call("test.double", 1).Agent; got.Cold || got.Init != 0 || got.Invocation != 4 || got.Instance != reply.Agent.Instance {
		t.Errorf("after a panic the process is another, or takes itself for new: %+v", got)
	}
}

// The reply leaves as the bytes it is, not wrapped as JSON.
func TestReplyIsRaw(t *testing.T) {
	p := start(t, nil)
	p.send(encode(t, request(t, lambdapool.DefaultRegistry, "test.double", 1)))
	if a := p.answer(); !bytes.HasPrefix(a.body, []byte("\xC1LP\x01")) || a.contentType != "application/octet-stream" {
		t.Errorf("content type %q, body %.20q", a.contentType, a.body)
	}
}

// Whatever somebody sends, the process answers, says who it is, and goes on.
func TestHostilePayloadThroughRuntimeAPI(t *testing.T) {
	p := start(t, nil)
	for _, payload := range []string{"", "{}", `{"Records":[]}`, `"wUxQAQDd/////w=="`, `"wUxQAQDf`, "\xff\xfe", strings.Repeat("[", 1<<20)} {
		id := p.send([]byte(payload))
		a := p.answer()
		if a.id != id || a.verb != "error" {
			t.Fatalf("%.20q: the answer to %s is %s of %s: %.200s", payload, id, a.verb, a.id, a.body)
		}
		var e struct {
			Message string `json:"errorMessage"`
			Type    string `json:"errorType"`
		}
		if err := json.Unmarshal(a.body, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type != "BadRequestError" || !strings.Contains(e.Message, "this function is a lambdapool agent") {
			t.Errorf("%.20q: %s", payload, a.body)
		}
	}
	if reply := p.call("test.double", 4); result[int](t, only(t, reply)) != 8 || reply.Agent.Invocation != 8 {
		t.Errorf("the process does not go on: %+v", reply)
	}
}

// Lambda Managed Instances run several invocations in a process at once.
func TestManagedInstances(t *testing.T) {
	p := start(t, nil, "AWS_LAMBDA_MAX_CONCURRENCY=4")
	payload := encode(t, request(t, lambdapool.DefaultRegistry, "test.meet", 0))
	pending := map[string]bool{}
	for range concurrency {
		pending[p.send(payload)] = true
	}
	for range concurrency {
		a := p.answer()
		if !pending[a.id] {
			t.Errorf("an answer to %s, which is not pending", a.id)
		}
		delete(pending, a.id)
		if !result[bool](t, only(t, decodeReply(t, a.body))) {
			t.Errorf("%s returned false", a.id)
		}
	}
}

// What compression needs is made when it is first used, in both directions.
func TestCompressionInAProcess(t *testing.T) {
	p := start(t, nil)
	var lines []string
	for i := range codec.CompressFrom {
		lines = append(lines, strconv.Itoa(i*i))
	}
	text := strings.Join(lines, "\n")
	req := request(t, lambdapool.DefaultRegistry, "test.echo", text)
	req.Compress = true
	payload, err := codec.EncodeRequest(req, codec.Compress())
	if err != nil {
		t.Fatal(err)
	}
	p.send(payload)
	a := p.answer()
	if got := result[string](t, only(t, decodeReply(t, a.body))); got != text {
		t.Errorf("%.20q of %d bytes came back, want %.20q of %d", got, len(got), text, len(text))
	}
	if len(payload) > len(text) || len(a.body) > len(text)*3/4 {
		t.Errorf("%d bytes became %d there and %d back", len(text), len(payload), len(a.body))
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want int64
	}{
		{"from the function's memory", []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1000"}, 1000 << 20 / 100 * 90},
		{"the user's stands", []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1000", "GOMEMLIMIT=64MiB"}, 64 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := result[int64](t, only(t, start(t, nil, tt.env...).call("test.memoryLimit", 0))); got != tt.want {
				t.Errorf("the limit is %d, want %d", got, tt.want)
			}
		})
	}
}

// A process that was frozen and woken late, or a clock that was set: a deadline
// in the past gives a timeout, not a hang.
func TestDeadlineInThePast(t *testing.T) {
	p := start(t, nil)
	p.invokes <- invocation{"late", encode(t, request(t, lambdapool.DefaultRegistry, "test.block", 0)), -time.Second}
	if a := p.answer(); a.id != "late" {
		t.Errorf("answer %s of %s: %s", a.verb, a.id, a.body)
	}
}
