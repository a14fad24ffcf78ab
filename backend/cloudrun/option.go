package cloudrun

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/once"
)

// An Option changes what [New] makes. A bad one is an error from New, and so is nil. Where the
// same option is given twice, the last one counts.
type Option func(*options) error

type options struct {
	project   string
	region    string
	account   string
	audience  string
	url       string
	endpoint  string
	workers   int
	timeout   time.Duration
	store     driver.Store
	bucket    *bucketOptions
	queue     string
	tag       string
	deploy    Deployer
	transport func(*http.Transport)
}

// WithProject sets the project of the service, by its id or number. Without it the service's full
// name decides, then GOOGLE_CLOUD_PROJECT, then the credentials.
func WithProject(id string) Option {
	return func(o *options) error {
		if !segment.MatchString(id) {
			return fmt.Errorf("WithProject: %q is not the id of a project", id)
		}
		o.project = id
		return nil
	}
}

// WithRegion sets the region of the service, such as "europe-west1". Without it the service's full
// name decides, then CLOUDSDK_RUN_REGION, which gcloud reads as well.
func WithRegion(region string) Option {
	return func(o *options) error {
		if !segment.MatchString(region) {
			return fmt.Errorf("WithRegion: %q is not a region such as europe-west1", region)
		}
		o.region = region
		return nil
	}
}

// segment is a part of a resource's name. A project's id may have a domain before it.
var segment = regexp.MustCompile(`^[a-z0-9][-a-z0-9.:]{0,99}$`)

// WithServiceAccount has the ID tokens be those of this service account, by impersonation. Use it
// where the credentials are a person's, who cannot mint ID tokens, or another account's than the one
// that may invoke the service. The credentials need roles/iam.serviceAccountTokenCreator on it, and the
// IAM Service Account Credentials API must be enabled. The service is still looked up as the
// credentials themselves.
func WithServiceAccount(email string) Option {
	return func(o *options) error {
		if !emailPattern.MatchString(email) {
			return fmt.Errorf("WithServiceAccount: %q is not the e-mail address of a service account", email)
		}
		o.account = email
		return nil
	}
}

var emailPattern = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$`)

// WithAudience has the ID tokens be made for this audience instead of the service's URL. Use it with
// a custom audience of the service, for instance where it is reached through a load balancer.
func WithAudience(audience string) Option {
	return func(o *options) error {
		if audience == "" {
			return errors.New("WithAudience: empty audience (leave the option out to use the service's URL)")
		}
		o.audience = audience
		return nil
	}
}

// WithURL says where the service is, such as https://algorithms-123456789.europe-west1.run.app, and has nothing
// looked up: then roles/run.invoker is the only right that is needed. Tell the rest, too: [WithWorkers]
// (the default is 100) and [WithTimeout] (5 minutes). Behind a domain of your own, or a traffic tag, the
// tokens still are for the service's run.app URL: name it with [WithAudience].
func WithURL(rawURL string) Option {
	return func(o *options) error {
		if err := plainURL(rawURL); err != nil {
			return fmt.Errorf("WithURL: %w", err)
		}
		o.url = rawURL
		return nil
	}
}

// WithEndpoint has all requests to Google's own APIs go to this URL: the Admin API of Cloud Run, IAM
// Service Account Credentials, the token endpoint of users' credentials, Cloud Storage unless [BucketEndpoint] says
// otherwise, and Cloud Tasks. It is for tests. Where only some of them are elsewhere, set
// CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN, _IAMCREDENTIALS or _CLOUDTASKS, which gcloud reads as well, or
// STORAGE_EMULATOR_HOST, which Google's clients read.
func WithEndpoint(endpoint string) Option {
	return func(o *options) error {
		if err := plainURL(endpoint); err != nil {
			return fmt.Errorf("WithEndpoint: %w", err)
		}
		o.endpoint = endpoint
		return nil
	}
}

// plainURL does not repeat the URL: it may hold a password.
func plainURL(rawURL string) error {
	if once.Endpoint(rawURL) == nil {
		return errors.New("not a URL (want https://HOST[:PORT], without user, query and fragment)")
	}
	return nil
}

// WithWorkers says how many requests are to be in flight at once, from 1 to 100,000. As many
// connections stay open, and executors take it as their default. It is not a limit:
// lambdapool.WithWorkers is the executor's.
//
// The default is what all instances of the service can take: its largest number of instances, times
// the requests that each takes at once. It is looked up. More than that waits in vain.
func WithWorkers(n int) Option {
	return func(o *options) error {
		if n < 1 || n > driver.MaxWorkers {
			return fmt.Errorf("WithWorkers: %d is not between 1 and %d", n, driver.MaxWorkers)
		}
		o.workers = n
		return nil
	}
}

// WithTimeout says what LAMBDAPOOL_TIMEOUT is at the agents: see httpagent.WithTimeout. It does not
// change the service. The default is looked up: the variable, or the service's timeout if that is shorter.
// Cloud Run counts the start of a container, too; the agents' clock begins when a request arrives.
func WithTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 || d > httpwire.MaxTimeout {
			return fmt.Errorf("WithTimeout: %v is not between 0 and %v", d, httpwire.MaxTimeout)
		}
		o.timeout = d
		return nil
	}
}

// WithStore has what is too large for a request or an answer (32 MiB) travel through s: see
// httpagent.WithStore. It is for stores that are not Google's; [WithBucket] excludes it. Nil is an error.
func WithStore(s driver.Store) Option {
	return func(o *options) error {
		if s == nil {
			return errors.New("WithStore: the store is nil")
		}
		o.store = s
		return nil
	}
}

// WithHTTPTransport lets tune change the transport of the invocations: see httpagent.WithHTTPTransport.
// The requests to Google's own APIs do not use it. Nil is an error.
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
	var o options
	for i, opt := range opts {
		if opt == nil {
			return o, fmt.Errorf("option %d is nil", i)
		}
		if err := opt(&o); err != nil {
			return o, err
		}
	}
	if o.store != nil && o.bucket != nil {
		return o, errors.New("WithStore and WithBucket exclude each other")
	}
	if o.queue != "" && o.bucket == nil && o.store == nil {
		return o, errors.New("WithQueue needs WithBucket (bucket=NAME in the URL): that is where results are recorded")
	}
	return o, o.checkTag()
}
