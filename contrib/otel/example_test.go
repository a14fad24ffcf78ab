package otel_test

import (
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/contrib/otel"
	sdk "go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// global sets the global provider, and returns what sets it back.
func global(p trace.TracerProvider) (back func()) {
	previous := sdk.GetTracerProvider()
	sdk.SetTracerProvider(p)
	return func() { sdk.SetTracerProvider(previous) }
}

func ExampleNewObserver() {
	spans := tracetest.NewInMemoryExporter() // yours goes to a collector
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	observer, err := otel.NewObserver(otel.WithTracerProvider(tracers))
	if err != nil {
		fmt.Println(err)
		return
	}
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithObserver(observer))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	_, _ = lambdapool.Map(context.Background(), pool, half, []int{2, 4}, lambdapool.ChunkSize(2))
	for _, s := range spans.GetSpans() {
		fmt.Println(s.SpanKind, s.Name)
	}
	// Output:
	// client invoke half
	// internal map half
}

func ExampleFunction() {
	// In the program of the agents: var resize = lambdapool.Register("resize", otel.Function("resize", resizeImage))
	spans := tracetest.NewInMemoryExporter()
	defer global(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))()
	twice := otel.Function("twice", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	fmt.Println(twice(context.Background(), 4))
	fmt.Println(spans.GetSpans()[0].SpanKind, spans.GetSpans()[0].Name)
	// Output:
	// 8 <nil>
	// server twice
}

func ExampleWithTracerProvider() {
	_, err := otel.NewObserver(otel.WithTracerProvider(sdktrace.NewTracerProvider()))
	fmt.Println(err)
	// Output: <nil>
}

func ExampleWithMeterProvider() {
	_, err := otel.NewObserver(otel.WithMeterProvider(sdkmetric.NewMeterProvider()))
	fmt.Println(err)
	// Output: <nil>
}

func ExampleWithInvoked() {
	// The platform's function, beside the Go function that runs in it.
	_, err := otel.NewObserver(otel.WithInvoked(semconv.FaaSInvokedName("thumbnails"), semconv.FaaSInvokedProviderAWS, semconv.FaaSInvokedRegion("eu-west-1")))
	fmt.Println(err)
	// Output: <nil>
}
