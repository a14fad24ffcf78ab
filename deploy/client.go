package deploy

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// How functions made by lambdapool are recognised.
const (
	Tag        = "lambdapool"         // tag of functions and roles; its value is a version of lambdapool
	Marker     = "LAMBDAPOOL_VERSION" // variable in a function's environment, with the same value
	tagCreated = "lambdapool-created" // tag that tells what one Create made from what another did
)

// An Account says where functions live. Its zero value is what the environment and
// ~/.aws say.
type Account struct {
	Region   string
	Profile  string
	Endpoint string // instead of AWS's, for instance that of `lambdapool local`
}

// A Client works on the functions of one account and region. It is safe for
// concurrent use.
type Client struct {
	cfg      aws.Config
	lambda   *lambda.Client
	iam      *iam.Client
	logs     *cloudwatchlogs.Client
	sts      *sts.Client
	progress func(Event)
	poll     time.Duration
}

// An Event is a step of a longer operation.
type Event struct {
	Step string `json:"step"` // "build", "role", "create", "wait", …
	Text string `json:"text"` // for people
}

// An Option changes what [New] makes.
type Option func(*Client) error

// WithProgress calls report at each step, on the goroutine that works.
func WithProgress(report func(Event)) Option {
	return func(c *Client) error {
		if report == nil {
			return errors.New("WithProgress: nil function")
		}
		c.progress = report
		return nil
	}
}

// WithPoll sets the time between two looks at a state that is waited for. The
// default is one second.
func WithPoll(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return errors.New("WithPoll: must be positive")
		}
		c.poll = d
		return nil
	}
}

// Open loads the configuration and makes a Client. It may do network I/O for
// the configuration within ctx (single sign-on, instance metadata); AWS itself is not asked
// before the first operation.
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

// New makes a Client of a configuration. It does not block.
func New(cfg aws.Config, opts ...Option) (*Client, error) {
	c := &Client{cfg: cfg, progress: func(Event) {}, poll: defaultPoll}
	for _, opt := range opts {
		if err := opt(c); err != nil {
			return nil, &Error{Op: "open", Name: "deploy client", Kind: ErrInvalid, Err: err}
		}
	}
	if cfg.Region == "" {
		return nil, &Error{Op: "read the AWS configuration", Kind: ErrInvalid, Err: errors.New("no region"), Hint: "set --region, AWS_REGION, or a region in the profile"}
	}
	c.lambda = lambda.NewFromConfig(cfg)
	c.iam = iam.NewFromConfig(cfg)
	c.logs = cloudwatchlogs.NewFromConfig(cfg)
	c.sts = sts.NewFromConfig(cfg)
	return c, nil
}

// Config returns the configuration, for a backend on the same account.
func (c *Client) Config() aws.Config { return c.cfg.Copy() }

// Region returns the region.
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

// sleep waits for d, or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Version returns the version of lambdapool that this program was built with, "devel"
// if it was built in its own source tree.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}

const module = "github.com/lambdapool/lambdapool"
