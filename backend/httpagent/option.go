package httpagent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/httpwire"
)

const (
	// defaultWorkers is what Cloud Run lets a service grow to without being asked: 100 instances of one
	// request each (cloud.google.com/run/docs/configuring/max-instances, 2026-11).
	defaultWorkers = 100
)

// An Option changes what [New] makes. A bad one is an error from New, and so is nil. Where the
// same option is given twice, the last one counts.
type Option func(*options) error

type options struct {
	tokens    TokenSource
	plain     bool // http beyond loopback
	workers   int
	timeout   time.Duration
	request   int
	store     driver.Store
	transport func(*http.Transport)
}

// A TokenSource gives the bearer token of a request. Write one for tokens that end, such as
// those of an identity provider or of Cloud Run. It is safe for concurrent use, and keeps
// tokens for as long as they are good: it is asked before every request, so one that asks a
// server each time makes every call slow.
type TokenSource interface {
	// Token returns a token that will be good for as long as a request may wait for an agent. renew says that
	// the last one was refused: a kept one must not be returned again. The error ends the call as
	// ErrAccessDenied, and should say what to do. One that wraps driver.ErrUnreachable does not end it:
	// the call is tried again, as long as it has time.
	Token(ctx context.Context, renew bool) (string, error)
}

// WithTokenSource has src give the bearer token of each request. It replaces LAMBDAPOOL_TOKEN.
// For a token that does not change, [WithTokenFromEnv] is enough. Nil is an error.
func WithTokenSource(src TokenSource) Option {
	return func(o *options) error {
		if src == nil {
			return errors.New("WithTokenSource: the source is nil")
		}
		o.tokens = src
		return nil
	}
}

// WithTokenFromEnv sends the value of this environment variable as the bearer token. Use it
// where one client talks to several groups of agents, each with a token of its own. It is read
// when [New] is called, and must not be empty. The default is LAMBDAPOOL_TOKEN, if that is set.
// If it is not, no token is sent.
func WithTokenFromEnv(name string) Option {
	return func(o *options) error {
		token := os.Getenv(name)
		if token == "" {
			return fmt.Errorf("WithTokenFromEnv: the variable %q is not set, or empty", name)
		}
		var err error
		o.tokens, err = newStaticToken(token)
		return err
	}
}

// WithPlainHTTP allows a URL that begins with http: to machines other than this one. Token,
// arguments and results are then readable on the way: for a network that is yours alone.
// localhost and loopback addresses need no permission.
func WithPlainHTTP() Option {
	return func(o *options) error {
		o.plain = true
		return nil
	}
}

// WithWorkers says how many requests are to be in flight at once: the agents there are, or may
// be, times what each takes at once. As many connections stay open, and executors take it as
// their default. It is not a limit: lambdapool.WithWorkers is the executor's. It is from 1 to
// 100,000.
//
// The default is 100. That is what Cloud Run lets a service grow to without being asked, with
// one request for each container.
//
// Source: https://cloud.google.com/run/docs/configuring/max-instances, 2026-11.
func WithWorkers(n int) Option {
	return func(o *options) error {
		if n < 1 || n > driver.MaxWorkers {
			return fmt.Errorf("WithWorkers: %d is not between 1 and %d", n, driver.MaxWorkers)
		}
		o.workers = n
		return nil
	}
}

// WithTimeout says what LAMBDAPOOL_TIMEOUT is at the agents: no answer comes later than that
// and a margin of 45 seconds. It does not change the agents. Set both to the same: a lower
// value here gives up on calls that would have ended well. The default is theirs, 5 minutes.
// One hour is the most, as on Cloud Run.
func WithTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 || d > httpwire.MaxTimeout {
			return fmt.Errorf("WithTimeout: %v is not between 0 and %v", d, httpwire.MaxTimeout)
		}
		o.timeout = d
		return nil
	}
}

// WithMaxBody says how many bytes of request and of answer the way to the agents carries, where
// that is less than the 32 MiB of agents and of Cloud Run. nginx, for instance, takes 1 MiB
// unless told otherwise. The executor then makes smaller chunks, or uses the store. The least
// is 16 KiB, the most and the default 32 MiB.
func WithMaxBody(bytes int) Option {
	return func(o *options) error {
		if bytes < minBody || bytes > httpwire.MaxBody {
			return fmt.Errorf("WithMaxBody: %d is not between %d and %d", bytes, minBody, httpwire.MaxBody)
		}
		o.request = bytes
		return nil
	}
}

// minBody leaves room for an envelope and a small item.
const minBody = 16 << 10

// WithStore has what is too large for a request or an answer travel through s. Without it such
// calls fail with lambdapool.ErrTooLarge. The agents reach s by the links that it makes, so its
// address must be one that they can reach. The store of an awslambda backend serves well.
// Closing the Backend does not close s. Nil is an error.
func WithStore(s driver.Store) Option {
	return func(o *options) error {
		if s == nil {
			return errors.New("WithStore: the store is nil")
		}
		o.store = s
		return nil
	}
}

// WithHTTPTransport lets tune change the transport after everything but HTTP/1.1 has been set,
// for instance its proxy or its root certificates. tune is called before [New] returns, and
// must not keep the transport. HTTP/1.1 stays: one connection is one call, so a lost connection
// costs one call. Nil is an error.
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
	o := options{workers: defaultWorkers, timeout: httpwire.DefaultTimeout, request: httpwire.MaxBody}
	for i, opt := range opts {
		if opt == nil {
			return o, fmt.Errorf("option %d is nil", i)
		}
		if err := opt(&o); err != nil {
			return o, err
		}
	}
	if token := os.Getenv(httpwire.EnvToken); o.tokens == nil && token != "" {
		var err error
		if o.tokens, err = newStaticToken(token); err != nil {
			return o, fmt.Errorf("%s: %w", httpwire.EnvToken, err)
		}
	}
	return o, nil
}

// staticToken is a token that does not change.
type staticToken string

func (t staticToken) Token(context.Context, bool) (string, error) { return string(t), nil }

func newStaticToken(token string) (TokenSource, error) {
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token has white space or other characters that no header carries")
	}
	return staticToken(token), nil
}
