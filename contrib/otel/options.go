package otel

import (
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// An Option configures [NewObserver] and [Function]. Nil is an error.
type Option func(*config) error

type config struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
	invoked []attribute.KeyValue
}

func configure(opts []Option) (config, error) {
	c := config{tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider()}
	for _, opt := range opts {
		if opt == nil {
			return c, errors.New("lambdapool: otel: an option is nil: leave it out")
		}
		if err := opt(&c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// WithTracerProvider sets who makes spans. The default is the global one of package go.opentelemetry.io/otel. Nil is
// an error; use the provider of go.opentelemetry.io/otel/trace/noop for no spans.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) error {
		if p == nil {
			return errors.New("lambdapool: otel: WithTracerProvider: the provider is nil: use that of trace/noop for no spans")
		}
		c.tracers = p
		return nil
	}
}

// WithMeterProvider sets who keeps metrics, of [NewObserver] only. The default is the global one of package
// go.opentelemetry.io/otel. Nil is an error; use the provider of go.opentelemetry.io/otel/metric/noop for none.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) error {
		if p == nil {
			return errors.New("lambdapool: otel: WithMeterProvider: the provider is nil: use that of metric/noop for no metrics")
		}
		c.meters = p
		return nil
	}
}

// WithInvoked says what is invoked, for the spans of invocations: faas.invoked_name, faas.invoked_provider and
// faas.invoked_region of package semconv, of the platform's function. The default is faas.invoked_name, with the
// registered name of the Go function.
func WithInvoked(attributes ...attribute.KeyValue) Option {
	return func(c *config) error {
		for _, a := range attributes {
			if !a.Valid() {
				return errors.New("lambdapool: otel: WithInvoked: an attribute has no key or no value")
			}
		}
		c.invoked = append(c.invoked, attributes...)
		return nil
	}
}

// scope names this module to the providers.
const scope = "github.com/lambdapool/lambdapool/contrib/otel"
