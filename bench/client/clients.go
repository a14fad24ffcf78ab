package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// add is the function behind every call.
var add = lambdapool.Register("add", func(_ context.Context, n int) (int, error) { return n + 1, nil })

// A client makes one call at a time, from many goroutines.
type client struct {
	name  string
	call  func(context.Context) error
	close func()
}

func newClients(ctx context.Context, s *server, inflight int) ([]client, error) {
	payload, err := capture(ctx)
	if err != nil {
		return nil, err
	}
	plain := sdkClient("SDK, as it comes", config(s, trust(s)), payload)
	tunedConfig := config(s, tunedHTTP(s, inflight))
	tunedConfig.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	tuned := sdkClient("SDK, tuned by hand", tunedConfig, payload)

	backend, err := awslambda.New(ctx, "bench", awslambda.WithConfig(config(s, trust(s))), awslambda.WithWorkers(inflight))
	if err != nil {
		return nil, err
	}
	alone := client{
		name: "lambdapool, backend alone",
		call: func(ctx context.Context) error {
			_, err := backend.Invoke(ctx, &lambdapool.Request{Payload: payload})
			return err
		},
		close: func() {},
	}
	executor, err := lambdapool.New(backend)
	if err != nil {
		return nil, err
	}
	whole := client{
		name: "lambdapool",
		call: func(ctx context.Context) error {
			n, err := lambdapool.Call(ctx, executor, add, 41)
			if err == nil && n != 42 {
				err = errors.New("wrong answer")
			}
			return err
		},
		close: func() { _, _ = executor.Close(), backend.Close() },
	}
	return []client{plain, tuned, alone, whole}, nil
}

func config(s *server, http *awshttp.BuildableClient) aws.Config {
	return aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String(s.url),
		Credentials:  aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AKIDBENCH", "secret", "")),
		HTTPClient:   http,
	}
}

func trust(s *server) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig.RootCAs = s.roots
	}).WithDialerOptions(func(d *net.Dialer) {
		d.Control = func(string, string, syscall.RawConn) error {
			s.opened.Add(1)
			return nil
		}
	})
}

// tunedHTTP is what people who know the SDK set.
func tunedHTTP(s *server, inflight int) *awshttp.BuildableClient {
	return trust(s).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 0
		t.MaxIdleConnsPerHost = inflight
		t.MaxConnsPerHost = 0
		t.ForceAttemptHTTP2 = false
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		t.TLSClientConfig.NextProtos = []string{"http/1.1"}
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	})
}

func sdkClient(name string, cfg aws.Config, payload []byte) client {
	c := lambda.NewFromConfig(cfg)
	return client{
		name: name,
		call: func(ctx context.Context) error {
			out, err := c.Invoke(ctx, &lambda.InvokeInput{
				FunctionName: aws.String("bench"), LogType: types.LogTypeTail, Payload: payload,
			})
			if err == nil && out.FunctionError != nil {
				err = errors.New(string(out.Payload))
			}
			return err
		},
		close: func() {},
	}
}

// capture is the request that the executor makes of one call, for the clients
// that have no executor.
func capture(ctx context.Context) ([]byte, error) {
	r := &recorder{handler: agent.NewHandler(lambdapool.DefaultRegistry)}
	e, err := lambdapool.New(r)
	if err != nil {
		return nil, err
	}
	_, err = lambdapool.Call(ctx, e, add, 41)
	return r.payload, errors.Join(err, e.Close())
}

type recorder struct {
	handler *agent.Handler
	payload []byte
}

func (r *recorder) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	r.payload = append([]byte(nil), req.Payload...)
	reply, err := r.handler.Invoke(ctx, req.Payload)
	if err != nil {
		return nil, err
	}
	return &lambdapool.Response{Payload: reply}, nil
}

func (r *recorder) Limits() lambdapool.Limits { return lambdapool.Limits{Workers: 1} }
