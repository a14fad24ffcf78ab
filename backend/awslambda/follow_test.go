package awslambda

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/driver"
)

// net/http cancels single requests in this version of Go.
func TestCancels(t *testing.T) {
	if !cancels() {
		t.Error("it does not: each call costs a context of its own")
	}
}

// A request whose reply is overdue is given up wherever it is: before it has a connection, before
// an answer, and within one.
func TestOverdueAnywhere(t *testing.T) {
	const margin, limit = 45 * time.Second, 3 * time.Minute
	for _, tt := range []struct {
		name    string
		server  func(net.Conn) // nil: there is no connection
		outcome driver.Outcome
	}{
		{"dialing", nil, driver.OutcomeNotRun},
		{"silent", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, driver.OutcomeUnknown},
		{"in the answer", func(c net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			_, _ = io.Copy(io.Discard, c)
		}, driver.OutcomeUnknown},
	} {
		for _, contexts := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := open(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
						if tt.server == nil {
							<-ctx.Done()
							return nil, ctx.Err()
						}
						near, far := net.Pipe()
						go func() { defer far.Close(); tt.server(far) }()
						return near, nil
					})
					b.guard.lookup = func() time.Duration { return limit }
					if contexts {
						b.guard.cancel = nil
					}
					start := time.Now()
					_, err := b.Invoke(t.Context(), &driver.Request{Payload: []byte("1")})
					var e *driver.InvokeError
					if !errors.As(err, &e) || e.Outcome != tt.outcome || !errors.Is(e.Kind, driver.ErrTimeout) || !strings.Contains(e.Error(), "lost without a trace") {
						t.Errorf("%v, want outcome %v", err, tt.outcome)
					}
					if took := time.Since(start); took != margin+limit {
						t.Errorf("after %v", took)
					}
				})
			})
		}
	}
}

// Each of many calls has its own time, and those that end in it leave nothing behind.
func TestFollowsMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const answered = 10 * time.Second
		b := open(t, func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				r, err := http.ReadRequest(bufio.NewReader(far))
				if err != nil {
					return
				}
				if data, _ := io.ReadAll(r.Body); string(data) == "quick" {
					time.Sleep(answered)
					_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				}
				_, _ = io.Copy(io.Discard, far)
			}()
			return near, nil
		})
		b.guard.lookup = func() time.Duration { return time.Minute }
		took := make(chan time.Duration)
		for i := range 20 {
			payload, want := "quick", answered
			if i%3 == 0 {
				payload, want = "never", guardMargin+time.Minute
			}
			go func() {
				start := time.Now()
				_, err := b.Invoke(t.Context(), &driver.Request{Payload: []byte(payload)})
				if (err != nil) != (payload == "never") {
					t.Errorf("%s: %v", payload, err)
				}
				took <- time.Since(start) - want
			}()
			time.Sleep(time.Second)
		}
		for range 20 {
			if over := <-took; over != 0 {
				t.Errorf("%v too long", over)
			}
		}
		b.guard.mu.Lock()
		defer b.guard.mu.Unlock()
		if b.guard.first != nil || b.guard.last != nil {
			t.Error("requests that have ended are still followed")
		}
	})
}

// Credentials that do not come are waited for as long as a reply; those in a cache cost no context.
func TestCredentialsThatDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil)
		b.guard.lookup = func() time.Duration { return time.Minute }
		b.creds = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			within, cancel := context.WithCancel(ctx)
			defer cancel()
			<-within.Done()
			return aws.Credentials{}, within.Err()
		})
		start := time.Now()
		_, err := b.Invoke(t.Context(), &driver.Request{Payload: []byte("1")})
		var e *driver.InvokeError
		if !errors.As(err, &e) || e.Outcome != driver.OutcomeNotRun || !errors.Is(e.Kind, driver.ErrTimeout) || time.Since(start) != guardMargin+time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err = b.Invoke(ctx, &driver.Request{Payload: []byte("1")}); !errors.Is(err, driver.ErrCanceled) {
			t.Errorf("canceled: %v", err)
		}
	})
}

// A caller's context may be of a type that cannot be compared.
func TestContextsAreNotCompared(t *testing.T) {
	type odd struct {
		context.Context

		_ []int
	}
	b := open(t, func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") })
	_, err := b.Invoke(odd{Context: t.Context()}, &driver.Request{Payload: []byte("1")})
	var e *driver.InvokeError
	if !errors.As(err, &e) || e.Outcome != driver.OutcomeNotRun {
		t.Error(err)
	}
}

// open returns a backend over dial.
func open(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *Backend {
	t.Helper()
	b, err := New(t.Context(), "algo", WithShards(1), WithConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://lambda.example.com"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
		}),
	}), WithHTTPTransport(func(tr *http.Transport) { tr.DialContext, tr.Proxy = dial, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
