package awslambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
)

// eventFails queues once and returns how it failed. The server must have seen
// exactly so many requests.
func (f *fakeLambda) eventFails(t *testing.T, b *awslambda.Backend, requests int64) *lambdapool.InvokeError {
	t.Helper()
	before := f.requests.Load()
	id, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if got := f.requests.Load() - before; got != requests {
		t.Errorf("the server saw %d requests, want %d", got, requests)
	}
	if id != "" {
		t.Errorf("an error and the id %q", id)
	}
	return failure(t, nil, err)
}

func TestInvokeEvent(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != payload {
			t.Errorf("body %q, %v", body, err)
		}
		if r.URL.EscapedPath() != "/2015-03-31/functions/algorithms/invocations" || r.URL.RawQuery != "Qualifier=live" {
			t.Errorf("request to %s", r.URL)
		}
		for name, want := range map[string]string{
			"X-Amz-Invocation-Type": "Event", "X-Amz-Log-Type": "", "X-Amz-Tenant-Id": "blue", "Amz-Sdk-Request": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "x-amz-invocation-type") {
			t.Errorf("the invocation type is not signed: %s", auth)
		}
		w.Header().Set("X-Amzn-Requestid", "7")
		w.WriteHeader(http.StatusAccepted)
	})
	var logged bytes.Buffer
	b := f.open(t, awslambda.WithQualifier("live"), awslambda.WithTenantID("blue"),
		awslambda.WithClientLog(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	id, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if err != nil || id != "7" {
		t.Errorf("id %q, error %v; want 7", id, err)
	}
	var line struct {
		Msg       string `json:"msg"`
		RequestID string `json:"request_id"`
		Outcome   string `json:"outcome"`
	}
	if err := json.Unmarshal(logged.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Msg != "invoke event" || line.RequestID != "7" || line.Outcome != "" {
		t.Errorf("log %s", logged.Bytes())
	}
	want := lambdapool.EventLimits{Request: codec.MaxEventRequest, Age: 6 * time.Hour, Retries: 2}
	if got := b.EventLimits(); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
}

// An event changes nothing about the requests that are waited for.
func TestInvokeAfterEvent(t *testing.T) {
	var kinds []string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		kinds = append(kinds, r.Header.Get("X-Amz-Invocation-Type")+"/"+r.Header.Get("X-Amz-Log-Type"))
		if len(kinds) == 1 {
			w.WriteHeader(http.StatusAccepted)
		}
	})
	b := f.open(t)
	if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Error(err)
	}
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Error(err)
	}
	if want := []string{"Event/", "/Tail"}; !slices.Equal(kinds, want) {
		t.Errorf("requests %q, want %q", kinds, want)
	}
}

// Events and requests that are waited for may be sent at once. The race detector sees what they
// share: one URL, and the values of the headers.
func TestEventsAtOnce(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	b := f.open(t)
	var sent sync.WaitGroup
	for range 16 {
		sent.Go(func() {
			if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
				t.Error(err)
			}
		})
		sent.Go(func() { _, _ = b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}) })
	}
	sent.Wait()
}

// An error of the service means what it means for Invoke.
func TestEventCodes(t *testing.T) {
	var row codeRow
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Amzn-Requestid", "id-1")
		if row.code != "" {
			w.Header().Set("X-Amzn-Errortype", row.code)
		}
		w.WriteHeader(row.status)
		if row.status != http.StatusNoContent {
			fmt.Fprint(w, `{"message":"words"}`)
		}
	})
	b := f.open(t)
	for _, row = range append(codeRows, codeRow{200, "", unknown, lambdapool.ErrUnknownOutcome, false}) {
		e := f.eventFails(t, b, 1)
		got := codeRow{row.status, row.code, e.Outcome, e.Kind, e.Permanent}
		if diff := cmp.Diff(row, got, cmp.AllowUnexported(codeRow{}), cmp.Comparer(errors.Is)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", e, diff)
		}
		if e.RequestID != "id-1" {
			t.Errorf("%v: request id %q", e, e.RequestID)
		}
		if maybe := strings.Contains(e.Hint, "may be queued"); maybe != (e.Outcome == unknown) {
			t.Errorf("%v: outcome %v, hint %q", e, e.Outcome, e.Hint)
		}
		switch {
		case row.status == http.StatusRequestEntityTooLarge && !strings.Contains(e.Hint, "asynchronous requests carry less"),
			row.code == "ModeNotSupportedException" && !strings.Contains(e.Hint, "asynchronous"):
			t.Errorf("%v: hint %q", e, e.Hint)
		}
	}
}

// Servers that let the client down, and what must be known then.
func TestEventOneAttempt(t *testing.T) {
	read := func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, answer)
			c.Close()
		}
	}
	for _, tt := range []struct {
		name    string
		handle  http.HandlerFunc
		outcome lambdapool.Outcome
		kind    error // nil: it is queued
	}{
		{"queued, and the connection closed", raw("HTTP/1.1 202 Accepted\r\nX-Amzn-Requestid: 7\r\nContent-Length: 0\r\n\r\n"), unknown, nil},
		{"queued, whatever should have followed", raw("HTTP/1.1 202 Accepted\r\nX-Amzn-Requestid: 7\r\nContent-Length: 100\r\n\r\nhalf"), unknown, nil},
		{"reset before reading", func(w http.ResponseWriter, _ *http.Request) { reset(hijack(t, w)) }, unknown, lambdapool.ErrUnknownOutcome},
		{"reset after reading", func(w http.ResponseWriter, r *http.Request) { read(r); reset(hijack(t, w)) }, unknown, lambdapool.ErrUnknownOutcome},
		{"closed without an answer", raw(""), unknown, lambdapool.ErrUnknownOutcome},
		{"not HTTP", raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"), unknown, lambdapool.ErrUnknownOutcome},
		{"half a 202", raw("HTTP/1.1 202 Accepted\r\nX-Amzn-Requ"), unknown, lambdapool.ErrUnknownOutcome},
		{"truncated 200", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), unknown, lambdapool.ErrUnknownOutcome},
		{"truncated 429", raw("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 100\r\n\r\n{"), notRun, throttled},
		{"truncated 413", raw("HTTP/1.1 413 Too Large\r\nContent-Length: 100\r\n\r\n{"), notRun, lambdapool.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.handle)
			b := f.open(t)
			if tt.kind == nil {
				id, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
				if err != nil || id != "7" || f.requests.Load() != 1 {
					t.Errorf("id %q, error %v, %d requests; want 7 after one", id, err, f.requests.Load())
				}
				return
			}
			e := f.eventFails(t, b, 1)
			if e.Outcome != tt.outcome || !errors.Is(e, tt.kind) {
				t.Errorf("%v: outcome %v; want %v, %v", e, e.Outcome, tt.kind, tt.outcome)
			}
		})
	}
}

// What is known to be refused, or cannot be sent, is not sent.
func TestEventNotSent(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	b, closed := f.open(t), f.open(t)
	closed.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		b    *awslambda.Backend
		ctx  context.Context
		size int
		kind error
	}{
		{"too large", b, t.Context(), codec.MaxEventRequest + 1, lambdapool.ErrTooLarge},
		{"closed", closed, t.Context(), 1, lambdapool.ErrClosed},
		{"canceled", b, canceled, 1, lambdapool.ErrCanceled},
	} {
		_, err := tt.b.InvokeEvent(tt.ctx, &lambdapool.Request{Payload: make([]byte, tt.size)})
		if e := failure(t, nil, err); e.Outcome != notRun || !errors.Is(e, tt.kind) {
			t.Errorf("%s: %v, outcome %v; want %v, not run", tt.name, e, e.Outcome, tt.kind)
		}
	}
	if n := f.requests.Load(); n != 0 {
		t.Errorf("the server saw %d requests, want none", n)
	}
	if _, err := b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: random(t, codec.MaxEventRequest)}); err != nil {
		t.Errorf("the largest: %v", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	down := f.open(t, awslambda.WithEndpoint(gone.URL))
	_, err := down.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if e := failure(t, nil, err); e.Outcome != notRun || e.Permanent || !strings.Contains(e.Hint, "network") {
		t.Errorf("%v: outcome %v, hint %q; want not run", e, e.Outcome, e.Hint)
	}
}

// Lambda answers at once; a connection that says nothing is given up soon, and a
// caller that leaves hears that the request may be queued.
func TestEventWithoutAnswer(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case arrived <- struct{}{}:
		default: // nobody waits for it any more
		}
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
	b := f.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := b.InvokeEvent(ctx, &lambdapool.Request{Payload: []byte(payload)})
	if e := failure(t, nil, err); e.Outcome != unknown || !errors.Is(e, lambdapool.ErrCanceled) || !strings.Contains(e.Hint, "may be queued") {
		t.Errorf("%v: outcome %v, hint %q", e, e.Outcome, e.Hint)
	}
	for margin := 30 * time.Millisecond; ; margin *= 2 {
		awslambda.SetGuardMargin(b, margin)
		_, err = b.InvokeEvent(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, nil, err)
		if e.Outcome == notRun && margin < time.Minute {
			continue // it could not be sent in that time
		}
		if e.Outcome != unknown || !errors.Is(e, lambdapool.ErrTimeout) || !strings.Contains(e.Error(), "no answer within "+margin.String()) {
			t.Errorf("%v: outcome %v", e, e.Outcome)
		}
		break
	}
}

// The request is queued when InvokeEvent returns; its reply goes to nobody.
func ExampleBackend_InvokeEvent() {
	accepts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("X-Amz-Invocation-Type"), r.URL.Path)
		w.Header().Set("X-Amzn-Requestid", "6d1b5a5e")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer accepts.Close()

	ctx := context.Background()
	b, err := awslambda.New(ctx, "algorithms", awslambda.WithShards(1), awslambda.WithConfig(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String(accepts.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	fmt.Println(b.InvokeEvent(ctx, &lambdapool.Request{Payload: []byte(`"aGVsbG8="`)}))
	// Output:
	// Event /2015-03-31/functions/algorithms/invocations
	// 6d1b5a5e <nil>
}
