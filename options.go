package lambdapool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// An Option configures an [Executor]. A bad one makes [New] fail, and so does nil. Where the
// same option is given twice, the last one counts.
type Option interface{ applyToExecutor(*config) error }

type option func(*config) error

func (o option) applyToExecutor(c *config) error { return o(c) }

type config struct {
	workers        int // -1: as the backend suggests
	queue          int // 0: no bound
	timeout        time.Duration
	attemptTimeout time.Duration // 0: none
	registry       *registry.Registry
	logger         *slog.Logger
	retry          RetryPolicy
	observers      []*engine.Observer
	hedging        *schedule.HedgePolicy
	verbatim       bool // payloads are not compressed
	owns           bool // Close closes the backend
	level          engine.Level
	logs           engine.Logs
}

// WithWorkers bounds the invocations in flight, from 0 to 100,000. The default is what the
// backend suggests: 256 on Lambda. Raise it where the account has the concurrency; more than
// that is throttled, which slows others down. An invocation may carry many items, so it is no
// bound of items.
//
// When more waits than may be in flight, single calls as a whole and runs as a whole ([Map] and
// the streams) each get half of them. So do, within their half, the single calls of each
// function, and each run, in equal parts. What one has no use for, the others have.
//
// With 0 each call runs inline in Submit, one at a time and in order, also when Submit is
// called concurrently: for tests with fakes that are not safe for concurrent use. A function
// run inline must not submit to the same executor: that fails with [ErrBadArguments].
func WithWorkers(n int) Option {
	return option(func(c *config) error {
		if n < 0 || n > driver.MaxWorkers {
			return fmt.Errorf("WithWorkers(%d): must be from 0 to %d", n, driver.MaxWorkers)
		}
		c.workers = n
		return nil
	})
}

// WithOwnedBackend hands the backend over to the executor: [Executor.Close] closes it, after
// the last call has ended, and returns its error. It is for programs with one executor. Without
// it whoever opened the backend closes it, so that several executors may share one.
//
// A backend that has no method Close() error is left alone. When [New] fails, the backend still
// is the caller's to close.
//
// backend.NewExecutor opens a backend by URL and makes such an executor of it.
func WithOwnedBackend() Option {
	return option(func(c *config) error {
		c.owns = true
		return nil
	})
}

// WithTimeout bounds each call from Submit to its end: queueing, attempts and backoff included.
// The deadline travels to the agent, where the function's context has it. A call whose time is
// up ends with [ErrTimeout]. Default: none. d must be positive. [CallTimeout] says otherwise for the items of a
// run, [DefaultTimeout] for calls of a function.
//
// The items of a [Map] or a stream wait because the executor takes them in early, so their time
// begins when an item is first given to a worker. What bounds them all is the run's context.
//
// Items that share an invocation share its time, and it costs them nothing. The agent begins
// none that would not end in time, and gives those back, to be sent again with all of their
// time. It ends early enough for its answer to arrive. The executor waits for that, up to a
// second or so after the time is up, so that what has ended keeps its value. See also
// [WithAttemptTimeout].
func WithTimeout(d time.Duration) Option {
	return option(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithTimeout(%v): must be positive; leave it out for no timeout", d)
		}
		c.timeout = d
		return nil
	})
}

// WithMaxDepth says how deep calls from calls may be, from 0 to 16: with 1 the functions that a client calls
// may call others ([FromContext]), with 2 these may, too. What is deeper fails at once with [ErrTooDeep]. The
// default is 2. It travels along, so that the client's holds at each depth.
//
// Where functions run elsewhere and can call back, the executor keeps workers for each depth: of 30 workers, 10
// run what the client calls. With 0 no function can call, and the client's calls have all workers.
func WithMaxDepth(n int) Option {
	return option(func(c *config) error {
		c.level.Max = n
		return engine.CheckMaxDepth(n)
	})
}

// WithRegistry has the executor look functions up in r instead of [DefaultRegistry]. The agent
// must serve the same registrations. Package inproc does; agent.Main serves DefaultRegistry
// only. So it is for tests, and for agents that are made with agent.NewHandler. Nil is an
// error.
func WithRegistry(r *Registry) Option {
	return option(func(c *config) error {
		if r == nil {
			return errors.New("WithRegistry: the registry is nil")
		}
		c.registry = (*registry.Registry)(r)
		return nil
	})
}

// WithLogger sets where the executor reports what no caller sees: throttling, retries, panics
// in callbacks. The default is slog.Default(). For silence give slog.New(slog.DiscardHandler).
// Nil is an error. Arguments and results are never logged.
//
// A handler that panics does no harm. One that blocks for five seconds is left out until it has
// returned.
func WithLogger(l *slog.Logger) Option {
	return option(func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil; use slog.New(slog.DiscardHandler) for silence")
		}
		c.logger = l
		return nil
	})
}

// WithCompression says whether arguments and results of 16 KiB and more are
// compressed on their way, with zstd at its fastest, where they shrink by a tenth at
// least. It saves time on every network, and on Lambda carries a few megabytes
// more of most data. The default is true.
func WithCompression(on bool) Option {
	return option(func(c *config) error {
		c.verbatim = !on
		return nil
	})
}

// A CallOption is an [Option] for all calls of an [Executor], and a [MapOption] for those of
// one run, which goes before the executor's.
type CallOption interface {
	Option
	MapOption
}

type callOption struct {
	option
	mapOption
}

// WithAttemptTimeout bounds each attempt of a call, where [WithTimeout] bounds all of them
// together. Use it where some attempts hang and another one would not: on a bad machine, or in
// a request that got no answer. The default is the function's timeout; one that is longer than
// that changes nothing.
//
// The functions of an invocation get d, and their context ends then. An attempt that brings no
// answer for so long that an agent must be gone is given up. Time in the queue does not count,
// time on the way and an agent's start only where no answer comes.
//
// A call of an [Idempotent] function whose attempt took too long is tried again, as [WithRetry]
// says. Choose d well above what a call takes and well below what you can wait. Others end with
// [ErrTimeout].
//
// The items of an invocation share d as they share the function's own timeout. Those that were
// not begun are sent again with a d of their own, and count no attempt. d must be positive.
func WithAttemptTimeout(d time.Duration) CallOption {
	check := func() error {
		if d <= 0 {
			return fmt.Errorf("WithAttemptTimeout(%v): must be positive; leave it out for the function's own timeout", d)
		}
		return nil
	}
	return callOption{
		func(c *config) error {
			c.attemptTimeout = d
			return check()
		},
		func(c *mapConfig) error {
			c.policy.Attempt = d
			return check()
		},
	}
}

// InvalidOption returns an option that is refused with err, by [New] and by every run. It is
// for packages that make options of their own, as package progress does, and find a mistake in
// them: so the mistake is an error where all others are, and not a panic. A nil err is refused,
// too.
func InvalidOption(err error) CallOption {
	if err == nil {
		err = errors.New("InvalidOption: the error is nil")
	}
	return callOption{
		func(*config) error { return err },
		func(*mapConfig) error { return err },
	}
}

// Hedging says when a slow call of an [Idempotent] function gets a duplicate: both run, the
// first answer wins, the other is abandoned. A zero field means the default, so Hedging{} is a
// good start.
type Hedging struct {
	Quantile   float64 // of the run times observed, between 0 and 1: slower calls are stragglers; default 0.95
	MinSamples int     // run times to observe before the first duplicate; default 20
	Budget     float64 // duplicates at most, as a fraction of all invocations, up to 1; default 0.05
}

// WithHedging starts duplicates of stragglers. Use it where calls take about the same time and
// a few take much longer, because of a slow machine: then a second one is usually faster. Where
// calls differ by what they compute, a duplicate is as slow, and only costs.
//
// It concerns only functions registered as [Idempotent], never exceeds its budget, and pauses
// while the platform throttles. A duplicate costs what an invocation costs, also when it is
// abandoned. The default is no hedging. Values that are out of range are an error of [New].
func WithHedging(h Hedging) Option {
	return option(func(c *config) error {
		policy, err := schedule.NewHedgePolicy(schedule.HedgePolicy(h))
		if err != nil {
			return fmt.Errorf("WithHedging: %w", err)
		}
		c.hedging = &policy
		return nil
	})
}
