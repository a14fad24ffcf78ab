package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

// How functions made by lambdapool are recognised. Do not remove them: without both, this
// package refuses to change the function.
const (
	Tag        = "lambdapool"         // tag of functions and roles; its value is a version of lambdapool
	Marker     = "LAMBDAPOOL_VERSION" // variable in a function's environment, with the same value
	tagCreated = "lambdapool-created" // tag that tells what one Create made from what another did
)

// An Account says where functions live. Its zero value is what the environment and ~/.aws say,
// as for every program that uses the AWS SDK. Credentials are not part of it: they come from
// the same places.
type Account struct {
	// Region is that of the functions, such as "eu-central-1". "" is what the environment or
	// the profile says. There is no other default.
	Region string

	// Profile is the name of a profile in ~/.aws. "" is AWS_PROFILE, or the default one.
	Profile string

	// Endpoint is a URL that takes the place of AWS's, for instance that of `lambdapool local`:
	// "http://127.0.0.1:9001". It wins over endpoints in the environment, and holds for Lambda,
	// IAM, CloudWatch Logs and STS alike.
	Endpoint string
}

// A Client works on the functions of one account and region. Make it with [Open] or [New]; its
// zero value cannot be used. It is safe for concurrent use, and holds nothing that must be
// closed.
//
// Its methods block until AWS has answered, and until what they wait for has happened. They
// take a ctx that ends them early: see the package's comment for what that means to a request
// that changes something. AWS's errors that may pass, such as throttling, are tried again as
// the SDK does by default.
type Client struct {
	cfg      aws.Config
	lambda   *lambda.Client
	iam      *iam.Client
	logs     *cloudwatchlogs.Client
	sts      *sts.Client
	progress func(Event)
	poll     time.Duration
}

// An Option changes what [New], [Open] and [Auto] make. A bad one is an error of theirs that
// matches [ErrInvalid], and so is nil.
type Option func(*Client) error

// WithProgress calls report at each step of an operation. By default nobody is told.
//
// report runs on the goroutine that works, so it must not block for long. A Client that several
// goroutines use calls it from all of them at once. Nil is an error.
func WithProgress(report func(Event)) Option {
	return func(c *Client) error {
		if report == nil {
			return errors.New("WithProgress: nil function")
		}
		c.progress = report
		return nil
	}
}

// WithPoll sets the time between two looks at a state that is waited for. The default is one
// second, which suits AWS. Tests against an embedded Lambda set less. Zero and negative times
// are errors. [LogQuery] with Follow looks at half the rate.
func WithPoll(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return errors.New("WithPoll: must be positive")
		}
		c.poll = d
		return nil
	}
}

// Open loads the configuration as other AWS programs do, and makes a Client. Where you have an
// aws.Config already, call [New].
//
// It may do network I/O for the configuration within ctx, for single sign-on or for the
// metadata of a machine. Lambda itself is not asked before the first operation: wrong
// credentials are noticed there, or with [Client.WhoAmI]. The error matches [ErrInvalid] when
// there is no region, or the endpoint is no URL.
func Open(ctx context.Context, a Account, opts ...Option) (*Client, error) {
	var load []func(*config.LoadOptions) error
	if a.Region != "" {
		load = append(load, config.WithRegion(a.Region))
	}
	if a.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(a.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, &Error{Op: "read the AWS configuration", Err: err, Hint: "check --profile, AWS_PROFILE and ~/.aws/config"}
	}
	if a.Endpoint != "" {
		u, err := url.Parse(a.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &Error{Op: "read the AWS configuration", Kind: ErrInvalid, Err: errors.New("the endpoint is no URL such as http://127.0.0.1:9001")}
		}
		cfg.BaseEndpoint = aws.String(a.Endpoint)
		cfg.ConfigSources = nil // an endpoint from the environment would win over it
	}
	return New(cfg, opts...)
}

// New makes a Client of a configuration. It does not block and sends nothing. cfg must have a
// region; its credentials are used at the first operation. The error matches [ErrInvalid] when
// there is no region, or an option is bad.
func New(cfg aws.Config, opts ...Option) (*Client, error) {
	c := &Client{cfg: cfg, progress: func(Event) {}, poll: defaultPoll}
	for i, opt := range opts {
		if opt == nil {
			return nil, &Error{Op: "open", Name: "deploy client", Kind: ErrInvalid, Err: fmt.Errorf("option %d is nil", i)}
		}
		if err := opt(c); err != nil {
			return nil, &Error{Op: "open", Name: "deploy client", Kind: ErrInvalid, Err: err}
		}
	}
	if cfg.Region == "" {
		return nil, &Error{Op: "read the AWS configuration", Kind: ErrInvalid, Err: errors.New("no region"), Hint: "set --region, AWS_REGION, or a region in the profile; without an account, lambdapool local plays Lambda on this machine"}
	}
	c.lambda = lambda.NewFromConfig(cfg)
	c.iam = iam.NewFromConfig(cfg)
	c.logs = cloudwatchlogs.NewFromConfig(cfg)
	c.sts = sts.NewFromConfig(cfg)
	return c, nil
}

// Config returns a copy of the configuration. Give it to awslambda.WithConfig for a backend on
// the same account, region and endpoint.
func (c *Client) Config() aws.Config { return c.cfg.Copy() }

// Region returns the region of the functions. It is never empty.
func (c *Client) Region() string { return c.cfg.Region }

func (c *Client) say(step, text string) { c.progress(Event{Step: step, Text: text}) }

// onThisMachine reports whether the endpoint is the embedded Lambda or another on
// loopback: agents for it are built for this machine.
func (c *Client) onThisMachine() bool {
	endpoint := aws.ToString(c.cfg.BaseEndpoint)
	if endpoint == "" {
		endpoint = os.Getenv("AWS_ENDPOINT_URL_LAMBDA")
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// target returns what to build for.
func (c *Client) target(arch string) (goos, lambdaArch string) { //nolint:unparam // not always Linux on a Mac
	if !c.onThisMachine() {
		return "linux", or(arch, ARM64)
	}
	host := ARM64
	if runtime.GOARCH == "amd64" {
		host = X8664
	}
	return runtime.GOOS, or(arch, host)
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// Version returns the version of lambdapool that this program was built with, such as "v0.1.0".
// It is "devel" if it was built in its own source tree. Functions carry it: [Function] has it
// as Lambdapool, and [Client.Doctor] compares it with this program's.
func Version() string { return build.Version() }

func sleep(ctx context.Context, d time.Duration) error { return steps.Sleep(ctx, d) }

func whole(ctx context.Context) (context.Context, context.CancelFunc) { return steps.Whole(ctx) }

// cause prefers why ctx ended to what a request said about it.
func cause(ctx context.Context, err error) error { return steps.Cause(ctx, err) }
