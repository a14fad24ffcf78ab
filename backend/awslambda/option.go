package awslambda

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

const (
	// defaultWorkers leaves three quarters of an account's default limit of
	// 1,000 concurrent executions (Lambda quotas, 2026-11) to others.
	defaultWorkers = 256

	// maxFunctionTimeout is the longest timeout that Lambda gives a function
	// (Lambda quotas, 2026-11).
	maxFunctionTimeout = 15 * time.Minute
)

// An Option changes what [New] makes. A bad one is an error from New, and so is nil. Where the
// same option is given twice, the last one counts.
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
	shards      int // 0: to be found out
}

// WithConfig uses cfg instead of the default chain: no environment variable and no file below
// ~/.aws is read for it. Use it where the program has a configuration already. For one setting,
// such as the region, its own option is simpler.
//
// The other options still apply on top, but for [WithProfile], which is an error then. cfg must
// have credentials, unless [WithStaticCredentials] gives some, and a region, unless the name or
// [WithRegion] does. cfg is copied.
//
// Its retryer is ignored, as one Invoke is one attempt. Its HTTP client should be nil, the
// SDK's BuildableClient or an *http.Client around an *http.Transport, which are tuned. Any
// other client is used as it is. Its errors then count as unknown outcomes, so functions that
// are not idempotent are never retried after them.
func WithConfig(cfg aws.Config) Option {
	return func(o *options) error {
		o.config = &cfg
		return nil
	}
}

// WithRegion sets the region, such as "eu-central-1". Without it a function's full ARN decides,
// then the configuration. An ARN of another region is an error. It also holds for the bucket,
// unless [BucketRegion] says otherwise.
func WithRegion(region string) Option {
	return func(o *options) error {
		if region == "" {
			return errors.New("WithRegion: empty region (leave the option out to use the configured one)")
		}
		o.region = region
		return nil
	}
}

// WithProfile takes the credentials from this profile of the shared configuration files, and
// its region unless AWS_REGION or an option sets one. Use it on a developer's machine with
// several accounts. Without it AWS_PROFILE decides, then the default profile.
func WithProfile(profile string) Option {
	return func(o *options) error {
		if profile == "" {
			return errors.New("WithProfile: empty profile (leave the option out to use the default one)")
		}
		o.profile = profile
		return nil
	}
}

// WithStaticCredentials signs with this access key. It is for tests and for keys that the
// program gets from elsewhere: a key in source code is a key that others find. The session
// token is empty for a long-lived key. A temporary key is not renewed: calls fail with
// ErrAccessDenied when it has expired.
func WithStaticCredentials(accessKeyID, secretAccessKey, sessionToken string) Option {
	return func(o *options) error {
		if accessKeyID == "" || secretAccessKey == "" {
			return errors.New("WithStaticCredentials: the access key id and the secret access key must both be set")
		}
		o.credentials = credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, sessionToken)
		return nil
	}
}

// noEndpoint does not repeat the value: it may hold a password.
const noEndpoint = "not an endpoint (want http://HOST[:PORT] or https://HOST[:PORT], without user, query and fragment)"

// WithEndpoint sends requests to this URL instead of AWS's, such as "http://127.0.0.1:9001" of
// `lambdapool local`, or a VPC endpoint's. It wins over AWS_ENDPOINT_URL_LAMBDA. It is for
// Lambda alone: [BucketEndpoint] is the one of the bucket.
func WithEndpoint(endpoint string) Option {
	return func(o *options) error {
		if once.Endpoint(endpoint) == nil {
			return errors.New("WithEndpoint: " + noEndpoint)
		}
		o.endpoint = endpoint
		return nil
	}
}

// WithQualifier invokes this version or alias of the function. It is the same as
// NAME:QUALIFIER; where both are given they must agree. An alias lets a deployment move clients
// to a new version in one step, a version number never changes.
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

// WithTenantID invokes a function with tenant isolation on behalf of this tenant: Lambda gives
// no two tenants the same environment. The function must have been created for it. An id has 1
// to 256 letters, digits, spaces and ._:/=+-@.
func WithTenantID(id string) Option {
	return func(o *options) error {
		if !tenantPattern.MatchString(id) {
			return fmt.Errorf("WithTenantID: %q is not a tenant id (1 to 256 letters, digits, spaces and ._:/=+-@)", id)
		}
		o.tenant = id
		return nil
	}
}

// WithClientLog logs one record per attempt at debug level: function, request id, outcome,
// sizes, time, and the error if there was one. Use it to see what the executor's retries really
// did. By default nothing is logged, and a logger whose level is above debug costs almost
// nothing.
//
// Credentials, signatures, payloads, results and the function's own log never get into it. Nil
// is an error.
func WithClientLog(log *slog.Logger) Option {
	return func(o *options) error {
		if log == nil {
			return errors.New("WithClientLog: nil logger")
		}
		o.log = log
		return nil
	}
}

// WithWorkers says how many invocations are to be in flight at once, from 1 to 100,000. As many
// connections stay open, and executors take it as their default. It is not a limit:
// lambdapool.WithWorkers is the executor's.
//
// The default is 256, a quarter of an account's default limit of 1,000 concurrent executions,
// so that three quarters stay for others. New accounts have fewer. More than the account has is
// throttled, which the executor bears, but it slows other functions down.
func WithWorkers(n int) Option {
	return func(o *options) error {
		if n < 1 || n > driver.MaxWorkers {
			return fmt.Errorf("WithWorkers: %d is not between 1 and %d", n, driver.MaxWorkers)
		}
		o.workers = n
		return nil
	}
}

// WithFunctionTimeout says what the function's timeout is, up to 15 minutes. It does not change
// the function, and does not cut a call short before that time: give a ctx with a deadline, or
// lambdapool.WithTimeout, for that.
//
// Without it the timeout is read from the function's configuration, once, and only when a call
// lasts longer than 45 seconds. Where the caller may not read it, 15 minutes are assumed, the
// longest that Lambda allows. Then a connection that was lost without a trace holds its call
// for that long.
func WithFunctionTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 || d > maxFunctionTimeout {
			return fmt.Errorf("WithFunctionTimeout: %v is not between 0 and %v", d, maxFunctionTimeout)
		}
		o.timeout = d
		return nil
	}
}

// WithLogTail says whether Lambda sends the last 4 KB of the function's log with each reply.
// The default is true.
//
// The log carries the billed duration, the cold start and the memory, and explains a crash.
// Without it these are zero in records and statistics, and a function that ran out of memory
// looks like one that crashed. Turn it off to save some 5 KB per reply, or where the log must
// not leave the account.
func WithLogTail(on bool) Option {
	return func(o *options) error {
		o.logTail = on
		return nil
	}
}

// WithHTTPTransport lets tune change the transport after everything but HTTP/1.1 has been set,
// for instance its proxy or its root certificates. tune is called before New returns, and again
// for the transport of the bucket, if there is one. It must not keep the transport.
//
// Connection limits are set for the workers: lower ones make calls wait in silence. It is an
// error if the HTTP client of [WithConfig] has no *http.Transport. A request that a protocol of
// RegisterProtocol takes ends with its context only: nobody watches over a reply that is overdue. Nil is an error.
func WithHTTPTransport(tune func(*http.Transport)) Option {
	return func(o *options) error {
		if tune == nil {
			return errors.New("WithHTTPTransport: nil function")
		}
		o.transport = tune
		return nil
	}
}

// collect applies the options to the defaults, and finds those that contradict each other.
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
