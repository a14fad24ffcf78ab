package otel

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Function wraps a function that is registered, so that each of its calls has a span in the agent: of the registered
// name, of kind server, below the span of the invocation that has brought it. Calls that it makes itself, by
// lambdapool.FromContext, come below its span.
//
//	var resize = lambdapool.Register("resize", otel.Function("resize", resizeImage))
//
// An error that it returns is the span's status. A panic goes on. The span's tracer is that of the global provider at
// the time of the call, or of [WithTracerProvider]. Set the provider up in the agent's main before agent.Main. A
// platform such as Lambda stops the process between two invocations: export spans at once
// (sdktrace.WithSyncer) to something on the same machine, or spans arrive late, and the last ones never. Options that
// are wrong make it panic, as registrations do.
func Function[A, R any](name string, f func(context.Context, A) (R, error), opts ...Option) func(context.Context, A) (R, error) {
	if _, err := configure(opts); err != nil {
		panic(err)
	}
	return func(ctx context.Context, arg A) (result R, err error) {
		c, _ := configure(opts) // now: the provider is set after functions are registered
		ctx, span := c.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)).Start(remote(ctx), name,
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(functionKey.String(name), semconv.FaaSTriggerOther))
		returned := false
		defer func() {
			if !returned {
				span.SetStatus(codes.Error, "the function panicked, or ended its goroutine")
			}
			span.End()
		}()
		result, err = f(traceParent(ctx), arg)
		if returned = true; err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		return result, err
	}
}
