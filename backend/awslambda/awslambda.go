package awslambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A Backend invokes one Lambda function, or one version or alias of it.
// It is safe for concurrent use.
type Backend struct {
	target    target
	template  *template
	creds     aws.CredentialsProvider // nil: requests are not signed
	transport http.RoundTripper
	traced    bool // the transport reports connections through httptrace
	protocol  errorReader
	guard     *guard
	limits    lambdapool.Limits
	log       *slog.Logger
	bucket    *bucket // nil: large payloads are refused

	clock   clock
	reached atomic.Bool // some answer has arrived
	closed  atomic.Bool
	cancel  context.CancelFunc
}

var _ lambdapool.Backend = (*Backend)(nil)

// New makes a backend for functionName: a name, NAME:QUALIFIER, a partial or a
// full ARN. It reads the configuration and may do network I/O for it within
// ctx (single sign-on, instance metadata), but does not contact Lambda, unless
// [WithAutoDeploy] does: that a function does not exist shows at the first Invoke.
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
	tmpl, err := prepare(ctx, cfg, t, o)
	if err != nil {
		return fail(fmt.Errorf("the configuration makes no request: %w", err))
	}
	life, cancel := context.WithCancel(context.Background())
	b := &Backend{
		target:    t,
		template:  tmpl,
		creds:     cfg.Credentials,
		transport: transport,
		traced:    traced,
		protocol:  errorReader{client.Options().Protocol},
		log:       o.log,
		bucket:    store,
		cancel:    cancel,
		limits: lambdapool.Limits{
			Workers:  o.workers,
			Request:  codec.MaxRequest,
			Response: codec.MaxReply,
			Timeout:  maxFunctionTimeout,
			Burst:    schedule.LambdaBurst,
			Ramp:     schedule.LambdaRamp,
			Rate:     schedule.LambdaRate,
		},
	}
	if store != nil {
		store.clock.lambda = &b.clock // until the store has answered
	}
	b.guard = &guard{margin: guardMargin, lookup: b.functionTimeout(life, cfg)}
	if o.timeout > 0 {
		b.limits.Timeout = o.timeout
		b.guard.lookup = func() time.Duration { return o.timeout }
	}
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
		return cfg, errors.New("no region: set AWS_REGION, a region in the profile, or WithRegion; a full ARN has one too")
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

// Limits returns the limits of a synchronous invocation. Timeout is what
// [WithFunctionTimeout] said, otherwise Lambda's longest.
func (b *Backend) Limits() lambdapool.Limits { return b.limits }

// Close closes idle connections; later calls fail with ErrClosed. Calls in
// flight go on, and their connections are closed as they end. It does not
// block, and a second Close does nothing.
func (b *Backend) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.cancel()
	if t, ok := b.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	if b.bucket != nil {
		b.bucket.close()
	}
	return nil
}

// Invoke makes one attempt: it sends the payload at most once and waits for
// the reply. When ctx ends first it returns early, but the function runs on,
// and is billed, until it is done or its own timeout stops it.
//
// Every error is a [lambdapool.InvokeError].
func (b *Backend) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	if b.log == nil {
		resp, ierr := b.invoke(ctx, req)
		return result(resp, ierr)
	}
	start := time.Now()
	resp, ierr := b.invoke(ctx, req)
	b.record(ctx, "invoke", req, resp, ierr, time.Since(start))
	return result(resp, ierr)
}

// result keeps a nil *InvokeError from becoming an error that is not nil.
func result(resp *lambdapool.Response, ierr *lambdapool.InvokeError) (*lambdapool.Response, error) {
	if ierr != nil {
		return nil, ierr
	}
	return resp, nil
}

func (b *Backend) invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, *lambdapool.InvokeError) {
	if b.closed.Load() {
		return nil, notSent(lambdapool.ErrClosed, fmt.Errorf("the backend for Lambda function %s is closed", b.target.short()), "invoke before Close")
	}
	if n := len(req.Payload); n > codec.MaxRequest {
		return nil, notSent(lambdapool.ErrTooLarge,
			fmt.Errorf("the request has %d bytes, Lambda takes %d", n, codec.MaxRequest), hintTooLarge)
	}
	within, done := b.guard.watch(ctx)
	defer done()
	resp, data, creds, ierr := b.send(ctx, within, req.Payload, nil) //nolint:bodyclose // send has closed it
	if ierr != nil {
		return nil, ierr
	}
	if resp.StatusCode != http.StatusOK {
		return nil, b.refused(resp, data, creds)
	}
	return b.answered(resp, data)
}

// send sends the payload at most once, with the prepared header as alter leaves it,
// and reads the answer. ctx is the caller's within the guard.
func (b *Backend) send(caller, ctx context.Context, payload []byte, alter func(http.Header)) (*http.Response, []byte, aws.Credentials, *lambdapool.InvokeError) {
	body := newBody(payload, !b.traced)
	defer body.wait()
	d := &delivery{}
	if !b.traced {
		d.conn.Store(true) // nobody will say so
	}
	r := b.template.request(httptrace.WithClientTrace(ctx, d.trace()))
	if alter != nil {
		alter(r.Header)
	}
	r.ContentLength = int64(len(payload))
	creds, ierr := b.sign(ctx, r, payload)
	if ierr != nil {
		return nil, nil, creds, ierr
	}
	r.Body, r.GetBody = body.open(), body.reopen
	resp, err := b.transport.RoundTrip(r)
	if err != nil {
		return nil, nil, creds, b.lost(caller, ctx, d.outcome(), err)
	}
	b.reached.Store(true)
	resp.Request = r // not every transport says so
	data, err := readBody(resp)
	if err != nil && resp.StatusCode != http.StatusAccepted { // that one's header says all
		return nil, nil, creds, b.cut(caller, ctx, resp, err)
	}
	return resp, data, creds, nil
}

// sign retrieves the credentials, from a cache but for the first time and when
// they expire, and signs the request with them.
func (b *Backend) sign(ctx context.Context, r *http.Request, payload []byte) (aws.Credentials, *lambdapool.InvokeError) {
	if b.creds == nil {
		return aws.Credentials{}, nil
	}
	creds, err := b.creds.Retrieve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return creds, b.lost(ctx, ctx, lambdapool.OutcomeNotRun, err)
		}
		return creds, notSent(lambdapool.ErrAccessDenied, fmt.Errorf("no AWS credentials: %w", err),
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile, or sign in again")
	}
	t := b.template
	hash := sha256.Sum256(payload)
	err = t.signer.SignHTTP(ctx, creds, r, hex.EncodeToString(hash[:]), t.service, t.region, b.clock.now(), t.sign...)
	if err != nil {
		return creds, notSent(lambdapool.ErrAccessDenied, fmt.Errorf("sign the request: %w", err), "")
	}
	return creds, nil
}

// notSent is an attempt that ended before anything was sent, and would again.
func notSent(kind, err error, hint string) *lambdapool.InvokeError {
	return &lambdapool.InvokeError{
		Outcome: lambdapool.OutcomeNotRun, Kind: kind, Err: err, Permanent: true, Hint: hint,
	}
}
