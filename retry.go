package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A RetryPolicy says when a call that failed is tried again. A zero field means the default, so
// that RetryPolicy{MaxAttempts: 1} only turns retries off.
//
// What certainly did not run is tried again within the call's time. What may have run is tried
// again only when the function is [Idempotent]. What cannot succeed (access denied, too large,
// another version) is never tried again.
//
// Throttles never count as attempts. A platform's Retry-After is a floor of the wait, up to ten
// seconds and, of a call that has not that much time left, half of it.
type RetryPolicy struct {
	MaxAttempts int           // invocations that may have run the function; default 3
	BaseDelay   time.Duration // upper bound of the first backoff, doubled each time, full jitter; default 100 ms
	MaxDelay    time.Duration // upper bound of every backoff; default 20 s

	// RetryFunctionError says whether an error of the function itself is worth
	// another attempt. Default: none is. It must be safe for concurrent use. If it
	// panics or ends its goroutine, the call ends with ErrHook and the function's error.
	RetryFunctionError func(*FunctionError) bool
}

// WithRetry sets when and how calls are retried. The default suits most programs: three
// attempts, with waits that begin at random below 100 ms and double up to 20 s. Negative
// values, and a BaseDelay above MaxDelay, are errors. [CallRetry] says otherwise for a run, [DefaultRetry] for a
// function.
func WithRetry(p RetryPolicy) Option {
	return option(func(c *config) error {
		c.retry = p
		_, err := p.schedule("WithRetry")
		return err
	})
}

// schedule returns p without its hook, or what is wrong with it.
func (p RetryPolicy) schedule(option string) (schedule.Policy, error) {
	policy, err := schedule.NewPolicy(p.MaxAttempts, p.BaseDelay, p.MaxDelay)
	if err != nil {
		err = fmt.Errorf("%s: %w", option, err)
	}
	return policy, err
}

// asking asks the program, by the error that it would see.
func asking(hook func(*FunctionError) bool) func(context.Context, *registry.Function, *registry.Registry, *failure.Function) (bool, error) {
	if hook == nil {
		return nil
	}
	return func(ctx context.Context, fn *registry.Function, known *registry.Registry, said *failure.Function) (bool, error) {
		function := public(fn, known, said).(*FunctionError) //nolint:errorlint,forcetypeassert // public makes it
		wanted, failed := contain.Value(ctx, "RetryFunctionError", nil, func() (bool, error) { return hook(function), nil })
		if failed != nil {
			return false, hookError(fn.Name(), failed, function)
		}
		return wanted, nil
	}
}

// newRetrier returns the valid policy p at work.
func newRetrier(p RetryPolicy) *engine.Retrier {
	policy, _ := p.schedule("")
	return engine.NewRetrier(policy, asking(p.RetryFunctionError))
}

// ErrHook says that a function of the program's that the executor asked about a call
// (RetryFunctionError) panicked or ended its goroutine instead of answering.
var ErrHook = errors.New("hook failed")

// hookError is the error of a call whose last attempt ended in cause, when a hook
// that was asked about it did not answer.
func hookError(name string, fault, cause error) *failure.Pool {
	return &failure.Pool{
		Op: "call", Func: name, Kind: ErrHook, Err: fmt.Errorf("%w; it was asked about: %w", fault, cause), Outcome: OutcomeRan,
	}
}

// CallTimeout bounds each item of a run from when a worker takes it, as [WithTimeout] bounds calls of the executor.
// What a run says goes before what its function says, and that before what the executor says: CallTimeout, then
// [DefaultTimeout], then WithTimeout. What bounds the run as a whole is its context. d must be positive. A detached
// run refuses it.
func CallTimeout(d time.Duration) MapOption {
	return mapOption(func(c *mapConfig) error {
		c.policy.Timeout = d
		return positive("CallTimeout", d)
	})
}

// CallRetry sets when and how items of a run are tried again. All of p counts, not only what is set: what is zero is
// the default of [RetryPolicy], whatever the function ([DefaultRetry]) or the executor ([WithRetry]) says. Bad
// values are an error of the run. A detached run refuses it: nobody is there to try again.
func CallRetry(p RetryPolicy) MapOption {
	return mapOption(func(c *mapConfig) error {
		c.policy.Retry = newRetrier(p)
		_, err := p.schedule("CallRetry")
		return err
	})
}

// DefaultTimeout bounds each call of the function where a run does not say otherwise by [CallTimeout], whatever the
// executor says by [WithTimeout]. Use it for a function that is known to be quick or slow among others. d must be
// positive: anything else panics at registration. It counts as WithTimeout does. It does not hold for detached
// runs, which have the platform's.
func DefaultTimeout(d time.Duration) FuncOption {
	return byDefault(func(p *engine.Policy) { p.Timeout = d }, positive("DefaultTimeout", d))
}

// DefaultAttemptTimeout bounds each attempt of a call of the function, where a run does not say otherwise by
// [WithAttemptTimeout], whatever the executor says by it. d must be positive: anything else panics at registration.
// It does not hold for detached runs.
func DefaultAttemptTimeout(d time.Duration) FuncOption {
	return byDefault(func(p *engine.Policy) { p.Attempt = d }, positive("DefaultAttemptTimeout", d))
}

// DefaultRetry sets when and how calls of the function are tried again, where a run does not say otherwise by
// [CallRetry], whatever the executor says by [WithRetry]. All of p counts, as with CallRetry. Use it for a function
// whose errors are worth another try, when those of others are not. Bad values panic at registration. It does not
// hold for detached runs, which the platform tries again.
func DefaultRetry(p RetryPolicy) FuncOption {
	_, err := p.schedule("DefaultRetry")
	return byDefault(func(policy *engine.Policy) { policy.Retry = newRetrier(p) }, err)
}

// byDefault has calls of a function follow what set says.
func byDefault(set func(*engine.Policy), err error) FuncOption {
	return func(f *Function) {
		fn := (*registry.Function)(f)
		policy := engine.DefaultsOf(fn)
		set(&policy)
		registry.SetDefaults(fn, policy, err)
	}
}

// positive refuses a time that is not.
func positive(option string, d time.Duration) error {
	if d > 0 {
		return nil
	}
	return fmt.Errorf("%s(%v): %w", option, d, errNotPositive)
}

var errNotPositive = errors.New("must be positive; leave it out for no timeout")
