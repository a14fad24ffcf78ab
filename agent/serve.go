package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/internal/isolate"
)

// A server is a worker's side of internal/isolate: it answers what comes, keeping account
// of it for a successor, and what a worker before it has left behind.
type server struct {
	h   *Handler
	j   *isolate.Journal
	api runtimeClient
}

// serve answers invocations and never returns.
func serve(h *Handler, j *isolate.Journal) {
	s := &server{h: h, j: j, api: newRuntimeClient(os.Getenv(runtimeAPI))}
	var others sync.WaitGroup
	for _, inv := range j.Left() {
		inv.Resume()
		others.Go(func() { s.resume(inv) })
	}
	if s.alone() {
		others.Wait() // the platform gives no other before this one is answered
	}
	lambda.StartWithOptions(s)
}

// alone reports whether there is one invocation at a time.
func (s *server) alone() bool { return lambdacontext.MaxConcurrency() == 1 }

// traceKey is the key under which aws-lambda-go has the trace id in a context, and
// traceVariable the environment variable in which it is for one invocation at a time.
const (
	traceKey      = "x-amzn-trace-id"
	traceVariable = "_X_AMZN_TRACE_ID"
)

// words are the platform's texts of an invocation, for restore.
func words(ctx context.Context) []string {
	platform, ok := lambdacontext.FromContext(ctx)
	if !ok {
		platform = &lambdacontext.LambdaContext{}
	}
	trace, _ := ctx.Value(traceKey).(string)
	client := ""
	if c := &platform.ClientContext; c.Client != (lambdacontext.ClientApplication{}) || len(c.Env) > 0 || len(c.Custom) > 0 {
		if text, err := json.Marshal(c); err == nil { // structs and maps of strings always encode
			client = string(text)
		}
	}
	return []string{
		platform.AwsRequestID, platform.InvokedFunctionArn, platform.TenantID,
		platform.Identity.CognitoIdentityID, platform.Identity.CognitoIdentityPoolID, client, trace,
	}
}

// restore returns a context with what words took from another, and the request id.
func (s *server) restore(ctx context.Context, w []string) (_ context.Context, requestID string) {
	platform := &lambdacontext.LambdaContext{AwsRequestID: w[0], InvokedFunctionArn: w[1], TenantID: w[2]}
	platform.Identity.CognitoIdentityID, platform.Identity.CognitoIdentityPoolID = w[3], w[4]
	if w[5] != "" {
		if err := json.Unmarshal([]byte(w[5]), &platform.ClientContext); err != nil {
			log.Printf("lambdapool: agent: client context of a request that is taken over: %v", err)
		}
	}
	if s.alone() {
		_ = os.Setenv(traceVariable, w[6])
	}
	ctx = context.WithValue(ctx, traceKey, w[6]) //nolint:staticcheck,revive // aws-lambda-go's key is a string
	return lambdacontext.NewContext(ctx, platform), platform.AwsRequestID
}

// Invoke answers an invocation as the handler does.
func (s *server) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	head := isolate.Head{Began: time.Now(), Number: s.j.Count(), Words: words(ctx)}
	head.Deadline, _ = ctx.Deadline()
	inv := s.j.Take(head, payload)
	reply, err := s.h.invoke(journaled(ctx, inv), payload, head.Number)
	if err == nil && s.alone() && (s.h.strays(head.Began, head.Deadline) || s.h.spent()) {
		s.retire(inv, head.Words[0], reply)
	}
	context.AfterFunc(ctx, inv.Release) // which ends when the answer is on its way
	return reply, err
}

// strays reports whether functions that ignore their context, and were left behind, would
// hold up what comes: they have used up the function's timeout, or could take all CPUs.
func (h *Handler) strays(began, kill time.Time) bool {
	n := h.abandoned.Load()
	if n == 0 {
		return false
	}
	if end, _ := deadlines(began, kill, 0, false); !kill.IsZero() && !time.Now().Before(end) {
		return true
	}
	return n >= int64(procs(h.memory))
}

// retire answers and ends this process, so that functions which do not return do end. It
// answers by itself: whoever called would ask for more at once.
func (s *server) retire(inv *isolate.Invocation, requestID string, reply []byte) {
	s.post(requestID, "response", "application/octet-stream", reply)
	inv.Release()
	s.j.Retire()
	os.Exit(0)
}

// resume answers an invocation that a worker before this one has left.
func (s *server) resume(inv *isolate.Invocation) {
	head := inv.Head()
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if !head.Deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, head.Deadline)
	}
	defer cancel()
	ctx, requestID := s.restore(ctx, head.Words)
	reply, err := s.h.invoke(journaled(ctx, inv), inv.Payload(), head.Number)
	if err != nil {
		s.post(requestID, "error", "application/json", failureBody(err))
	} else {
		s.post(requestID, "response", "application/octet-stream", reply)
	}
	inv.Release()
}

// failureBody describes an error as aws-lambda-go does.
func failureBody(err error) []byte {
	body, other := json.Marshal(messages.InvokeResponse_Error{Message: err.Error(), Type: reflect.Indirect(reflect.ValueOf(err)).Type().Name()})
	if other != nil {
		panic(other) // strings always encode
	}
	log.Printf("%s", body)
	return body
}

// post answers a request. That the platform does not want the answer is none of this
// process's trouble: the one before it may have given it. Without the platform it ends.
func (s *server) post(requestID, verb, contentType string, body []byte) {
	err := s.api.post(requestID, verb, contentType, body)
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		log.Printf("lambdapool: agent: request %s, which was taken over: %v", requestID, err)
	case err != nil:
		log.Fatalf("lambdapool: agent: request %s, which was taken over: %v", requestID, err)
	}
}

// A runtimeClient answers on the Runtime API, as
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html describes it: aws-lambda-go answers
// only what it was asked itself.
type runtimeClient struct {
	base   string
	client *http.Client
}

// newRuntimeClient speaks to the Runtime API at address, which Lambda gives as HOST:PORT. It has no
// timeout of its own: the platform ends what takes too long.
func newRuntimeClient(address string) runtimeClient {
	transport := &http.Transport{} // never through a proxy
	return runtimeClient{"http://" + address + "/2018-06-01/runtime/invocation/", &http.Client{Transport: transport}}
}

// A refusedError says that the platform did not take an answer. It has one already, or none is due.
type refusedError struct{ status int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("the platform refused the answer: HTTP %d", e.status)
}

// post answers a request by POST /runtime/invocation/ID/VERB. Lambda says 202 when it has taken it.
func (c runtimeClient) post(requestID, verb, contentType string, body []byte) error {
	resp, err := c.client.Post(c.base+requestID+"/"+verb, contentType, bytes.NewReader(body)) //nolint:noctx // as long as the platform takes
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted {
		return &refusedError{resp.StatusCode}
	}
	return nil
}
