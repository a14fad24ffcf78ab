package failure

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// ErrBudget says that a run was stopped because its next invocation might have exceeded its budget.
var ErrBudget = errors.New("budget exhausted")

// ErrTooManyFailures says that a run was stopped since more of its items failed than it tolerates.
var ErrTooManyFailures = errors.New("too many failures")

// ErrQueueFull says that a call was refused because as many as may wait do.
var ErrQueueFull = errors.New("queue full")

// ErrInput says that the source of a run's items has failed.
var ErrInput = errors.New("input failed")

// A Pool says that the pool, and not the function, failed a call. It is lambdapool.PoolError by another name: that
// one has the docs of the fields, a pointer to one converts to the other for nothing, and the compiler refuses a
// field that only one has.
type Pool struct { //nolint:errname // an error of the rooms below the root only, and no program's
	Op        string
	Func      string
	Kind      error
	Err       error
	Outcome   driver.Outcome
	Attempts  int
	RequestID string
	Hint      string
	LogTail   string
}

// NotRun is the failure of a call that certainly has not run. Without a cause, the kind is it.
func NotRun(op, name string, kind, err error, hint string) *Pool {
	if err == nil {
		err = kind
	}
	return &Pool{Op: op, Func: name, Kind: kind, Err: err, Outcome: driver.OutcomeNotRun, Hint: hint}
}

// Of returns the Pool that a call's failure is, or nil where its function failed, or nothing did.
func Of(err error) *Pool {
	pool, _ := err.(*Pool) //nolint:errorlint // what wraps one is somebody else's
	return pool
}

// Context returns the sentinel for an ended context, and its cause.
func Context(ctx context.Context) (kind, cause error) {
	kind, cause = driver.ErrCanceled, ctx.Err()
	if errors.Is(cause, context.DeadlineExceeded) {
		kind = driver.ErrTimeout
	}
	if c := context.Cause(ctx); c != nil && !errors.Is(cause, c) {
		cause = fmt.Errorf("%w: %w", cause, c)
	}
	return kind, cause
}

// Error is one line, or several of which all but the first begin with "\t| ", and safe to print.
func (p *Pool) Error() string {
	var b strings.Builder
	b.WriteString("lambdapool: ")
	b.WriteString(p.Op)
	if p.Func != "" {
		b.WriteString(" ")
		b.WriteString(p.Func)
	}
	if what := english.Failure(p.Kind, p.Err); what != "" {
		b.WriteString(": ")
		b.WriteString(what)
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, " (%s)", p.Hint)
	}
	if p.RequestID != "" && !strings.Contains(b.String(), p.RequestID) {
		fmt.Fprintf(&b, " [request %s]", p.RequestID)
	}
	return legible.Text(b.String())
}

// Unwrap returns the sentinel and the cause.
func (p *Pool) Unwrap() []error {
	errs := make([]error, 0, 2)
	if p.Kind != nil {
		errs = append(errs, p.Kind)
	}
	if p.Err != nil && p.Err != p.Kind {
		errs = append(errs, p.Err)
	}
	return errs
}
