package otel

import (
	"context"
	"errors"

	"github.com/lambdapool/lambdapool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// NewObserver returns an observer for lambdapool.WithObserver, which makes spans and metrics of what it hears. Give
// it to an executor: one that is given to a run only knows none of the gauges. It may serve several executors. It
// starts nothing, and need not be closed. The error is of an option, or what the meter says of an instrument.
//
// Items of runs cost nothing. A single call with its invocation costs some 50 microseconds of CPU: two spans and eight
// measurements. A sampler that drops the spans saves about a third of that. See docs/benchmarks.md.
func NewObserver(opts ...Option) (*lambdapool.Observer, error) {
	c, err := configure(opts)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(c.meters)
	if err != nil {
		return nil, err
	}
	s := &spans{tracer: c.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)), invoked: c.invoked}
	return &lambdapool.Observer{
		Opened:          m.totals.Opened,
		Closed:          m.totals.Closed,
		RunStart:        s.runStart,
		RunEnd:          s.runEnd,
		CallStart:       s.callStart,
		CallEnd:         s.callEnd,
		InvocationStart: s.invocationStart,
		InvocationEnd: func(ctx context.Context, r lambdapool.Record, err error) {
			s.invocationEnd(ctx, r, err)
			m.invocation(ctx, r, err)
		},
		Failed: s.failed,
	}, nil
}

// What the attributes of this module are called, where the conventions have none.
const (
	functionKey = attribute.Key("lambdapool.function")
	outcomeKey  = attribute.Key("lambdapool.outcome")
	reasonKey   = attribute.Key("lambdapool.reason")
)

// A kind tells the spans of this module apart in a context: an end that came without its start must not end another's.
type kind int

const (
	ofRun kind = iota
	ofCall
	ofInvocation
)

type spans struct {
	tracer  trace.Tracer
	invoked []attribute.KeyValue // nil: the registered name
}

// begin makes a span below that of ctx, which may be of this process or of the one that has called it.
func (s *spans) begin(ctx context.Context, k kind, name string, opts ...trace.SpanStartOption) context.Context {
	ctx, span := s.tracer.Start(remote(ctx), name, opts...)
	return context.WithValue(traceParent(ctx), k, span)
}

func begun(ctx context.Context, k kind) trace.Span {
	if span, ok := ctx.Value(k).(trace.Span); ok {
		return span
	}
	return noop.Span{}
}

// end ends a span, and says why it failed.
func end(span trace.Span, err error, at ...trace.SpanEndOption) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	}
	span.End(at...)
}

func (s *spans) runStart(ctx context.Context, r lambdapool.RunEvent) context.Context {
	return s.begin(ctx, ofRun, "map "+r.Func, trace.WithAttributes(functionKey.String(r.Func), attribute.Int("lambdapool.items", r.Total)))
}

func (s *spans) runEnd(ctx context.Context, r lambdapool.RunEvent, err error) {
	span := begun(ctx, ofRun)
	if span.IsRecording() {
		sums := r.Snapshot()
		span.SetAttributes(
			attribute.Int("lambdapool.items", sums.Items), attribute.Int("lambdapool.done", sums.Done),
			attribute.Int("lambdapool.failed", sums.Failed), attribute.Int("lambdapool.canceled", sums.Canceled),
			attribute.Int("lambdapool.invocations", sums.Invocations), attribute.Int("lambdapool.retried", sums.Retried),
			attribute.Int("lambdapool.throttled", sums.Throttled), attribute.Int("lambdapool.hedged", sums.Hedged),
			attribute.Float64("lambdapool.cost", sums.Cost),
		)
	}
	end(span, err)
}

// mostFailures bounds the events of a call to failed: a span keeps few, and they are all of one invocation.
const mostFailures = 8

func (s *spans) failed(ctx context.Context, _ string, items []*lambdapool.ItemError) {
	span := begun(ctx, ofRun)
	if !span.IsRecording() {
		return
	}
	for _, it := range items[:min(len(items), mostFailures)] {
		span.AddEvent("item failed", trace.WithAttributes(attribute.Int("lambdapool.item", it.Index),
			semconv.ErrorTypeKey.String(errorType(it)), semconv.ExceptionMessage(it.Err.Error())))
	}
}

func (s *spans) callStart(ctx context.Context, fn string) context.Context {
	return s.begin(ctx, ofCall, "call "+fn, trace.WithAttributes(functionKey.String(fn)))
}

func (s *spans) callEnd(ctx context.Context, _ string, stats lambdapool.CallStats, err error) {
	span := begun(ctx, ofCall)
	span.SetAttributes(attribute.Int("lambdapool.attempts", stats.Attempts), attribute.Int("lambdapool.throttles", stats.Throttles))
	end(span, err)
}

func (s *spans) invocationStart(ctx context.Context, r lambdapool.Record) context.Context {
	invoked := s.invoked
	if invoked == nil {
		invoked = []attribute.KeyValue{semconv.FaaSInvokedName(r.Func)}
	}
	return s.begin(ctx, ofInvocation, "invoke "+r.Func, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(r.Sent),
		trace.WithAttributes(invoked...), trace.WithAttributes(
			functionKey.String(r.Func), attribute.String("lambdapool.invocation", r.ID), attribute.Int("lambdapool.items", r.Items),
			attribute.Int("lambdapool.attempt", r.Attempt), attribute.Bool("lambdapool.hedge", r.Hedge),
			attribute.Float64("lambdapool.queued", r.Sent.Sub(r.Queued).Seconds()),
		))
}

func (s *spans) invocationEnd(ctx context.Context, r lambdapool.Record, err error) {
	span := begun(ctx, ofInvocation)
	if span.IsRecording() {
		span.SetAttributes(
			outcomeKey.String(r.Outcome.String()), attribute.Bool("lambdapool.won", r.Won), attribute.Int("lambdapool.failed", r.Failed),
			semconv.FaaSColdstart(r.Cold), semconv.FaaSInstance(r.Instance), semconv.FaaSInvocationID(r.RequestID), semconv.FaaSVersion(r.Version),
			semconv.FaaSMaxMemory(int(r.Memory)), attribute.Int64("lambdapool.memory_peak", r.MemoryPeak),
			attribute.Float64("lambdapool.run", r.Run.Seconds()), attribute.Float64("lambdapool.billed", r.Billed.Seconds()),
			attribute.Int("lambdapool.bytes_out", r.BytesOut), attribute.Int("lambdapool.bytes_in", r.BytesIn), attribute.Float64("lambdapool.cost", r.Cost),
		)
		if r.Throttle != "" {
			span.SetAttributes(reasonKey.String(r.Throttle))
		}
	}
	end(span, err, trace.WithTimestamp(r.Received))
}

var w3c propagation.TraceContext

// traceParent has the span of ctx travel with what is called with it.
func traceParent(ctx context.Context) context.Context {
	carrier := propagation.MapCarrier{}
	w3c.Inject(ctx, carrier)
	return lambdapool.WithTraceParent(ctx, carrier.Get("traceparent"))
}

// remote returns ctx with the span that has called from another process, unless it has one of this process.
func remote(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return w3c.Extract(ctx, propagation.MapCarrier{"traceparent": lambdapool.TraceParent(ctx)})
}

// errorType says in a word what went wrong, for error.type: the sentinel, or the type of the function's error.
func errorType(err error) string {
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	var invoke *lambdapool.InvokeError
	switch {
	case errors.As(err, &function) && function.Panic:
		return "panic"
	case errors.As(err, &function):
		return function.Type
	case errors.As(err, &pool) && pool.Kind != nil:
		return pool.Kind.Error()
	case errors.As(err, &invoke) && invoke.Kind != nil:
		return invoke.Kind.Error()
	}
	return "_OTHER"
}
