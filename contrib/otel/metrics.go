package otel

import (
	"context"
	"errors"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// instruments are what is written to. Counters and histograms are written to by each invocation. What executors count
// themselves is asked for when somebody collects.
type instruments struct {
	invocations, failures, timeouts, coldstarts, throttles metric.Int64Counter
	cost                                                   metric.Float64Counter
	run, init, cpu, duration, queued                       metric.Float64Histogram
	memory, items                                          metric.Int64Histogram

	totals metrics.Totals
}

func newMetrics(p metric.MeterProvider) (*instruments, error) {
	b := &builder{meter: p.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))}
	m := &instruments{
		invocations: b.counter("faas.invocations", "{invocation}", "Number of successful invocations."),
		failures:    b.counter("faas.errors", "{error}", "Number of invocation errors."),
		timeouts:    b.counter("faas.timeouts", "{timeout}", "Number of invocation timeouts."),
		coldstarts:  b.counter("faas.coldstarts", "{coldstart}", "Number of invocation cold starts."),
		throttles:   b.counter("lambdapool.throttles", "{request}", "Requests that the platform has refused."),
		run:         b.seconds("faas.invoke_duration", "Measures the duration of the function's logic execution.", shortRuns),
		init:        b.seconds("faas.init_duration", "Measures the duration of the function's initialization, such as a cold start.", shortRuns),
		cpu:         b.seconds("faas.cpu_usage", "Distribution of CPU usage per invocation.", shortRuns),
		duration:    b.seconds("lambdapool.invocation.duration", "From the request to its answer.", shortRuns),
		queued:      b.seconds("lambdapool.invocation.queued", "From the first call of a request to the request.", shortRuns),
		memory:      b.histogram("faas.mem_usage", "By", "Distribution of max memory usage per invocation."),
		items:       b.histogram("lambdapool.invocation.items", "{call}", "Calls that share a request."),
	}
	var err error
	m.cost, err = b.meter.Float64Counter("lambdapool.cost", metric.WithUnit("{USD}"), metric.WithDescription("What the platform charges, by its list prices."))
	b.note(err)
	m.observe(b)
	return m, b.err
}

// shortRuns are the bounds of histograms of seconds, from a millisecond to Lambda's longest run.
var shortRuns = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900}

// A builder makes instruments, and keeps what went wrong.
type builder struct {
	meter metric.Meter
	err   error
}

func (b *builder) note(err error) { b.err = errors.Join(b.err, err) }

func (b *builder) counter(name, unit, what string) metric.Int64Counter {
	c, err := b.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
	b.note(err)
	return c
}

func (b *builder) seconds(name, what string, bounds []float64) metric.Float64Histogram {
	h, err := b.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(bounds...))
	b.note(err)
	return h
}

func (b *builder) histogram(name, unit, what string) metric.Int64Histogram {
	h, err := b.meter.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(what))
	b.note(err)
	return h
}

// observe has the executors asked when somebody collects.
func (m *instruments) observe(b *builder) {
	gauge := func(name, unit, what string) metric.Int64Observable {
		g, err := b.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
		b.note(err)
		return g
	}
	counter := func(name, unit, what string) metric.Int64Observable {
		c, err := b.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
		b.note(err)
		return c
	}
	inFlight := gauge("lambdapool.invocations.in_flight", "{request}", "Requests in flight.")
	limit := gauge("lambdapool.invocations.limit", "{request}", "Requests that may be in flight, by the workers and what throttles have taught.")
	queued := gauge("lambdapool.calls.queued", "{call}", "Calls that wait for a worker or for their next attempt.")
	running := gauge("lambdapool.calls.running", "{call}", "Calls in flight.")
	calls := counter("lambdapool.calls", "{call}", "Calls that have ended.")
	payload := counter("lambdapool.payload.io", "By", "Bytes of requests and replies.")
	store := counter("lambdapool.store.io", "By", "Bytes of arguments and results by way of the object store.")
	out, in := metric.WithAttributes(semconv.NetworkIODirectionTransmit), metric.WithAttributes(semconv.NetworkIODirectionReceive)
	ended := func(how string) metric.ObserveOption { return metric.WithAttributes(outcomeKey.String(how)) }
	_, err := b.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := m.totals.Stats()
		for _, now := range []struct {
			of    metric.Int64Observable
			value int64
			opts  []metric.ObserveOption
		}{
			{inFlight, s.InFlight, nil}, {limit, s.Limit, nil}, {queued, s.Queued, nil}, {running, s.Running, nil},
			{calls, s.Succeeded, []metric.ObserveOption{ended("value")}},
			{calls, s.FunctionErrors, []metric.ObserveOption{ended("function error")}},
			{calls, s.PoolErrors, []metric.ObserveOption{ended("pool error")}},
			{payload, s.Sent, []metric.ObserveOption{out}}, {payload, s.Received, []metric.ObserveOption{in}},
			{store, s.StoreSent, []metric.ObserveOption{out}}, {store, s.StoreReceived, []metric.ObserveOption{in}},
		} {
			o.ObserveInt64(now.of, now.value, now.opts...)
		}
		return nil
	}, inFlight, limit, queued, running, calls, payload, store)
	b.note(err)
}

// invocation counts one that has ended.
func (m *instruments) invocation(ctx context.Context, r lambdapool.Record, err error) {
	if r.BytesOut == 0 {
		return // it was not sent
	}
	fn := functionKey.String(r.Func)
	of := metric.WithAttributeSet(attribute.NewSet(fn))
	faas := metric.WithAttributeSet(attribute.NewSet(fn, semconv.FaaSTriggerOther))
	m.duration.Record(ctx, r.Received.Sub(r.Sent).Seconds(), of)
	m.queued.Record(ctx, r.Sent.Sub(r.Queued).Seconds(), of)
	m.items.Record(ctx, int64(r.Items), of)
	m.cost.Add(ctx, r.Cost, of)
	switch {
	case r.Throttle != "" || errors.Is(err, lambdapool.ErrThrottled):
		m.throttles.Add(ctx, 1, metric.WithAttributes(fn, reasonKey.String(r.Throttle)))
		return // nothing was invoked
	case errors.Is(err, lambdapool.ErrTimeout):
		m.timeouts.Add(ctx, 1, faas)
	case err != nil:
		m.failures.Add(ctx, 1, faas)
	default:
		m.invocations.Add(ctx, 1, faas)
	}
	if r.Instance == "" {
		return // no agent has answered
	}
	if r.Cold {
		m.coldstarts.Add(ctx, 1, faas)
		m.init.Record(ctx, r.Init.Seconds(), faas)
	}
	m.run.Record(ctx, r.Run.Seconds(), faas)
	m.cpu.Record(ctx, r.CPU.Seconds(), faas)
	m.memory.Record(ctx, r.MemoryPeak, faas)
}
