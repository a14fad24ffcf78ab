package awslambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

// What Lambda does with asynchronous invocations, unless the function's event invoke
// configuration says less:
// docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html, 2026-11.
const (
	maxEventAge     = 6 * time.Hour
	maxEventRetries = 2
)

const (
	hintQueued      = "the request may be queued: the function may run although nobody knows of it"
	hintEventLimit  = "send less per call, or let large payloads travel through S3; asynchronous requests carry less than others"
	hintSynchronous = "the function does not take asynchronous calls"
)

// eventRecord is what an InvokeEvent is called in the log.
const eventRecord = "invoke event"

var _ driver.Detacher = (*Backend)(nil)

// InvokeEvent makes one attempt to queue the request as an asynchronous (Event) invocation. It
// sends the payload at most once, and returns Lambda's id of the request as soon as Lambda has
// accepted it. Lambda does not say what becomes of it then: it may run more than once, or be
// dropped. Detached runs are built on it and keep account: programs use lambdapool.MapDetached
// instead.
//
// It blocks for the time of a request, 45 seconds at most; the first also until the shards are known, two seconds at
// most. Every error is a
// [driver.InvokeError]. OutcomeNotRun means that it is not queued, OutcomeUnknown that it
// may be. A payload above EventLimits.Request is refused with ErrTooLarge.
func (b *Backend) InvokeEvent(ctx context.Context, req *driver.Request) (string, error) {
	start := time.Now()
	f, ended := b.chooseEvent(ctx)
	id, ierr := b.invokeEvent(ctx, f, req)
	ended(ierr)
	if b.log != nil {
		b.record(ctx, eventRecord, f, req, &driver.Response{RequestID: id}, ierr, time.Since(start))
	}
	if ierr != nil {
		return "", ierr
	}
	return id, nil
}

// EventLimits returns what Lambda does if the function is not configured otherwise: 1 MB per
// request, six hours in the queue, two more deliveries after a failure. A
// put-function-event-invoke-config may make age and retries less, which is not seen here.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html,
// 2026-11.
func (b *Backend) EventLimits() driver.EventLimits {
	return driver.EventLimits{Request: codec.MaxEventRequest, Age: maxEventAge, Retries: maxEventRetries}
}

// invokeEvent is InvokeEvent without its log. A 202 is all that Lambda says to an event.
func (b *Backend) invokeEvent(ctx context.Context, f *function, req *driver.Request) (string, *driver.InvokeError) {
	if b.closed.Load() {
		return "", notSent(driver.ErrClosed, fmt.Errorf("the backend for Lambda function %s is closed", b.target.short()), "invoke before Close")
	}
	if n := len(req.Payload); n > codec.MaxEventRequest {
		return "", notSent(driver.ErrTooLarge,
			fmt.Errorf("the request has %d bytes, Lambda takes %d of an asynchronous one", n, codec.MaxEventRequest), hintEventLimit)
	}
	// The answer does not wait for the function, whatever its timeout.
	within, done := context.WithTimeoutCause(ctx, b.guard.margin, &noReplyError{margin: b.guard.margin})
	defer done()
	resp, data, creds, ierr := b.send(ctx, within, f, req.Payload, func(h http.Header) { //nolint:bodyclose // send has closed it
		h.Set("X-Amz-Invocation-Type", "Event")
		h.Del("X-Amz-Log-Type") // of synchronous ones
	})
	switch {
	case ierr != nil:
	case resp.StatusCode == http.StatusAccepted:
		return requestID(resp.Header), nil
	default:
		ierr = b.refused(resp, data, creds)
	}
	switch {
	case ierr.Outcome == driver.OutcomeUnknown:
		ierr.Hint = hintQueued
	case errors.Is(ierr.Kind, driver.ErrTooLarge):
		ierr.Hint = hintEventLimit
	case ierr.Hint == byCode["ModeNotSupportedException"].hint:
		ierr.Hint = hintSynchronous
	}
	return "", ierr
}
