package rundeploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/once"
)

// How services made by lambdapool are recognised. Do not remove the label: without it, this package refuses to
// change the service.
const (
	Label        = "lambdapool"         // its value is a version of lambdapool
	Marker       = "LAMBDAPOOL_VERSION" // variable in the service's environment, with the same version
	labelCreated = "lambdapool-created" // tells what one Create made from what another did
)

// What [Project] says where nothing was said.
const (
	// Repository is the name of the repository of Artifact Registry that images are pushed to.
	Repository = "lambdapool"
	// RegistryVariable names another registry, HOST[:PORT], for instance that of an embedded Cloud Run.
	RegistryVariable = "LAMBDAPOOL_REGISTRY"
	// CallAsVariable is what [Project].CallAs is where nothing was said.
	CallAsVariable = "LAMBDAPOOL_CALL_AS"
)

// A Project says where services live. Credentials are not part of it: they are Google's application default
// credentials.
type Project struct {
	// ID is the id of the project. "" is GOOGLE_CLOUD_PROJECT, or what the credentials say.
	ID string

	// Region is that of the services, such as "europe-west1". "" is CLOUDSDK_RUN_REGION. There is no other default.
	Region string

	// Repository is the name of the repository of Artifact Registry, in the same project and region, that images are
	// pushed to. "" is [Repository]. It is made where it is missing.
	Repository string

	// Registry is HOST[:PORT] of the registry. "" is what [RegistryVariable] says, or Google's of the region. Over
	// loopback it is reached by http.
	Registry string

	// CallAs is the e-mail address of the service account that calls agents, by impersonation: see
	// cloudrun.WithServiceAccount. "" is what [CallAsVariable] says, or who the credentials are of. A person cannot call
	// as itself.
	CallAs string

	// Endpoint is a URL that takes the place of Google's APIs, for instance that of an embedded Cloud Run.
	Endpoint string
}

// A Client works on the services of one project and region. Make it with [Open], and close it. It is safe for
// concurrent use.
//
// Its methods block until Google has answered, and until what they wait for has happened. They take a ctx that ends
// them early: see the package's comment for what that means to a request that changes something.
type Client struct {
	at       Project
	id       *googleapi.Identity
	end      context.CancelFunc
	progress func(shared.Event)
	poll     time.Duration
}

// An Option changes what [Open] makes. A bad one is an error of Open that matches shared.ErrInvalid, and so is nil.
type Option func(*Client) error

// WithProgress calls report at each step of an operation. By default nobody is told. report runs on the
// goroutine that works, so it must not block for long. Nil is an error.
func WithProgress(report func(shared.Event)) Option {
	return func(c *Client) error {
		if report == nil {
			return errors.New("WithProgress: nil function")
		}
		c.progress = report
		return nil
	}
}

// WithPoll sets the time between two looks at an operation that is waited for. The default is one second, which suits
// Google. Tests set less. Zero and negative times are errors.
func WithPoll(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return errors.New("WithPoll: must be positive")
		}
		c.poll = d
		return nil
	}
}

// segment is a part of a resource's name. A project's id may have a domain before it.
var segment = regexp.MustCompile(`^[a-z0-9][-a-z0-9.:]{0,99}$`)

// Open finds the credentials and makes a Client. It may look for a metadata server within ctx. No API is asked before
// the first operation: wrong credentials are noticed there. The error matches shared.ErrInvalid when project or region
// are missing or bad.
func Open(ctx context.Context, p Project, opts ...Option) (*Client, error) {
	c, err := open(ctx, p, opts)
	return c, fail("open", "project "+p.ID, err)
}

func open(ctx context.Context, p Project, opts []Option) (*Client, error) {
	c := &Client{at: p, progress: func(shared.Event) {}, poll: defaultPoll}
	for i, opt := range opts {
		if opt == nil {
			return nil, steps.Invalid("option %d is nil", i)
		}
		if err := opt(c); err != nil {
			return nil, steps.Invalid("%w", err)
		}
	}
	c.at.Region = cmp.Or(p.Region, os.Getenv("CLOUDSDK_RUN_REGION"))
	c.at.Repository = cmp.Or(p.Repository, Repository)
	c.at.CallAs = cmp.Or(p.CallAs, os.Getenv(CallAsVariable))
	if err := c.at.check(); err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	c.end = end
	opening := context.AfterFunc(ctx, end) // x/oauth2 asks without a context
	var err error
	if c.id, err = googleapi.Find(ctx, googleapi.NewClient(life), googleapi.At(p.Endpoint)); err != nil || !opening() {
		end()
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	c.at.ID = cmp.Or(p.ID, os.Getenv("GOOGLE_CLOUD_PROJECT"), c.id.Found.ProjectID)
	c.at.Registry = cmp.Or(p.Registry, os.Getenv(RegistryVariable), c.at.Region+"-docker.pkg.dev")
	if !segment.MatchString(c.at.ID) {
		end()
		return nil, &shared.Error{Kind: shared.ErrInvalid, Err: fmt.Errorf("%q is not the id of a project", c.at.ID), Hint: "set --project or GOOGLE_CLOUD_PROJECT"}
	}
	return c, nil
}

var (
	repositoryPattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	emailPattern      = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$`)
	hostPattern       = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]{1,5})?$`)
)

func (p *Project) check() error {
	switch {
	case p.Region == "":
		return &shared.Error{Kind: shared.ErrInvalid, Err: errors.New("no region"), Hint: "set --region or CLOUDSDK_RUN_REGION, such as europe-west1"}
	case !segment.MatchString(p.Region):
		return steps.Invalid("region %q: must be like europe-west1", p.Region)
	case p.ID != "" && !segment.MatchString(p.ID):
		return steps.Invalid("project %q: must be the id of a project", p.ID)
	case !repositoryPattern.MatchString(p.Repository):
		return steps.Invalid("repository %q: must be lower-case letters, digits and hyphens, 63 at most", p.Repository)
	case p.CallAs != "" && !emailPattern.MatchString(p.CallAs):
		return steps.Invalid("call as %q: must be the e-mail address of a service account", p.CallAs)
	case p.Registry != "" && !hostPattern.MatchString(p.Registry):
		return steps.Invalid("registry %q: must be HOST or HOST:PORT", p.Registry)
	case p.Endpoint != "" && once.Endpoint(p.Endpoint) == nil:
		return steps.Invalid("the endpoint is no URL such as http://127.0.0.1:9001")
	}
	return nil
}

// Close ends what is under way, and closes idle connections. Later calls fail. It always returns nil.
func (c *Client) Close() error {
	c.end()
	c.id.Client.CloseIdleConnections()
	return nil
}

// Project returns where the services are, with its defaults filled in.
func (c *Client) Project() Project { return c.at }

func (c *Client) say(step, text string) { c.progress(shared.Event{Step: step, Text: text}) }

// parent is where services are in the Admin API.
func (c *Client) parent() string { return "projects/" + c.at.ID + "/locations/" + c.at.Region }

func (c *Client) full(name string) string { return c.parent() + "/services/" + name }

// imageName is where the images of a service are. A project of a domain is written with a slash there.
func (c *Client) imageName(service string) string {
	return c.at.Registry + "/" + strings.ReplaceAll(c.at.ID, ":", "/") + "/" + c.at.Repository + "/" + service
}

// version is that of lambdapool as a label may have it: lower-case letters, digits, hyphens and underscores, 63 at most.
func version() string {
	v := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(build.Version()))
	return v[:min(len(v), 63)]
}

// uploads is the transport of what is pushed, which may take longer than a request to an API.
func uploads() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: handshakeWithin, IdleConnTimeout: handshakeWithin,
		DialContext: (&net.Dialer{Timeout: handshakeWithin}).DialContext,
	}
}
