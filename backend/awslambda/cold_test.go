package awslambda_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// What a cold function takes, in virtual time.
const (
	coldStart = 150 * time.Millisecond
	roundTrip = 20 * time.Millisecond // and one more to open a connection
	coldItem  = 10 * time.Millisecond
)

// A cold is Lambda in virtual time behind a wire: connections are opened as they are needed and kept, and agents likewise.
type cold struct {
	registry *lambdapool.Registry

	mu     sync.Mutex
	conns  int // that are idle
	agents []*agent.Handler
}

// Do implements lambda.HTTPClient.
func (c *cold) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(bodyOf(r))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	open := c.conns > 0
	if open {
		c.conns--
	}
	c.mu.Unlock()
	if !open {
		time.Sleep(roundTrip)
	}
	time.Sleep(roundTrip / 2)
	reply := []byte(configured("", "A"))
	if strings.HasSuffix(r.URL.Path, "/invocations") {
		reply, err = c.serve(r.Context(), body)
	}
	time.Sleep(roundTrip / 2)
	c.mu.Lock()
	c.conns++
	c.mu.Unlock()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(reply)), ContentLength: int64(len(reply)), Request: r}, err
}

func bodyOf(r *http.Request) io.Reader {
	if r.Body == nil {
		return http.NoBody
	}
	return r.Body
}

// serve has an agent run an invocation, one that is idle or a new one.
func (c *cold) serve(ctx context.Context, body []byte) ([]byte, error) {
	c.mu.Lock()
	var a *agent.Handler
	if n := len(c.agents); n > 0 {
		a, c.agents = c.agents[n-1], c.agents[:n-1]
	}
	c.mu.Unlock()
	if a == nil {
		time.Sleep(coldStart)
		a = agent.NewHandler(c.registry)
	}
	reply, err := a.Invoke(context.WithoutCancel(ctx), body)
	c.mu.Lock()
	c.agents = append(c.agents, a)
	c.mu.Unlock()
	return reply, err
}

// From New on a cold function to its results: nothing of ours comes on top but the first items of a map, from which it
// learns how long they are.
func TestCold(t *testing.T) {
	const items, workers = 1000, 32
	first := 2*roundTrip + coldStart + coldItem
	each := time.Duration((items + workers - 1) / workers)
	r := lambdapool.NewRegistry()
	nap := lambdapool.RegisterIn(r, "nap", func(_ context.Context, d time.Duration) (int, error) { time.Sleep(d); return 1, nil })
	mapIdeal := func(item time.Duration) time.Duration { return 2*roundTrip + coldStart + each*item } // one chunk for each worker
	mapOf := func(item time.Duration) func(context.Context, *lambdapool.Executor) error {
		return func(ctx context.Context, e *lambdapool.Executor) error {
			_, err := lambdapool.Map(ctx, e, nap, slices.Repeat([]time.Duration{item}, items), lambdapool.Parallel(1))
			return err
		}
	}
	for _, tt := range []struct {
		name  string
		ideal time.Duration
		most  float64 // times the ideal
		run   func(context.Context, *lambdapool.Executor) error
	}{
		{"first result", first, 1, func(ctx context.Context, e *lambdapool.Executor) error {
			_, err := lambdapool.Call(ctx, e, nap, coldItem)
			return err
		}},
		{"Submit", first + (each-1)*(roundTrip+coldItem), 1.01, func(ctx context.Context, e *lambdapool.Executor) error {
			var futures []*lambdapool.Future[int]
			for range items {
				futures = append(futures, lambdapool.Submit(ctx, e, nap, coldItem))
			}
			_, err := lambdapool.Collect(ctx, futures...)
			return err
		}},
		{"Map", mapIdeal(coldItem), 1.12, mapOf(coldItem)},
		{"Map of short items", mapIdeal(time.Millisecond), 1.1, mapOf(time.Millisecond)},
		{"Map of long items", mapIdeal(100 * time.Millisecond), 1.05, mapOf(100 * time.Millisecond)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				b, err := awslambda.New(t.Context(), "algorithms", awslambda.WithWorkers(workers), awslambda.WithConfig(aws.Config{
					Region: "eu-central-1", BaseEndpoint: aws.String("http://lambda.example.com"), HTTPClient: &cold{registry: r},
					Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
				}))
				if err != nil {
					t.Fatal(err)
				}
				e, err := lambdapool.New(b, lambdapool.WithOwnedBackend(), lambdapool.WithRegistry(r))
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				if err := tt.run(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				ratio := float64(took) / float64(tt.ideal)
				t.Logf("%v, ideal %v, ratio %.3f; %d invocations", took, tt.ideal, ratio, e.Stats().Invocations)
				if ratio > tt.most {
					t.Errorf("%.3f times the ideal, want %.2f at most", ratio, tt.most)
				}
			})
		})
	}
}
