package collectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// configuration is what a collector's own file would say, but for the exporter. The system chooses the ports.
const configuration = `yaml:
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:0"}
      http: {endpoint: "127.0.0.1:0"}
processors:
  batch: {timeout: 10ms}
exporters:
  kept: {}
service:
  telemetry:
    metrics: {level: none}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [kept]}
    metrics: {receivers: [otlp], processors: [batch], exporters: [kept]}
`

// A collector is a running one, and what has come out of its pipelines.
type collector struct {
	grpc, http string // host and port

	traces  consumertest.TracesSink
	metrics consumertest.MetricsSink
	stop    func() // it ends when all that it has taken has come out
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	kept, said := observer.New(zapcore.InfoLevel)
	ready := make(chan struct{})
	core := zapcore.RegisterHooks(kept, func(e zapcore.Entry) error {
		if strings.HasPrefix(e.Message, "Everything is ready.") {
			close(ready)
		}
		return nil
	})
	service, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collectortest", Version: "test"},
		Factories: c.factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs: []string{configuration}, ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()},
		}},
		LoggingOptions:          []zap.Option{zap.WrapCore(func(zapcore.Core) zapcore.Core { return core })},
		DisableGracefulShutdown: true, // signals are the test's
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	// Its end is Shutdown's: a context that ends would cut off what is still in the pipelines.
	go func() { ended <- service.Run(context.WithoutCancel(t.Context())) }()
	stopped := false
	c.stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		service.Shutdown()
		if err := <-ended; err != nil {
			t.Errorf("the collector: %v", err)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the collector has ended: %v", err)
	case <-ready:
	}
	c.grpc, c.http = address(said, "Starting GRPC server"), address(said, "Starting HTTP server")
	t.Cleanup(c.stop)
	return c
}

// address is where the receiver says that it listens, or nothing.
func address(said *observer.ObservedLogs, line string) string {
	for _, entry := range said.FilterMessage(line).All() {
		return fmt.Sprint(entry.ContextMap()["endpoint"])
	}
	return ""
}

// factories are the parts of the collector: those of its distributions, and an exporter that keeps all for the test.
func (c *collector) factories() (f otelcol.Factories, err error) {
	kept := exporter.NewFactory(component.MustNewType("kept"), func() component.Config { return &struct{}{} },
		exporter.WithTraces(func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
			return struct {
				component.StartFunc
				component.ShutdownFunc
				consumer.Traces
			}{Traces: &c.traces}, nil
		}, component.StabilityLevelStable),
		exporter.WithMetrics(func(context.Context, exporter.Settings, component.Config) (exporter.Metrics, error) {
			return struct {
				component.StartFunc
				component.ShutdownFunc
				consumer.Metrics
			}{Metrics: &c.metrics}, nil
		}, component.StabilityLevelStable))
	f.Telemetry = otelconftelemetry.NewFactory()
	if f.Exporters, err = otelcol.MakeFactoryMap(kept); err != nil {
		return f, err
	}
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory()); err != nil {
		return f, err
	}
	f.Processors, err = otelcol.MakeFactoryMap[processor.Factory](batchprocessor.NewFactory())
	return f, err
}

// A span is one as the collector has it, with what it belongs to.
type span struct {
	name, id, parent, trace, kind, status string
	service                               string // of its resource
	attributes                            map[string]any
}

func (c *collector) spans() (all []span) {
	for _, batch := range c.traces.AllTraces() {
		for _, resource := range batch.ResourceSpans().All() {
			service, _ := resource.Resource().Attributes().Get("service.name")
			for _, scope := range resource.ScopeSpans().All() {
				for _, s := range scope.Spans().All() {
					all = append(all, span{
						name: s.Name(), id: s.SpanID().String(), parent: s.ParentSpanID().String(), trace: s.TraceID().String(),
						kind: s.Kind().String(), status: s.Status().Code().String(), service: service.Str(), attributes: s.Attributes().AsRaw(),
					})
				}
			}
		}
	}
	return all
}

// metricNames are those of metrics that have values, in order, each once, and of which services.
func (c *collector) metricNames() (names, services []string) {
	for _, batch := range c.metrics.AllMetrics() {
		for _, resource := range batch.ResourceMetrics().All() {
			service, _ := resource.Resource().Attributes().Get("service.name")
			services = append(services, service.Str())
			for _, scope := range resource.ScopeMetrics().All() {
				for _, m := range scope.Metrics().All() {
					names = append(names, m.Name())
				}
			}
		}
	}
	for _, s := range []*[]string{&names, &services} {
		slices.Sort(*s)
		*s = slices.Compact(*s)
	}
	return names, services
}
