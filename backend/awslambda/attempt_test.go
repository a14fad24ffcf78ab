package awslambda_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
)

func TestInvokeAnswers(t *testing.T) {
	tail := "START RequestId: 7\nhello\nEND RequestId: 7\n" +
		"REPORT RequestId: 7\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 256 MB\tMax Memory Used: 64 MB\tInit Duration: 100.50 ms\t\n"
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.EscapedPath() != "/2015-03-31/functions/algorithms/invocations" || r.URL.RawQuery != "Qualifier=live" {
			t.Errorf("request to %s", r.URL)
		}
		for name, want := range map[string]string{
			"X-Amz-Log-Type": "Tail", "X-Amz-Tenant-Id": "blue", "X-Amz-Security-Token": secretToken, "Amz-Sdk-Request": "", "Accept-Encoding": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		w.Header().Set("X-Amzn-Requestid", "7")
		w.Header().Set("X-Amz-Executed-Version", "3")
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(tail)))
		fmt.Fprintf(w, "echo %s", body)
	})
	b := f.open(t, awslambda.WithQualifier("live"), awslambda.WithTenantID("blue"))
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	want := &lambdapool.Response{
		Payload: []byte("echo " + payload), RequestID: "7", ExecutedVersion: "3",
		Duration: 12340 * time.Microsecond, Billed: 113 * time.Millisecond, Init: 100500 * time.Microsecond,
		MemoryLimit: 256 << 20, MemoryPeak: 64 << 20, LogTail: tail,
	}
	if diff := cmp.Diff(want, resp); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

// Every row is one server that lets the client down, and what must be known then.
func TestOneAttempt(t *testing.T) {
	read := func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	status := func(code int, name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			read(r)
			w.Header().Set("X-Amzn-Errortype", name)
			w.Header().Set("X-Amzn-Requestid", "id-1")
			w.WriteHeader(code)
			fmt.Fprint(w, `{"message":"words"}`)
		}
	}
	tests := []struct {
		name      string
		handle    http.HandlerFunc
		outcome   lambdapool.Outcome
		kind      error
		permanent bool
	}{
		{"reset before reading", func(w http.ResponseWriter, _ *http.Request) { reset(hijack(t, w)) },
			lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"reset after reading", func(w http.ResponseWriter, r *http.Request) { read(r); reset(hijack(t, w)) },
			lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"closed without an answer", func(w http.ResponseWriter, r *http.Request) { read(r); hijack(t, w).Close() },
			lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"not HTTP", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "SSH-2.0-OpenSSH_9.9\r\n\r\n")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"truncated body with a length", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Amzn-Requestid: id-1\r\n\r\nhalf")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"no body where a length is", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"truncated chunks", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"truncated 429", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 100\r\n\r\n{")
			c.Close()
		}, lambdapool.OutcomeNotRun, lambdapool.ErrThrottled, false},
		{"truncated 500", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			c := hijack(t, w)
			fmt.Fprint(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n{")
			c.Close()
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"endless body", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			w.Header().Set("Content-Length", "99999999999")
		}, lambdapool.OutcomeUnknown, lambdapool.ErrTooLarge, true},
		{"500", status(500, "ServiceException"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"502 without a name", status(502, ""), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"503", status(503, "ServiceUnavailableException"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"504", status(504, "GatewayTimeout"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"400 with an unheard-of name", status(400, "BrandNewException"), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"200 of another kind", status(202, ""), lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			read(r)
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, lambdapool.OutcomeUnknown, lambdapool.ErrUnknownOutcome, false},
		{"429", status(429, "TooManyRequestsException"), lambdapool.OutcomeNotRun, lambdapool.ErrThrottled, false},
		{"413", status(413, "RequestEntityTooLargeException"), lambdapool.OutcomeNotRun, lambdapool.ErrTooLarge, true},
		{"403", status(403, "AccessDeniedException"), lambdapool.OutcomeNotRun, lambdapool.ErrAccessDenied, true},
		{"404", status(404, "ResourceNotFoundException"), lambdapool.OutcomeNotRun, lambdapool.ErrFunctionNotFound, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.handle)
			b := f.open(t)
			e := f.fails(t, b, 1)
			if e.Outcome != tt.outcome || !errors.Is(e, tt.kind) || e.Permanent != tt.permanent {
				t.Errorf("%v: outcome %v, permanent %t; want %v, %v, %t", e, e.Outcome, e.Permanent, tt.kind, tt.outcome, tt.permanent)
			}
		})
	}
}

// A reply may take its time between the pieces.
func TestSlowReply(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := range 5 {
			fmt.Fprint(w, i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	resp, err := f.open(t).Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
	if err != nil || string(resp.Payload) != "01234" {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestContextEnds(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // a return would answer 200, perhaps before the connection is closed
	})
	b := f.open(t)
	t.Run("canceled on the way", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, resp, err)
		if e.Outcome != lambdapool.OutcomeUnknown || !errors.Is(e, lambdapool.ErrCanceled) || !strings.Contains(e.Hint, "runs on") {
			t.Errorf("%v: outcome %v, hint %q", e, e.Outcome, e.Hint)
		}
	})
	t.Run("deadline on the way", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, resp, err)
		if !errors.Is(e, lambdapool.ErrTimeout) || !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v: outcome %v", e, e.Outcome)
		}
	})
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := f.requests.Load()
		resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
		e := failure(t, resp, err)
		if e.Outcome != lambdapool.OutcomeNotRun || !errors.Is(e, lambdapool.ErrCanceled) || f.requests.Load() != before {
			t.Errorf("%v: outcome %v, want not run", e, e.Outcome)
		}
	})
}

func TestSizes(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	})
	b := f.open(t)
	for _, size := range []int{0, 1, maxCopied, maxCopied + 1, codec.MaxRequest} {
		payload := random(t, size)
		resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(resp.Payload, payload) {
			t.Errorf("%d bytes came back as %d others", size, len(resp.Payload))
		}
	}
	before := f.requests.Load()
	resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: make([]byte, codec.MaxRequest+1)})
	e := failure(t, resp, err)
	if e.Outcome != lambdapool.OutcomeNotRun || !e.Permanent || !errors.Is(e, lambdapool.ErrTooLarge) {
		t.Errorf("%v: outcome %v, permanent %t", e, e.Outcome, e.Permanent)
	}
	if f.requests.Load() != before {
		t.Error("a payload that is too large was sent")
	}
}

// maxCopied is the payload above which the body is read in place.
const maxCopied = 64 << 10

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}
