package collectortest

import (
	"slices"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/contrib/otel"
)

// A client is an observed executor that sends to a collector: spans by gRPC in batches, metrics by HTTP.
type client struct {
	*lambdapool.Executor

	tracers *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
}

func newClient(t *testing.T, c *collector, b lambdapool.Backend) *client {
	t.Helper()
	traces, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(c.grpc), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(c.http), otlpmetrichttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	w := &client{
		tracers: sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces), sdktrace.WithResource(named("client"))),
		meters:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)), sdkmetric.WithResource(named("client"))),
	}
	observer, err := otel.NewObserver(otel.WithTracerProvider(w.tracers), otel.WithMeterProvider(w.meters))
	if err != nil {
		t.Fatal(err)
	}
	if w.Executor, err = lambdapool.New(b, lambdapool.WithOwnedBackend(), lambdapool.WithObserver(observer)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// end sends what is left, and has the collector let go of it.
func (w *client) end(t *testing.T, c *collector) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.tracers.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := w.meters.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c.stop()
}

// ancestry is the names from the root of a span's trace to it, each with its service: how a backend draws it.
func ancestry(all []span, of span) string {
	var names []string
	for {
		names = append(names, of.service+"/"+of.name)
		above := slices.IndexFunc(all, func(s span) bool { return s.id == of.parent && s.trace == of.trace })
		if above < 0 {
			break
		}
		of = all[above]
	}
	slices.Reverse(names)
	if of.parent != "" {
		names = slices.Insert(names, 0, "(lost)")
	}
	return strings.Join(names, " > ")
}

// drawn is all that the collector has, as lines in order, with kind and status.
func drawn(all []span) (lines []string) {
	for _, s := range all {
		line := ancestry(all, s) + " " + s.kind
		if s.status != "Unset" {
			line += " " + s.status
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func check(t *testing.T, c *collector, want []string) {
	t.Helper()
	all := c.spans()
	slices.Sort(want)
	if got := drawn(all); !slices.Equal(got, want) {
		t.Errorf("the collector has\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for _, s := range all {
		if s.attributes["lambdapool.function"] == nil {
			t.Errorf("%s says of no function: %v", s.name, s.attributes)
		}
	}
	names, services := c.metricNames()
	for _, name := range []string{"faas.invocations", "faas.errors", "faas.invoke_duration", "lambdapool.invocation.duration",
		"lambdapool.invocation.items", "lambdapool.calls", "lambdapool.payload.io", "lambdapool.cost", "lambdapool.invocations.limit"} {
		if !slices.Contains(names, name) {
			t.Errorf("the collector has no metric %s, only %q", name, names)
		}
	}
	if !slices.Equal(services, []string{"client"}) {
		t.Errorf("metrics of %q", services)
	}
}

// One trace reaches from the caller to functions in processes of their own, two of which have sent its parts.
func TestCollectorLinksClientAndAgents(t *testing.T) {
	c := startCollector(t)
	b, err := local.New(local.WithEnv(map[string]string{endpoint: "http://" + c.http}), local.WithConcurrency(2), local.WithLogOutput(t.Output()))
	if err != nil {
		t.Fatal(err)
	}
	w := newClient(t, c, b)
	ctx, mine := w.tracers.Tracer("test").Start(t.Context(), "mine")
	mine.SetAttributes(functionOf("half"))
	if _, err := lambdapool.Map(ctx, w.Executor, half, []int{2, 4, 5, 6}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(2)); err == nil {
		t.Error("no error")
	}
	if _, err := lambdapool.Call(ctx, w.Executor, half, 3); err == nil {
		t.Error("no error")
	}
	mine.End()
	w.end(t, c)
	const run = "client/mine > client/map half"
	check(t, c, []string{
		"client/mine Internal",
		"client/mine > client/call half > client/invoke half > agent/half Server Error",
		"client/mine > client/call half > client/invoke half Client Error",
		"client/mine > client/call half Internal Error",
		run + " > client/invoke half > agent/half Server",
		run + " > client/invoke half > agent/half Server",
		run + " > client/invoke half > agent/half Server",
		run + " > client/invoke half > agent/half Server Error",
		run + " > client/invoke half Client",
		run + " > client/invoke half Client",
		run + " Internal",
	})
	for _, s := range c.spans() {
		if s.kind == "Client" && (s.attributes["faas.instance"] == "" || s.attributes["faas.invocation_id"] == "") {
			t.Errorf("%s names no agent: %v", s.name, s.attributes)
		}
	}
}

// The same on goroutines, where a function's own calls are the client's.
func TestCollectorLinksNestedCalls(t *testing.T) {
	c := startCollector(t)
	w := newClient(t, c, inproc.New())
	before := sdk.GetTracerProvider()
	sdk.SetTracerProvider(w.tracers) // functions take the global one
	defer sdk.SetTracerProvider(before)
	if _, err := lambdapool.Call(t.Context(), w.Executor, outer, 4); err != nil {
		t.Error(err)
	}
	if _, err := lambdapool.Call(t.Context(), w.Executor, half, 3); err == nil {
		t.Error("no error")
	}
	w.end(t, c)
	const nested = "client/call outer > client/invoke outer > client/outer"
	want := []string{
		"client/call half > client/invoke half > client/half Server Error",
		"client/call half > client/invoke half Client Error",
		"client/call half Internal Error",
		"client/call outer > client/invoke outer Client",
		"client/call outer Internal",
		nested + " Server",
		nested + " > client/call half > client/invoke half > client/half Server",
		nested + " > client/call half > client/invoke half Client",
		nested + " > client/call half Internal",
	}
	check(t, c, want)
}
