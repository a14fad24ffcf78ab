package lambdapool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// An Option configures an [Executor]. A bad one makes [New] fail.
type Option func(*config) error

type config struct {
	workers  int // -1: as the backend suggests
	timeout  time.Duration
	registry *Registry
	logger   *slog.Logger
	retry    RetryPolicy
	recorder Recorder
	hedging  *schedule.HedgePolicy
	verbatim bool // payloads are not compressed
}

// maxWorkers is far above what an account allows, and keeps a slip of the pen
// (bytes, nanoseconds) from becoming a million connections.
const maxWorkers = 100_000

// WithWorkers bounds the invocations in flight. The default is what the
// backend suggests. With 0 each call runs inline in Submit, one at a time and
// in order, also when Submit is called concurrently: for tests with fakes that
// are not safe for concurrent use. A function run inline must not submit to the
// same executor.
func WithWorkers(n int) Option {
	return func(c *config) error {
		if n < 0 || n > maxWorkers {
			return fmt.Errorf("WithWorkers(%d): must be from 0 to %d", n, maxWorkers)
		}
		c.workers = n
		return nil
	}
}

// WithTimeout bounds each call from Submit to its end: queueing, attempts and
// backoff included. The deadline travels to the agent. Default: none.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithTimeout(%v): must be positive; leave it out for no timeout", d)
		}
		c.timeout = d
		return nil
	}
}

// WithRegistry has the executor look functions up in r instead of
// [DefaultRegistry]. The agent must serve the same registrations.
func WithRegistry(r *Registry) Option {
	return func(c *config) error {
		if r == nil {
			return errors.New("WithRegistry: the registry is nil")
		}
		c.registry = r
		return nil
	}
}

// WithLogger sets where the executor reports what no caller sees: throttling,
// retries, panics in callbacks. The default is slog.Default(). Arguments and
// results are never logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil; use slog.New(slog.DiscardHandler) for silence")
		}
		c.logger = l
		return nil
	}
}
