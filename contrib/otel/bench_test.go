package otel_test

import (
	"context"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/contrib/otel"
	"github.com/lambdapool/lambdapool/metrics"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var next = lambdapool.Register("next", func(_ context.Context, n int) (int, error) { return n + 1, nil })

// What it costs to be observed, for calls that do nothing on goroutines of this process: the worst case.
func BenchmarkObserved(b *testing.B) {
	telemetry, err := otel.NewObserver(
		otel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()))),
		otel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))))
	if err != nil {
		b.Fatal(err)
	}
	var numbers metrics.Handler
	for name, opts := range map[string][]lambdapool.Option{
		"none":    nil,
		"metrics": {lambdapool.WithObserver(numbers.Observer())},
		"otel":    {lambdapool.WithObserver(telemetry)},
	} {
		pool, err := lambdapool.New(inproc.New(), append(opts, lambdapool.WithOwnedBackend())...)
		if err != nil {
			b.Fatal(err)
		}
		args := make([]int, 10_000)
		b.Run("Map/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := lambdapool.Map(b.Context(), pool, next, args); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(args)), "ns/item")
		})
		b.Run("Call/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := lambdapool.Call(b.Context(), pool, next, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := pool.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
