package awslambda_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// clientFunc is an HTTP client of the program's own.
type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// A client of the program's that does not answer the look-up, which nobody waits for, harms nothing else: the program
// goes on, events are sent, and Close returns.
func TestFaultyClientOfTheLookUp(t *testing.T) {
	for said, fault := range map[string]func(){
		"panicked: no look-ups here": func() { panic("no look-ups here") },
		"ended its goroutine":        runtime.Goexit, // as a test's FailNow does
	} {
		t.Run(said, func(t *testing.T) {
			fleet := newFleet(threeShards)
			f := newFake(t, fleet.serve)
			cfg := f.config()
			cfg.HTTPClient = clientFunc(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet {
					fault()
				}
				return f.Client().Do(r)
			})
			var out lockedBuffer
			b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithConfig(cfg), awslambda.WithClientLog(logTo(&out)))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := b.InvokeEvent(ctx, &lambdapool.Request{Payload: []byte(payload)}); err != nil {
				t.Error(err)
			}
			awslambda.Looked(b)
			if !strings.Contains(out.String(), "aws.Config "+said) {
				t.Errorf("logged: %s", out.String())
			}
		})
	}
}

// closing closes a backend when an answer has been read, and returns once the request's context has ended by it.
type closing struct {
	io.ReadCloser

	close func()
}

func (c closing) Close() error {
	c.close()
	return c.ReadCloser.Close()
}

// A Close just when the shards have been found is no fault of theirs: nothing is logged.
func TestCloseWhenShardsAreFound(t *testing.T) {
	f := newFake(t, newFleet(threeShards).serve)
	cfg := f.config()
	var b *awslambda.Backend
	var closes sync.WaitGroup
	opened := make(chan struct{})
	cfg.HTTPClient = clientFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := f.Client().Do(r)
		if err == nil && r.Method == http.MethodGet {
			resp.Body = closing{resp.Body, func() {
				<-opened
				closes.Go(func() { _ = b.Close() })
				<-r.Context().Done()
			}}
		}
		return resp, err
	})
	var out lockedBuffer
	var err error
	if b, err = awslambda.New(t.Context(), "algorithms", awslambda.WithConfig(cfg), awslambda.WithClientLog(logTo(&out))); err != nil {
		t.Fatal(err)
	}
	close(opened)
	awslambda.Looked(b)
	closes.Wait()
	if b.Limits().Burst != 3*schedule.LambdaBurst || out.String() != "" {
		t.Errorf("limits %+v, logged: %s", b.Limits(), out.String())
	}
}

// Neither does one that fails while the guard reads the function's timeout: the longest counts then.
func TestFaultyClientOfTheGuard(t *testing.T) {
	for name, fault := range map[string]func(){"panics": func() { panic("no look-ups here") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithShards(1), awslambda.WithConfig(aws.Config{
					Region: "eu-central-1", BaseEndpoint: aws.String("http://lambda.example.com"),
					HTTPClient: clientFunc(func(r *http.Request) (*http.Response, error) {
						if r.Method == http.MethodGet {
							fault()
						}
						select {
						case <-r.Context().Done():
							return nil, r.Context().Err()
						case <-time.After(10 * time.Minute):
						}
						return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`"reply"`)), Request: r}, nil
					}),
				}), awslambda.WithStaticCredentials("AKID", secretKey, ""))
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				invoke(t, b, 1)
			})
		})
	}
}
