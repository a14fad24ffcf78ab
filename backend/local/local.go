package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/local/internal/controlplane"
	"github.com/lambdapool/lambdapool/backend/local/internal/faults"
	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/store"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// A Backend is an embedded Lambda with one function, whose agents are processes of this
// machine. It is a [driver.Backend], safe for concurrent use, and serves other AWS clients
// at its Endpoint at the same time.
//
// Use it to develop and to test: a program that works with it has been through real
// processes, the real wire and the client of production, so it finds what does not survive
// a crash or cannot be encoded. Where none of that is the question, as in most unit tests,
// backend/inproc is faster, since it starts no process. Whoever wants to create functions,
// or to test what does, needs a [Server].
type Backend struct {
	cfg         config
	credentials aws.Credentials
	endpoint    string
	server      *http.Server
	spawner     *sandbox.Spawner
	program     *program
	faults      *faults.Faults      // nil: none
	fns         []*service.Function // the shards: one, unless WithShards says more
	store       *store.Store
	data        *keep.Dir // nil: nothing outlives the Backend
	listener    net.Listener
	client      *awslambda.Backend

	closing  atomic.Bool
	close    sync.Once
	closeErr error
}

var _ driver.Backend = (*Backend)(nil)

// New starts an embedded Lambda. It listens on loopback only; agents are
// started when there is work for them. It blocks for a moment: nothing is
// started but a listener. The caller closes it, after the executors that use
// it.
//
// Without WithBinary the agent is this very executable, whose main must have called
// agent.Main: New refuses when it has not, and in any process that is an agent already,
// since one that starts agents would never end doing so. Other errors name the option that
// is wrong, or why the port cannot be had.
func New(opts ...Option) (*Backend, error) {
	cfg := defaults()
	cfg.logOutput, cfg.logNamed = os.Stderr, true
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("lambdapool: local: nil option")
		}
		if err := opt(&cfg); err != nil {
			return nil, fmt.Errorf("lambdapool: local: %w", err)
		}
	}
	switch {
	case os.Getenv(sandbox.Marker) != "":
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

func open(cfg config) (_ *Backend, err error) {
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
		}
	}()
	data, err := openData(cfg.data, service.QueueDir)
	if err != nil {
		return nil, err
	}
	undo = append(undo, data.Unlock)
	listener, err := listen(data, cfg.address)
	if err != nil {
		return nil, err
	}
	undo = append(undo, listener.Close)
	address := listener.Addr().String()
	objects, err := store.New(store.Config{Endpoint: "http://" + address, Threshold: cfg.storeThreshold, Limit: cfg.storeSize, Dir: data})
	if err != nil {
		return nil, err
	}
	spawner, err := sandbox.NewSpawner()
	if err != nil {
		return nil, err
	}
	pair := cfg.keyPair()
	auth := wire.NewAuthenticator(pair.AccessKeyID, pair.SecretAccessKey)
	b := &Backend{
		cfg:         cfg,
		credentials: pair,
		endpoint:    "http://" + address,
		spawner:     spawner,
		program:     lookAt(cfg.binary),
		faults:      faults.New(cfg.faults.plan()),
		store:       objects,
		data:        data,
		listener:    listener,
	}
	spec := cfg.environments(address)
	spec.Build, spec.Faults = b.program.next, b.faults
	b.fns = b.functions(spec, auth)
	b.client, err = b.newClient()
	if err != nil {
		b.closeFunctions()
		spawner.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	(&service.API{Auth: auth, Region: region, Resolve: b.resolve}).Route(mux)
	mux.HandleFunc("/", auth.Fallback(controlplane.UnknownOperation, "lambda"))
	sandbox.Route(mux, b.find)
	b.store.Route(mux)
	b.server = newServer(mux, cfg.logger)
	go func() { _ = b.server.Serve(listener) }() // http.ErrServerClosed
	if data != nil {
		b.restoreQueue()
	}
	return b, nil
}

// newClient makes the client that production uses, aimed at this machine.
// Nothing of it comes from the environment or from ~/.aws.
func (b *Backend) newClient() (*awslambda.Backend, error) {
	id, secret := b.Credentials()
	law := schedule.Law{Burst: b.cfg.law.Burst, Ramp: b.cfg.law.PerSecond}
	return awslambda.New(shards.WithLaw(context.Background(), law), b.cfg.name,
		awslambda.WithConfig(aws.Config{
			Region:       region,
			BaseEndpoint: aws.String(b.endpoint),
			Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
		}),
		awslambda.WithWorkers(b.cfg.concurrency),
		awslambda.WithFunctionTimeout(b.cfg.timeout),
		awslambda.WithShards(b.cfg.shards),
	)
}

// Invoke sends one request through the Invoke API and waits for its reply. It returns when
// ctx ends, but the agent runs on, as on Lambda. Every error is a [driver.InvokeError];
// after Close it is ErrClosed.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	if b.closing.Load() {
		return nil, closedError()
	}
	resp, err := b.client.Invoke(ctx, req)
	if err != nil {
		return nil, b.cutShort(ctx, err)
	}
	return resp, nil
}

// Limits returns what an executor needs to know: the concurrency as Workers, Lambda's
// limits of a request and a response in bytes, the timeout of the function, and with [WithScalingLaw] how
// fast it grows, all shards together. It does not change.
func (b *Backend) Limits() driver.Limits {
	return driver.Limits{
		Workers:  b.cfg.concurrency,
		Request:  codec.MaxRequest,
		Response: codec.MaxReply,
		Timeout:  b.cfg.timeout,
		Burst:    b.cfg.shards * b.cfg.law.Burst,
		Ramp:     float64(b.cfg.shards) * b.cfg.law.PerSecond,
	}
}

// Endpoint returns the URL of the Invoke API, on loopback, for any AWS client:
//
//	aws lambda invoke --endpoint-url ENDPOINT --function-name NAME --payload … out
//
// Requests are signed with Credentials; any region will do. Nobody else on this machine
// can use it without them. It serves Invoke and InvokeWithResponseStream; what else Lambda
// has is answered 501, with the name of the operation. It is the same until Close.
func (b *Backend) Endpoint() string { return b.endpoint }

// FunctionName returns the name to invoke at the Endpoint: that of [WithFunctionName].
func (b *Backend) FunctionName() string { return b.cfg.name }

// Credentials returns the key pair that requests are signed with: that of
// [WithCredentials], or one made for this Backend. It is good for nothing else, so that
// a test that prints it gives away nothing of an account's.
func (b *Backend) Credentials() (accessKeyID, secretAccessKey string) {
	return b.credentials.AccessKeyID, b.credentials.SecretAccessKey
}

// shutdownTime is how long Close waits for callers to take their last answers.
const shutdownTime = 2 * time.Second

// Close kills all agents and everything they started, answers the calls that
// were running with an error, drops the Event invocations that wait, and frees
// the port. With [WithData] those that wait are kept, and those that run have ten
// seconds to end. It returns when all processes are gone. A second Close waits for
// the first and returns the same.
func (b *Backend) Close() error {
	b.close.Do(func() {
		b.closing.Store(true)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		b.closeFunctions()
		b.closeErr = b.client.Close() // before the server looks for idle connections
		if b.server.Shutdown(ctx) != nil {
			b.closeErr = errors.Join(b.closeErr, b.server.Close())
		}
		_ = b.listener.Close() // a server that has not begun to serve does not close it
		b.store.Close()
		b.spawner.Close()
		b.closeErr = errors.Join(b.closeErr, b.data.Unlock())
	})
	return b.closeErr
}

// Store returns where payloads above Lambda's limits go: temporary files of this machine
// without a name, or files below the directory of [WithData]. Agents reach them by links,
// which this process serves until Close.
func (b *Backend) Store() driver.Store { return b.store }

// StoreOption returns the option that sets how much is stored. An executor names it in
// the error of a call for which there was no room.
func (b *Backend) StoreOption() string { return "local.WithStoreSize" }
