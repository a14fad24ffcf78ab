package inproc

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// An Option configures a [Backend]. A bad one does not stop [New]: see [Backend.Err].
type Option func(*config) error

// config is what options say, the defaults where they say nothing.
type config struct {
	workers   int
	timeout   time.Duration
	registry  *driver.Registry // nil: the request's
	threshold int              // of the store; 0: what does not fit otherwise

	eventAge    time.Duration
	eventDelays []time.Duration // before each retry of an event
}

// WithConcurrency sets how many invocations an executor keeps in flight unless it is told
// otherwise, from 1 to 100,000. The default is GOMAXPROCS, which suits functions that compute: more
// of them would only take turns. Functions that wait, for a database or another service, want more.
//
// An invocation may carry several items, and they run at the same time as well: as many as there
// are processors, or as lambdapool.Parallel says.
func WithConcurrency(n int) Option {
	return func(c *config) error {
		if n < 1 || n > driver.MaxWorkers {
			return fmt.Errorf("WithConcurrency(%d): must be from 1 to %d", n, driver.MaxWorkers)
		}
		c.workers = n
		return nil
	}
}

// WithRegistry has the agent's side look functions up in r. The default is the
// registry of the executor that calls; another one than that shows how a client
// and an agent of different builds get along.
func WithRegistry(r *driver.Registry) Option {
	return func(c *config) error {
		if r == nil {
			return errors.New("WithRegistry: the registry is nil")
		}
		c.registry = r
		return nil
	}
}

// WithTimeout bounds one invocation, as a Lambda function's timeout does, from
// 1 ms to 15 minutes, the default. The functions' context ends a little
// earlier.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond || d > maxTimeout {
			return fmt.Errorf("WithTimeout(%v): must be from 1ms to %v", d, maxTimeout)
		}
		c.timeout = d
		return nil
	}
}

// WithStoreThreshold has payloads above so many bytes go through the object store, in memory,
// although an invocation could carry them. It is for tests of what large payloads meet, without
// making large ones. The default is to store only what an invocation cannot carry. Less than 1 is
// an error.
func WithStoreThreshold(bytes int) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("WithStoreThreshold(%d): must be at least 1", bytes)
		}
		c.threshold = bytes
		return nil
	}
}

// WithEventRetries says what becomes of a request that [Backend.InvokeEvent] queued and whose
// delivery ended in an error: it is delivered again after each of delays, at most twice, and
// dropped once it is older than maxAge. The default is Lambda's: six hours, and delays of one and
// two minutes, for which no test wants to wait. No delays: no retries. maxAge must be from 1 ms to
// six hours, and no delay negative.
func WithEventRetries(maxAge time.Duration, delays ...time.Duration) Option {
	return func(c *config) error {
		if maxAge < time.Millisecond || maxAge > maxEventAge {
			return fmt.Errorf("WithEventRetries(%v): the age must be from 1ms to %v", maxAge, maxEventAge)
		}
		if len(delays) > maxEventRetries {
			return fmt.Errorf("WithEventRetries: %d delays: must be from 0 to %d", len(delays), maxEventRetries)
		}
		for _, d := range delays {
			if d < 0 {
				return fmt.Errorf("WithEventRetries: a delay of %v: must not be negative", d)
			}
		}
		c.eventAge, c.eventDelays = maxAge, slices.Clone(delays)
		return nil
	}
}
