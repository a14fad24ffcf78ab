package collectortest

import (
	"context"
	"errors"
	"os"
	"testing"

	sdk "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/contrib/otel"
)

// The functions, as agents have them.
var (
	half = lambdapool.Register("half", otel.Function("half", func(_ context.Context, n int) (int, error) {
		if n%2 == 1 {
			return 0, errors.New("odd")
		}
		return n / 2, nil
	}))
	outer = lambdapool.Register("outer", otel.Function("outer", func(ctx context.Context, n int) (int, error) {
		e, err := lambdapool.FromContext(ctx)
		if err != nil {
			return 0, err
		}
		return lambdapool.Call(ctx, e, half, n)
	}))
)

// The standard variable of OpenTelemetry's SDKs, which an agent's exporter reads by itself.
const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

func TestMain(m *testing.M) {
	if os.Getenv(endpoint) != "" {
		exporter, err := otlptracehttp.New(context.Background())
		if err != nil {
			panic(err)
		}
		sdk.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithResource(named("agent"))))
	}
	agent.Main() // the local backend starts this test binary as its agents
	os.Exit(m.Run())
}

func named(service string) *resource.Resource {
	return resource.NewSchemaless(semconv.ServiceName(service))
}

func functionOf(name string) attribute.KeyValue { return attribute.String("lambdapool.function", name) }
