package awslambda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// A provider is a source of credentials that may fail.
type provider func(context.Context) (aws.Credentials, error)

func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) { return p(ctx) }

func TestCredentials(t *testing.T) {
	answer := func(w http.ResponseWriter) { fmt.Fprint(w, "ok") }
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w)
	})
	open := func(p provider) *awslambda.Backend {
		cfg := f.config()
		cfg.Credentials = p
		b, err := awslambda.New(t.Context(), "algo", awslambda.WithShards(1), awslambda.WithConfig(cfg))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}

	asked := 0
	b := open(func(context.Context) (aws.Credentials, error) {
		asked++
		return aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S", CanExpire: true, Expires: time.Now().Add(time.Minute)}, nil
	})
	for range 3 {
		if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the provider was asked %d times for 3 calls, want once", asked)
	}
	// They ran out on the way: the next call asks for new ones, so it may succeed.
	answer = func(w http.ResponseWriter) {
		w.Header().Set("X-Amzn-Errortype", "ExpiredTokenException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"The security token included in the request is expired"}`)
	}
	if e := f.fails(t, b, 1); e.Permanent || e.Outcome != lambdapool.OutcomeNotRun {
		t.Errorf("%v: permanent %t", e, e.Permanent)
	}
	f.fails(t, b, 1)
	if asked != 2 {
		t.Errorf("after an expiry the provider was asked %d times, want 2", asked)
	}

	b = open(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("SSO session is over")
	})
	e := f.fails(t, b, 0)
	if e.Outcome != lambdapool.OutcomeNotRun || !e.Permanent || !errors.Is(e, lambdapool.ErrAccessDenied) || !strings.Contains(e.Error(), "SSO session is over") {
		t.Errorf("%v: outcome %v, permanent %t", e, e.Outcome, e.Permanent)
	}

	// A cache asks on behalf of all callers, so the provider outlives this one's patience.
	release := make(chan struct{})
	defer close(release)
	b = open(func(context.Context) (aws.Credentials, error) {
		<-release
		return aws.Credentials{}, errors.New("too late")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
	if e := failure(t, resp, err); e.Outcome != lambdapool.OutcomeNotRun || !errors.Is(e, lambdapool.ErrTimeout) || e.Permanent {
		t.Errorf("%v: outcome %v, permanent %t", e, e.Outcome, e.Permanent)
	}
}

// A machine whose clock is off is told so, and its next request is signed with Lambda's time.
func TestClockSkew(t *testing.T) {
	var dates []string
	server := time.Now().Add(-3 * time.Hour)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Error(err)
		}
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		w.Header().Set("Date", server.UTC().Format(http.TimeFormat))
		if signed.Sub(server).Abs() > 5*time.Minute {
			w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"message":"Signature not yet current: %s"}`, r.Header.Get("Authorization"))
			return
		}
		fmt.Fprint(w, "ok")
	})
	b := f.open(t)
	e := f.fails(t, b, 1)
	if e.Permanent || e.Outcome != lambdapool.OutcomeNotRun || !strings.Contains(e.Hint, "clock differs from Lambda's by 3h") {
		t.Errorf("%v: permanent %t, hint %q", e, e.Permanent, e.Hint)
	}
	if _, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
		t.Errorf("with Lambda's time: %v (signed at %v)", err, dates)
	}
	// The right time and still refused: that is final.
	server = time.Now().Add(-3 * time.Hour)
	denied := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException")
		w.WriteHeader(http.StatusForbidden)
	})
	if e := denied.fails(t, denied.open(t), 1); !e.Permanent {
		t.Errorf("%v is not permanent", e)
	}
}

// All that were on the way with the wrong time may be sent again, not only the first that
// is told so.
func TestClockSkewOfSeveral(t *testing.T) {
	const several = 8
	var arrived sync.WaitGroup
	arrived.Add(several)
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		arrived.Wait()
		w.Header().Set("Date", time.Now().Add(3*time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException")
		w.WriteHeader(http.StatusForbidden)
	})
	b := f.open(t)
	var all sync.WaitGroup
	for range several {
		all.Go(func() {
			_, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)})
			var e *lambdapool.InvokeError
			if !errors.As(err, &e) || e.Permanent || !strings.Contains(e.Hint, "clock differs from Lambda's") {
				t.Errorf("%v is permanent, or has no hint", err)
			}
		})
	}
	all.Wait()
}

// In a Lambda function the trace goes along, so that Lambda can stop loops.
func TestTraceIsPassedOn(t *testing.T) {
	var got string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("X-Amzn-Trace-Id")
		fmt.Fprint(w, "ok")
	})
	t.Setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1")
	for name, want := range map[string]string{"": "", "outer": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1"} {
		setenv(t, map[string]string{"AWS_LAMBDA_FUNCTION_NAME": name})
		if _, err := f.open(t).Invoke(t.Context(), &lambdapool.Request{Payload: []byte(payload)}); err != nil {
			t.Error(err)
		}
		if got != want {
			t.Errorf("in function %q: trace %q, want %q", name, got, want)
		}
	}
}
