package awslambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
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

var _ lambdapool.Detacher = (*Backend)(nil)

// InvokeEvent makes one attempt to queue the request as an asynchronous (Event)
// invocation: it sends the payload at most once, and returns Lambda's id of the
// request as soon as Lambda has accepted it. What becomes of it then Lambda does not
// say.
//
// Every error is a [lambdapool.InvokeError]. OutcomeNotRun means that it is not
// queued, OutcomeUnknown that it may be.
func (b *Backend) InvokeEvent(ctx context.Context, req *lambdapool.Request) (string, error) {
	start := time.Now()
	id, ierr := b.invokeEvent(ctx, req)
	if b.log != nil {
		b.record(ctx, eventRecord, req, &lambdapool.Response{RequestID: id}, ierr, time.Since(start))
	}
	if ierr != nil {
		return "", ierr
	}
	return id, nil
}

// EventLimits returns what Lambda does if the function is not configured otherwise: a
// put-function-event-invoke-config may make age and retries less.
func (b *Backend) EventLimits() lambdapool.EventLimits {
	return lambdapool.EventLimits{Request: codec.MaxEventRequest, Age: maxEventAge, Retries: maxEventRetries}
}

func (b *Backend) invokeEvent(ctx context.Context, req *lambdapool.Request) (string, *lambdapool.InvokeError) {
	if b.closed.Load() {
		return "", notSent(lambdapool.ErrClosed, fmt.Errorf("the backend for Lambda function %s is closed", b.target.short()), "invoke before Close")
	}
	if n := len(req.Payload); n > codec.MaxEventRequest {
		return "", notSent(lambdapool.ErrTooLarge,
			fmt.Errorf("the request has %d bytes, Lambda takes %d of an asynchronous one", n, codec.MaxEventRequest), hintEventLimit)
	}
	// The answer does not wait for the function, whatever its timeout.
	within, done := context.WithTimeoutCause(ctx, b.guard.margin, &noReplyError{margin: b.guard.margin})
	defer done()
	resp, data, creds, ierr := b.send(ctx, within, req.Payload, func(h http.Header) { //nolint:bodyclose // send has closed it
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
	case ierr.Outcome == lambdapool.OutcomeUnknown:
		ierr.Hint = hintQueued
	case errors.Is(ierr.Kind, lambdapool.ErrTooLarge):
		ierr.Hint = hintEventLimit
	case ierr.Hint == byCode["ModeNotSupportedException"].hint:
		ierr.Hint = hintSynchronous
	}
	return "", ierr
}
