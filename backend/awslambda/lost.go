package awslambda

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/lambdapool/lambdapool"
)

const hintRunsOn = "the function runs on, and is billed, until it is done or its own timeout stops it"

// lost classifies an attempt that ended without an answer. caller is the
// context that Invoke was given, ctx the same within the guard.
func (b *Backend) lost(caller, ctx context.Context, outcome lambdapool.Outcome, err error) *lambdapool.InvokeError {
	e := &lambdapool.InvokeError{Outcome: outcome, Err: err}
	var overdue *noReplyError
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Err = lambdapool.ErrCanceled, context.Canceled
	case caller.Err() != nil:
		e.Kind, e.Err = lambdapool.ErrTimeout, caller.Err()
	case errors.As(context.Cause(ctx), &overdue):
		e.Kind, e.Err = lambdapool.ErrTimeout, overdue
		e.Hint = hintReport
		return e
	case outcome == lambdapool.OutcomeUnknown:
		e.Kind, e.Hint = lambdapool.ErrUnknownOutcome, hintReport
		e.Err = fmt.Errorf("connection lost: %w", unquoted(err))
		return e
	default:
		b.unreachable(e, err)
		return e
	}
	if outcome != lambdapool.OutcomeNotRun {
		e.Hint = hintRunsOn
	}
	return e
}

// unquoted is err without what it quotes: net/http repeats an answer that it
// does not understand, and that may be a result.
func unquoted(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // it quotes the URL only
	}
	if text, _, quoted := strings.Cut(err.Error(), `"`); quoted {
		return errors.New(text + "…")
	}
	return err
}

// unreachable explains an attempt that found no connection. What looks like a
// wrong setting is permanent, unless the setting has worked before.
func (b *Backend) unreachable(e *lambdapool.InvokeError, err error) {
	host := b.template.url.Host
	e.Err = fmt.Errorf("no connection to %s: %w", host, err)
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Hint = fmt.Sprintf("check the region %q and the endpoint", b.template.region)
	case errors.As(err, &cert):
		e.Hint = "if a proxy or an own certificate authority is in use, set AWS_CA_BUNDLE"
	case errors.As(err, &record):
		e.Hint = "the endpoint does not speak TLS: http instead of https?"
	default:
		e.Hint = "check the network, the proxy and the endpoint"
		return
	}
	e.Permanent = !b.reached.Load()
}

// cut classifies an answer that ended early, of which only the header is known.
func (b *Backend) cut(caller, ctx context.Context, resp *http.Response, err error) *lambdapool.InvokeError {
	var e *lambdapool.InvokeError
	switch {
	case judge(resp.StatusCode, "").outcome == lambdapool.OutcomeNotRun:
		// The refusal stands, even if its explanation is lost.
		e = b.refused(resp, nil, aws.Credentials{})
	case errors.Is(err, errBodyTooLong):
		e = &lambdapool.InvokeError{Kind: lambdapool.ErrTooLarge, Err: err, Permanent: true,
			Hint: "is this Lambda that answers?"}
	default:
		e = b.lost(caller, ctx, lambdapool.OutcomeUnknown, fmt.Errorf("HTTP %d answer cut short: %w", resp.StatusCode, err))
	}
	e.RequestID = requestID(resp.Header)
	e.LogTail = logTail(resp.Header)
	return e
}
