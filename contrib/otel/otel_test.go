package otel_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/contrib/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// A world is an observed executor, and what it tells.
type world struct {
	*lambdapool.Executor

	spans   *tracetest.InMemoryExporter
	tracers *sdktrace.TracerProvider
	reader  *sdkmetric.ManualReader
}

func newWorld(t *testing.T, b lambdapool.Backend, opts ...otel.Option) *world {
	t.Helper()
	w := &world{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	w.tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	observer, err := otel.NewObserver(append(opts, otel.WithTracerProvider(w.tracers),
		otel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader))))...)
	if err != nil {
		t.Fatal(err)
	}
	if w.Executor, err = lambdapool.New(b, lambdapool.WithOwnedBackend(), lambdapool.WithObserver(observer)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// named returns the spans of a name.
func (w *world) named(name string) (spans tracetest.SpanStubs) {
	for _, s := range w.spans.GetSpans() {
		if s.Name == name {
			spans = append(spans, s)
		}
	}
	return spans
}

func value(attributes []attribute.KeyValue, key attribute.Key) attribute.Value {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

// The spans of a run are linked from the caller's to each invocation.
func TestSpansOfARun(t *testing.T) {
	w := newWorld(t, inproc.New(), otel.WithInvoked(semconv.FaaSInvokedName("numbers"), semconv.FaaSInvokedProviderAWS))
	ctx, mine := w.tracers.Tracer("test").Start(t.Context(), "mine")
	_, err := lambdapool.Map(ctx, w.Executor, half, []int{2, 4, 5, 13}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(2))
	if err == nil {
		t.Fatal("no error")
	}
	mine.End()
	runs, invocations := w.named("map half"), w.named("invoke half")
	if len(runs) != 1 || len(invocations) != 2 {
		t.Fatalf("%d runs, %d invocations", len(runs), len(invocations))
	}
	run := runs[0]
	if run.Parent.SpanID() != mine.SpanContext().SpanID() || run.Status.Code != codes.Unset {
		t.Errorf("the run: %+v", run)
	}
	for key, want := range map[attribute.Key]int64{"lambdapool.items": 4, "lambdapool.done": 2, "lambdapool.failed": 2, "lambdapool.invocations": 2} {
		if got := value(run.Attributes, key).AsInt64(); got != want {
			t.Errorf("%s is %d, want %d", key, got, want)
		}
	}
	var said []string
	for _, e := range run.Events {
		said = append(said, fmt.Sprintf("%s %d %s", e.Name, value(e.Attributes, "lambdapool.item").AsInt64(), value(e.Attributes, "error.type").AsString()))
	}
	if want := []string{"item failed 2 *errors.errorString", "item failed 3 panic"}; !slices.Equal(said, want) {
		t.Errorf("events %q, want %q", said, want)
	}
	for _, s := range invocations {
		if s.Parent.SpanID() != run.SpanContext.SpanID() || s.SpanKind != trace.SpanKindClient || value(s.Attributes, "faas.invoked_name").AsString() != "numbers" ||
			value(s.Attributes, "faas.instance").AsString() == "" || value(s.Attributes, "lambdapool.items").AsInt64() != 2 || s.EndTime.Before(s.StartTime) {
			t.Errorf("an invocation: %+v", s)
		}
	}
}

func TestSpansOfACall(t *testing.T) {
	w := newWorld(t, inproc.New())
	if _, err := lambdapool.Call(t.Context(), w.Executor, half, 3); err == nil {
		t.Fatal("no error")
	}
	call, invocation := w.named("call half"), w.named("invoke half")
	if len(call) != 1 || len(invocation) != 1 || call[0].Parent.IsValid() || call[0].Status.Code != codes.Error || invocation[0].Status.Code != codes.Error ||
		value(invocation[0].Attributes, "error.type").AsString() != "*errors.errorString" || invocation[0].Parent.SpanID() != call[0].SpanContext.SpanID() {
		t.Errorf("calls %+v\ninvocations %+v", call, invocation)
	}
}

// Spans of functions, in agents that are processes of their own, are below those of their invocations.
func TestSpansAcrossTheWire(t *testing.T) {
	r, url := newReceiver(t)
	b, err := local.New(local.WithEnv(map[string]string{endpoint: url}), local.WithConcurrency(4), local.WithLogOutput(t.Output()))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, b)
	if _, err := lambdapool.Map(t.Context(), w.Executor, half, []int{2, 4, 5, 13}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(2)); err == nil {
		t.Fatal("no error")
	}
	parents := map[string]string{}
	for _, s := range w.named("invoke half") {
		parents[s.SpanContext.SpanID().String()] = s.SpanContext.TraceID().String()
	}
	failed := 0
	for _, s := range r.received() {
		if trace, ok := parents[hex.EncodeToString(s.GetParentSpanId())]; !ok || trace != hex.EncodeToString(s.GetTraceId()) || s.GetName() != "half" {
			t.Errorf("%s has no invocation for a parent: %v", s.GetName(), s)
		}
		if s.GetStatus().GetMessage() != "" {
			failed++
		}
	}
	if len(r.received()) != 4 || failed != 2 || len(parents) != 2 {
		t.Errorf("%d spans of functions, %d of them failed, %d invocations", len(r.received()), failed, len(parents))
	}
}

// What a function calls is below the function's span.
func TestSpansOfNestedCalls(t *testing.T) {
	w := newWorld(t, inproc.New())
	previous := global(w.tracers)
	defer previous()
	if _, err := lambdapool.Call(t.Context(), w.Executor, outer, 4); err != nil {
		t.Fatal(err)
	}
	chain := []string{"call outer", "invoke outer", "outer", "call half", "invoke half", "half"}
	for i, name := range chain {
		s := w.named(name)
		if len(s) != 1 {
			t.Fatalf("%d spans %q", len(s), name)
		}
		if i > 0 && s[0].Parent.SpanID() != w.named(chain[i-1])[0].SpanContext.SpanID() {
			t.Errorf("%q is not below %q", name, chain[i-1])
		}
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t, inproc.New())
	if _, err := lambdapool.Map(t.Context(), w.Executor, half, []int{2, 4, 5, 6}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(2)); err == nil {
		t.Fatal("no error")
	}
	_, _ = lambdapool.Call(t.Context(), w.Executor, half, 3)
	for _, closed := range []bool{false, true} {
		got := w.collect(t)
		for name, want := range map[string]float64{
			"faas.invocations{half,other}":         2,
			"faas.errors{half,other}":              1,
			"faas.invoke_duration{half,other}":     3, // observations
			"lambdapool.invocation.duration{half}": 3,
			"lambdapool.invocation.items{half}":    3,
			"lambdapool.calls{value}":              3,
			"lambdapool.calls{function error}":     2,
			"lambdapool.calls{pool error}":         0,
			"lambdapool.cost{half}":                0,
			"lambdapool.invocations.in_flight{}":   0,
			"lambdapool.calls.queued{}":            0,
			"lambdapool.store.io{transmit}":        0,
			"lambdapool.calls.running{}":           0,
		} {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s is %v, %v, want %v", name, value, ok, want)
			}
		}
		if limit := got["lambdapool.invocations.limit{}"]; (limit > 0) == closed {
			t.Errorf("the limit is %v, closed: %v", limit, closed)
		}
		if got["lambdapool.payload.io{transmit}"] == 0 {
			t.Error("no bytes were sent")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// collect returns the metrics by name and values of attributes: sums, or counts of histograms.
func (w *world) collect(t *testing.T) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			add := func(of attribute.Set, v float64) {
				var labels []string
				for _, a := range of.ToSlice() {
					labels = append(labels, a.Value.String())
				}
				slices.Sort(labels)
				got[m.Name+"{"+strings.Join(labels, ",")+"}"] = v
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return got
}

func TestOptionsThatAreWrong(t *testing.T) {
	for name, opt := range map[string]otel.Option{
		"nil": nil, "no tracers": otel.WithTracerProvider(nil), "no meters": otel.WithMeterProvider(nil), "no key": otel.WithInvoked(attribute.KeyValue{}),
	} {
		if _, err := otel.NewObserver(opt); err == nil {
			t.Errorf("%s is accepted", name)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Function accepts it", name)
				}
			}()
			otel.Function("f", func(context.Context, int) (int, error) { return 0, nil }, opt)
		}()
	}
}
