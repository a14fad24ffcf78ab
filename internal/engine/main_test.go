package engine

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// newTest returns an executor on b, as the root makes them.
func newTest(b driver.Backend, cfg Config) *Executor {
	cfg.Registry, cfg.Logger = registry.New(nil), slog.New(slog.DiscardHandler)
	return New(b, b.Limits(), payload.Storage{}, cfg)
}

// function returns one that backends of these tests do not call.
func function(t *testing.T, idempotent bool) *registry.Function {
	t.Helper()
	f, err := registry.NewTyped("f", func(context.Context, []byte) (int, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	if idempotent {
		registry.SetIdempotent(f)
	}
	return f
}

// A taker takes whatever a call brings.
type taker struct{}

func (taker) Decode(context.Context, *registry.Function, []byte, bool) error { return nil }
func (taker) Completed()                                                     {}
func (taker) Failed(_ *registry.Function, _ *registry.Registry, err error) error {
	return err
}

// admitted returns a call of fn that e has admitted, and not queued.
func admitted(t *testing.T, e *Executor, fn *registry.Function, since time.Time) *Call {
	t.Helper()
	p := new(Promise)
	p.exec, p.fn = e, fn
	c := &Call{Promise: p, sink: taker{}, accepted: time.Since(e.epoch), party: e.ready.of(fn)}
	p.call = c
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Submitted++
	e.admit(c, t.Context(), since)
	return c
}
