package awslambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

const hintRunsOn = "the function runs on, and is billed, until it is done or its own timeout stops it"

// lost classifies an attempt that ended without an answer. caller is the
// context that Invoke was given, and overdue why the guard has ended the attempt, if it has.
func (b *Backend) lost(caller context.Context, overdue *noReplyError, outcome driver.Outcome, err error) *driver.InvokeError {
	e := &driver.InvokeError{Outcome: outcome, Err: err}
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Err = driver.ErrCanceled, context.Canceled
	case caller.Err() != nil:
		e.Kind, e.Err = driver.ErrTimeout, caller.Err()
	case overdue != nil:
		e.Kind, e.Err = driver.ErrTimeout, overdue
		e.Hint = hintReport
		return e
	case outcome == driver.OutcomeUnknown:
		e.Kind, e.Hint = driver.ErrUnknownOutcome, hintReport
		e.Err = fmt.Errorf("connection lost: %w", once.Unquoted(err))
		return e
	default:
		once.Unreachable(e, b.template.url.Host, err, b.reached.Load(), b.hints())
		return e
	}
	if outcome != driver.OutcomeNotRun {
		e.Hint = hintRunsOn
	}
	return e
}

// hints are for those who found no connection.
func (b *Backend) hints() once.Hints {
	return once.Hints{
		NoHost:      fmt.Sprintf("check the region %q and the endpoint", b.template.signer.region),
		Certificate: "if a proxy or an own certificate authority is in use, set AWS_CA_BUNDLE",
		NoTLS:       "the endpoint does not speak TLS: http instead of https?",
		Otherwise:   "check the network, the proxy and the endpoint",
	}
}

// cut classifies an answer that ended early, of which only the header is known.
func (b *Backend) cut(caller context.Context, overdue *noReplyError, resp *http.Response, err error) *driver.InvokeError {
	var e *driver.InvokeError
	switch {
	case judge(resp.StatusCode, "").outcome == driver.OutcomeNotRun:
		// The refusal stands, even if its explanation is lost.
		e = b.refused(resp, nil, aws.Credentials{})
	case errors.Is(err, once.ErrTooLong):
		e = &driver.InvokeError{Kind: driver.ErrTooLarge, Err: err, Permanent: true,
			Hint: "is this Lambda that answers?"}
	default:
		e = b.lost(caller, overdue, driver.OutcomeUnknown, fmt.Errorf("HTTP %d answer cut short: %w", resp.StatusCode, err))
	}
	e.RequestID = requestID(resp.Header)
	e.LogTail = logTail(resp.Header)
	return e
}
