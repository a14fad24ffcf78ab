package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
)

var _ lambdapool.Detacher = (*Backend)(nil)

// InvokeEvent sends one request through the Invoke API, to be queued in memory. It runs
// as soon as an environment is free, again after function errors as
// [WithEventRetries] says, and is lost with this process. Every error is a
// [lambdapool.InvokeError]; after Close it is ErrClosed.
func (b *Backend) InvokeEvent(ctx context.Context, req *lambdapool.Request) (string, error) {
	if b.closing.Load() {
		return "", closedError()
	}
	id, err := b.client.InvokeEvent(ctx, req)
	if err != nil {
		return "", b.cutShort(ctx, err)
	}
	return id, nil
}

// EventLimits returns Lambda's limit on the size, and what [WithEventRetries] says.
func (b *Backend) EventLimits() lambdapool.EventLimits {
	return lambdapool.EventLimits{Request: codec.MaxEventRequest, Age: b.cfg.eventAge, Retries: len(b.cfg.eventDelays)}
}

func closedError() error {
	return &lambdapool.InvokeError{
		Outcome: lambdapool.OutcomeNotRun, Kind: lambdapool.ErrClosed, Permanent: true,
		Err: errors.New("the local backend was closed"),
	}
}

// cutShort returns the error of a call as it is, or as one of ErrClosed when Close
// has cut it short.
func (b *Backend) cutShort(ctx context.Context, err error) error {
	if !b.closing.Load() || ctx.Err() != nil {
		return err
	}
	cut := &lambdapool.InvokeError{}
	if known, ok := errors.AsType[*lambdapool.InvokeError](err); ok {
		*cut = *known
	}
	cut.Kind, cut.Permanent = lambdapool.ErrClosed, true
	cut.Err = fmt.Errorf("the local backend was closed during the call: %w", err)
	return cut
}
