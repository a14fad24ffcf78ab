package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// A Backend is an embedded Lambda with one function, whose agents are
// processes of this machine. It is a [lambdapool.Backend], safe for concurrent
// use, and serves other AWS clients at its Endpoint at the same time.
type Backend struct {
	cfg         config
	credentials aws.Credentials
	endpoint    string
	server      *http.Server
	spawner     *spawner
	fn          *function
	store       *store
	client      *awslambda.Backend

	closing  atomic.Bool
	close    sync.Once
	closeErr error
}

var _ lambdapool.Backend = (*Backend)(nil)

// New starts an embedded Lambda. It listens on loopback only; agents are
// started when there is work for them. The caller closes it.
//
// Without WithBinary the agent is this very executable, whose main must have
// called agent.Main: New refuses when it has not, and in any process that is
// an agent already, since one that starts agents would never end doing so.
// Other errors name the option that is wrong, or why the port cannot be had.
func New(opts ...Option) (*Backend, error) {
	cfg := defaults()
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("lambdapool: local: nil option")
		}
		if err := opt(&cfg); err != nil {
			return nil, fmt.Errorf("lambdapool: local: %w", err)
		}
	}
	switch {
	case os.Getenv(envMarker) != "":
		return nil, errors.New("lambdapool: local: this process is an agent, and agents must not start agents of their own (call agent.Main() as the first line of main; inside a function use backend/inproc)")
	case cfg.binary == "" && !agentmain.Called():
		return nil, errors.New("lambdapool: local: this executable cannot be its own agent: main must call agent.Main() as its first line, TestMain in a test (or use local.WithBinary)")
	}
	b, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: local: %w", err)
	}
	return b, nil
}

func open(cfg config) (*Backend, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", cfg.address)
	if err != nil {
		return nil, err
	}
	spawner, err := newSpawner()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	address := listener.Addr().String()
	b := &Backend{
		cfg:         cfg,
		credentials: cfg.keyPair(),
		endpoint:    "http://" + address,
		spawner:     spawner,
		fn:          newFunction(cfg, spawner, address),
		store:       newStore(cfg, "http://"+address),
	}
	b.client, err = b.newClient()
	if err != nil {
		b.fn.close()
		spawner.close()
		return nil, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	api := &invokeAPI{auth: newAuthenticator(b.credentials.AccessKeyID, b.credentials.SecretAccessKey, "lambda"), region: region, resolve: b.fn.only}
	api.route(mux)
	routeRuntime(mux, b.fn.pool.find)
	b.store.route(mux)
	b.server = newServer(mux, cfg.logger)
	go func() { _ = b.server.Serve(listener) }() // http.ErrServerClosed
	return b, nil
}

// newClient makes the client that production uses, aimed at this machine.
// Nothing of it comes from the environment or from ~/.aws.
func (b *Backend) newClient() (*awslambda.Backend, error) {
	id, secret := b.Credentials()
	return awslambda.New(context.Background(), b.cfg.name,
		awslambda.WithConfig(aws.Config{
			Region:       region,
			BaseEndpoint: aws.String(b.endpoint),
			Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
		}),
		awslambda.WithWorkers(b.cfg.concurrency),
		awslambda.WithFunctionTimeout(b.cfg.timeout),
	)
}

// Invoke sends one request through the Invoke API and waits for its reply.
// It returns when ctx ends, but the agent runs on, as on Lambda. Every error is
// a [lambdapool.InvokeError]; after Close it is ErrClosed.
func (b *Backend) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	if b.closing.Load() {
		return nil, closedError()
	}
	resp, err := b.client.Invoke(ctx, req)
	if err != nil {
		return nil, b.cutShort(ctx, err)
	}
	return resp, nil
}

// Limits returns Lambda's limits, the concurrency and the timeout.
func (b *Backend) Limits() lambdapool.Limits {
	return lambdapool.Limits{
		Workers:  b.cfg.concurrency,
		Request:  codec.MaxRequest,
		Response: codec.MaxReply,
		Timeout:  b.cfg.timeout,
	}
}

// Endpoint returns the URL of the Invoke API, on loopback, for any AWS client:
//
//	aws lambda invoke --endpoint-url ENDPOINT --function-name NAME --payload … out
//
// Requests are signed with Credentials; any region will do.
func (b *Backend) Endpoint() string { return b.endpoint }

// FunctionName returns the name to invoke.
func (b *Backend) FunctionName() string { return b.cfg.name }

// Credentials returns the key pair that requests are signed with. It is made
// for this Backend, and good for nothing else.
func (b *Backend) Credentials() (accessKeyID, secretAccessKey string) {
	return b.credentials.AccessKeyID, b.credentials.SecretAccessKey
}

// shutdownTime is how long Close waits for callers to take their last answers.
const shutdownTime = 2 * time.Second

// Close kills all agents and everything they started, answers the calls that
// were running with an error, drops the Event invocations that wait, and frees
// the port. It returns when all processes are gone. A second Close waits for
// the first and returns the same.
func (b *Backend) Close() error {
	b.close.Do(func() {
		b.closing.Store(true)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		b.fn.close()
		b.closeErr = b.client.Close() // before the server looks for idle connections
		if b.server.Shutdown(ctx) != nil {
			b.closeErr = errors.Join(b.closeErr, b.server.Close())
		}
		b.store.close()
		b.spawner.close()
	})
	return b.closeErr
}
