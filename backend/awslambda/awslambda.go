package awslambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/schedule"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// A Backend invokes one Lambda function, or one version or alias of it. Make it with [New], and
// close it when no executor uses it any more; lambdapool.WithOwnedBackend lets the executor do
// that. It is safe for concurrent use, and several executors may share it. Each executor keeps
// to the limits by itself, so two of them may ask for twice the workers.
type Backend struct {
	target    target
	fleet     atomic.Pointer[fleet]   // the shards, of which there may be one
	law       schedule.Law            // of each
	template  *template               // of the first
	creds     aws.CredentialsProvider // nil: requests are not signed
	transport http.RoundTripper
	traced    bool // the transport reports connections through httptrace
	protocol  errorReader
	guard     *guard
	limits    limits
	commit    string // of this program, if it is known
	log       *slog.Logger
	bucket    *bucket // nil: large payloads are refused

	clock   clock
	reached atomic.Bool // some answer has arrived
	closed  atomic.Bool
	cancel  context.CancelFunc
	looking sync.WaitGroup // at shards and credentials
	found   chan struct{}  // closed when it is known how many shards there are
}

var _ driver.Backend = (*Backend)(nil)

// New makes a backend for functionName: a name, NAME:QUALIFIER, a partial or a full ARN.
// Without a qualifier it is the newest code, which changes under a running client when somebody
// deploys. A qualifier keeps to one version.
//
// It reads the configuration and may do network I/O for it within ctx (single sign-on, instance
// metadata); [WithAutoDeploy] does more. It does not wait for Lambda: the credentials are fetched after it has returned,
// and Lambda is asked once how many shards the function has, unless [WithShards] says so. The first calls do not wait for
// that. So that a function does not exist, or that credentials are bad, shows at the first Invoke. The end of ctx after New
// has returned does not matter.
//
// It returns an error for a name that is none, for a bad option, for two that contradict each
// other, and for a configuration without a region or credentials. These errors match no
// sentinel.
func New(ctx context.Context, functionName string, opts ...Option) (*Backend, error) {
	t, err := parseTarget(functionName)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Backend, error) {
		return nil, fmt.Errorf("lambdapool: open Lambda function %q: %w", functionName, err)
	}
	o, err := collect(opts)
	if err != nil {
		return fail(err)
	}
	if err := t.settle(&o); err != nil {
		return fail(err)
	}
	cfg, err := configure(ctx, t, o)
	if err != nil {
		return fail(err)
	}
	if err := t.deployed(ctx, cfg, o.deploy); err != nil {
		return fail(err)
	}
	var store *bucket
	if o.bucket != nil {
		if store, err = newBucket(cfg, o); err != nil {
			return fail(err)
		}
	}
	if o.endpoint != "" {
		cfg.BaseEndpoint = aws.String(o.endpoint)
		cfg.ConfigSources = nil // an endpoint from the environment would win over it
	}
	client := lambda.NewFromConfig(cfg)
	transport, traced, err := newTransport(client.Options().HTTPClient, o.workers, o.transport)
	if err != nil {
		return fail(err)
	}
	b := &Backend{
		target:    t,
		creds:     cfg.Credentials,
		transport: transport,
		traced:    traced,
		protocol:  errorReader{client.Options().Protocol},
		log:       o.log,
		commit:    agentmain.OwnCommit(),
		bucket:    store,
		law:       shards.LawOf(ctx),
		found:     make(chan struct{}),
	}
	if err := b.aim(ctx, cfg, o); err != nil {
		return fail(err)
	}
	b.limit(o)
	life, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	if store != nil {
		store.clock.Before = func() time.Duration { return time.Duration(b.clock.ahead.Load()) } // until the store has answered
	}
	b.guard = &guard{margin: guardMargin, lookup: b.functionTimeout(life, cfg)}
	if t, ok := transport.(*http.Transport); ok && cancels() {
		b.guard.cancel = cancelRequest(t)
	}
	if o.timeout > 0 {
		b.guard.lookup = func() time.Duration { return o.timeout }
	}
	b.look(life, cfg, o)
	return b, nil
}

// settle brings name and options together.
func (t *target) settle(o *options) error {
	if o.qualifier != "" {
		if t.qualifier != "" && t.qualifier != o.qualifier {
			return fmt.Errorf("WithQualifier: %q, but the name says %q", o.qualifier, t.qualifier)
		}
		t.qualifier = o.qualifier
	}
	if o.region != "" && t.region != "" && o.region != t.region {
		return fmt.Errorf("WithRegion: %q, but the ARN says %q", o.region, t.region)
	}
	return nil
}

// configure loads the default chain, unless a configuration was given. An endpoint of
// Lambda's own is not in it.
func configure(ctx context.Context, t target, o options) (aws.Config, error) {
	region := o.region
	if region == "" {
		region = t.region
	}
	var cfg aws.Config
	if o.config != nil {
		cfg = o.config.Copy()
	} else {
		var load []func(*config.LoadOptions) error
		if region != "" {
			load = append(load, config.WithRegion(region))
		}
		if o.profile != "" {
			load = append(load, config.WithSharedConfigProfile(o.profile))
		}
		if o.credentials != nil {
			load = append(load, config.WithCredentialsProvider(o.credentials))
		}
		var err error
		if cfg, err = config.LoadDefaultConfig(ctx, load...); err != nil {
			return cfg, fmt.Errorf("AWS configuration: %w", err)
		}
	}
	if region != "" {
		cfg.Region = region
	}
	if o.credentials != nil {
		cfg.Credentials = o.credentials
	}
	// Its logs would show signatures and payloads.
	cfg.ClientLogMode = 0
	switch {
	case cfg.Region == "":
		return cfg, errors.New("no region: set AWS_REGION, a region in the profile, or WithRegion; a full ARN has one too; without an account, `lambdapool local` and backend/local play Lambda on this machine")
	case cfg.Credentials == nil:
		return cfg, errors.New("the aws.Config has no credentials: set Credentials, or WithStaticCredentials")
	case aws.IsCredentialsProvider(cfg.Credentials, (*aws.AnonymousCredentials)(nil)):
		cfg.Credentials = nil
	default:
		if _, ok := cfg.Credentials.(*aws.CredentialsCache); !ok {
			cfg.Credentials = aws.NewCredentialsCache(cfg.Credentials)
		}
	}
	return cfg, nil
}

// Build names the commit that this program was built from, as "MODULE@REVISION", if go build has
// stamped it with one and the checkout had no changes; otherwise it is empty, as it is for go run.
// Agents that lambdapool deployed from a checkout without changes name theirs in each reply. An
// executor that meets one of the same module and another commit logs a warning, once.
// What has no commit is not compared: WithAutoDeploy brings the client's own build, and `lambdapool
// doctor NAME PACKAGE` compares what is deployed with the source.
func (b *Backend) Build() string { return b.commit }

// Close closes idle connections. Later calls fail with [driver.ErrClosed]. Calls in flight
// go on, and their connections are closed as they end. Close the executor first, which ends its
// calls. It does not wait for them, always returns nil, and a second Close does nothing.
func (b *Backend) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.cancel()
	b.looking.Wait()
	if t, ok := b.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	if b.bucket != nil {
		b.bucket.close()
	}
	return nil
}

// Invoke makes one attempt: it sends the payload at most once and waits for the reply. It is
// for executors; programs use package lambdapool, which retries what may be retried.
//
// It blocks for as long as the function runs. When ctx ends first it returns early with
// ErrCanceled or ErrTimeout, but the function runs on, and is billed, until it is done or its
// own timeout stops it. When no reply has come 45 seconds after that timeout, the connection is
// taken for lost, and the error matches ErrTimeout with an unknown outcome.
//
// Every error is a [driver.InvokeError]. A payload above Limits.Request is refused with
// ErrTooLarge, and a closed backend with ErrClosed, before anything is sent.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	f, ended := b.choose()
	if b.log == nil {
		resp, ierr := b.invoke(ctx, f, req)
		ended(ierr)
		return result(resp, ierr)
	}
	start := time.Now()
	resp, ierr := b.invoke(ctx, f, req)
	ended(ierr)
	b.record(ctx, "invoke", f, req, resp, ierr, time.Since(start))
	return result(resp, ierr)
}

// result keeps a nil *InvokeError from becoming an error that is not nil.
func result(resp *driver.Response, ierr *driver.InvokeError) (*driver.Response, error) {
	if ierr != nil {
		return nil, ierr
	}
	return resp, nil
}

func (b *Backend) invoke(ctx context.Context, f *function, req *driver.Request) (*driver.Response, *driver.InvokeError) {
	if b.closed.Load() {
		return nil, notSent(driver.ErrClosed, fmt.Errorf("the backend for Lambda function %s is closed", b.target.short()), "invoke before Close")
	}
	if n := len(req.Payload); n > codec.MaxRequest {
		return nil, notSent(driver.ErrTooLarge,
			fmt.Errorf("the request has %d bytes, Lambda takes %d", n, codec.MaxRequest), hintTooLarge)
	}
	within := ctx
	if b.guard.cancel == nil {
		var done context.CancelFunc
		within, done = b.guard.watch(ctx)
		defer done()
	}
	resp, data, creds, ierr := b.send(ctx, within, f, req.Payload, nil) //nolint:bodyclose // send has closed it
	if ierr != nil {
		return nil, ierr
	}
	if resp.StatusCode != http.StatusOK {
		return nil, b.refused(resp, data, creds)
	}
	return b.answered(resp, data)
}

// notSent is an attempt that ended before anything was sent, and would again.
func notSent(kind, err error, hint string) *driver.InvokeError {
	return &driver.InvokeError{
		Outcome: driver.OutcomeNotRun, Kind: kind, Err: err, Permanent: true, Hint: hint,
	}
}
