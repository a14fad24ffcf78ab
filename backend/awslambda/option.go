package awslambda

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	// defaultWorkers leaves three quarters of an account's default limit of
	// 1,000 concurrent executions (Lambda quotas, 2026-11) to others.
	defaultWorkers = 256
	maxWorkers     = 100_000

	// maxFunctionTimeout is the longest timeout that Lambda gives a function
	// (Lambda quotas, 2026-11).
	maxFunctionTimeout = 15 * time.Minute
)

// An Option changes what [New] makes. A bad one is an error from New.
type Option func(*options) error

type options struct {
	config      *aws.Config
	region      string
	profile     string
	credentials aws.CredentialsProvider
	endpoint    string
	qualifier   string
	tenant      string
	log         *slog.Logger
	workers     int
	timeout     time.Duration
	logTail     bool
	transport   func(*http.Transport)
	bucket      *bucketOptions
	deploy      Deployer
}

// WithConfig uses cfg instead of the default chain: no environment variable
// and no file below ~/.aws is read for it. The other options still apply on
// top. Its retryer is ignored, as one Invoke is one attempt; its HTTP client
// should be nil, the SDK's BuildableClient or an *http.Client around an
// *http.Transport, which are tuned. Any other client is used as it is, and
// all of its errors count as unknown outcomes.
func WithConfig(cfg aws.Config) Option {
	return func(o *options) error {
		o.config = &cfg
		return nil
	}
}

// WithRegion sets the region. Without it a function's full ARN decides, then
// the configuration.
func WithRegion(region string) Option {
	return func(o *options) error {
		if region == "" {
			return errors.New("WithRegion: empty region (leave the option out to use the configured one)")
		}
		o.region = region
		return nil
	}
}

// WithProfile takes the credentials from this profile of the shared
// configuration files, and its region unless AWS_REGION or an option sets one.
func WithProfile(profile string) Option {
	return func(o *options) error {
		if profile == "" {
			return errors.New("WithProfile: empty profile (leave the option out to use the default one)")
		}
		o.profile = profile
		return nil
	}
}

// WithStaticCredentials signs with this access key. The session token is
// empty for a long-lived key.
func WithStaticCredentials(accessKeyID, secretAccessKey, sessionToken string) Option {
	return func(o *options) error {
		if accessKeyID == "" || secretAccessKey == "" {
			return errors.New("WithStaticCredentials: the access key id and the secret access key must both be set")
		}
		o.credentials = credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, sessionToken)
		return nil
	}
}

// WithEndpoint sends requests to this URL instead of AWS's, such as
// "http://127.0.0.1:9001" or a VPC endpoint's.
func WithEndpoint(endpoint string) Option {
	return func(o *options) error {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			// The value is not repeated: it may hold a password.
			return errors.New("WithEndpoint: not an endpoint (want http://HOST[:PORT] or https://HOST[:PORT], without user, query and fragment)")
		}
		o.endpoint = endpoint
		return nil
	}
}

// WithQualifier invokes this version or alias of the function.
func WithQualifier(qualifier string) Option {
	return func(o *options) error {
		if err := checkQualifier(qualifier); err != nil {
			return fmt.Errorf("WithQualifier: %w", err)
		}
		o.qualifier = qualifier
		return nil
	}
}

// tenantPattern is the pattern of TenantId in the Lambda API reference
// (API_Invoke, read 2026-11).
var tenantPattern = regexp.MustCompile(`^[a-zA-Z0-9._:/=+\-@ ]{1,256}$`)

// WithTenantID invokes a function with tenant isolation on behalf of this tenant.
func WithTenantID(id string) Option {
	return func(o *options) error {
		if !tenantPattern.MatchString(id) {
			return fmt.Errorf("WithTenantID: %q is not a tenant id (1 to 256 letters, digits, spaces and ._:/=+-@)", id)
		}
		o.tenant = id
		return nil
	}
}

// WithClientLog logs one record per attempt at debug level: function, request
// id, status, outcome, sizes and time. Credentials, signatures, payloads,
// results and the function's own log never get into it.
func WithClientLog(log *slog.Logger) Option {
	return func(o *options) error {
		if log == nil {
			return errors.New("WithClientLog: nil logger")
		}
		o.log = log
		return nil
	}
}

// WithWorkers says how many invocations are to be in flight at once: as many
// connections stay open, and executors take it as their default. It is not a
// limit. The default is 256.
func WithWorkers(n int) Option {
	return func(o *options) error {
		if n < 1 || n > maxWorkers {
			return fmt.Errorf("WithWorkers: %d is not between 1 and %d", n, maxWorkers)
		}
		o.workers = n
		return nil
	}
}

// WithFunctionTimeout says what the function's timeout is. Without it the
// timeout is read from the function's configuration, once, and only when a
// call lasts so long that it matters; where the caller may not read it,
// 15 minutes are assumed, the longest that Lambda allows.
func WithFunctionTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 || d > maxFunctionTimeout {
			return fmt.Errorf("WithFunctionTimeout: %v is not between 0 and %v", d, maxFunctionTimeout)
		}
		o.timeout = d
		return nil
	}
}

// WithLogTail says whether Lambda sends the last 4 KB of the function's log
// with each reply. It carries the billed duration, the cold start and the
// memory, and explains a crash. The default is true.
func WithLogTail(on bool) Option {
	return func(o *options) error {
		o.logTail = on
		return nil
	}
}

// WithHTTPTransport lets tune change the transport after everything but
// HTTP/1.1 has been set, for instance its proxy or its root certificates.
func WithHTTPTransport(tune func(*http.Transport)) Option {
	return func(o *options) error {
		if tune == nil {
			return errors.New("WithHTTPTransport: nil function")
		}
		o.transport = tune
		return nil
	}
}

func collect(opts []Option) (options, error) {
	o := options{workers: defaultWorkers, logTail: true}
	for i, opt := range opts {
		if opt == nil {
			return o, fmt.Errorf("option %d is nil", i)
		}
		if err := opt(&o); err != nil {
			return o, err
		}
	}
	if o.config != nil && o.profile != "" {
		return o, errors.New("WithProfile and WithConfig exclude each other: the aws.Config has no use for a profile any more")
	}
	return o, nil
}
