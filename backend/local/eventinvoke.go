package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

var _ driver.Detacher = (*Backend)(nil)

// InvokeEvent sends one request through the Invoke API, to be queued in memory. It returns
// as soon as the request is accepted, with the id of the request. It runs as soon as an
// environment is free, again after function errors as [WithEventRetries] says, and is lost
// with this process, unless [WithData] keeps it. What it returns nobody hears: an
// executor's detached runs record that themselves. The queue holds 256 MB; beyond that a
// request is refused, and the kind of its error is [driver.ErrThrottled]. Every error is a
// [driver.InvokeError]; after Close it is ErrClosed.
func (b *Backend) InvokeEvent(ctx context.Context, req *driver.Request) (string, error) {
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
func (b *Backend) EventLimits() driver.EventLimits {
	return driver.EventLimits{Request: codec.MaxEventRequest, Age: b.cfg.events.Age, Retries: len(b.cfg.events.Delays)}
}

func closedError() error {
	return &driver.InvokeError{
		Outcome: driver.OutcomeNotRun, Kind: driver.ErrClosed, Permanent: true,
		Err: errors.New("the local backend was closed"),
	}
}

// cutShort returns the error of a call as it is, or as one of ErrClosed when Close
// has cut it short.
func (b *Backend) cutShort(ctx context.Context, err error) error {
	if !b.closing.Load() || ctx.Err() != nil {
		return err
	}
	cut := &driver.InvokeError{}
	if known, ok := errors.AsType[*driver.InvokeError](err); ok {
		*cut = *known
	}
	cut.Kind, cut.Permanent = driver.ErrClosed, true
	cut.Err = fmt.Errorf("the local backend was closed during the call: %w", err)
	return cut
}
