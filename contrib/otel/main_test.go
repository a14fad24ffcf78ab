package otel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/contrib/otel"
	sdk "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The functions of these tests, as agents have them.
var (
	half = lambdapool.Register("half", otel.Function("half", func(_ context.Context, n int) (int, error) {
		switch {
		case n == 13:
			panic("unlucky")
		case n%2 == 1:
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

// endpoint is where an agent of these tests sends its spans.
const endpoint = "LAMBDAPOOL_OTEL_TEST"

func TestMain(m *testing.M) {
	if url := os.Getenv(endpoint); url != "" {
		exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(url))
		if err != nil {
			panic(err)
		}
		sdk.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)))
	}
	agent.Main() // the local backend starts this test binary as its agents
	os.Exit(m.Run())
}

// A receiver takes spans by OTLP over HTTP, as a collector does.
type receiver struct {
	t  *testing.T
	mu sync.Mutex

	spans []*tracev1.Span
}

func newReceiver(t *testing.T) (r *receiver, url string) {
	r = &receiver{t: t}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL + "/v1/traces"
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var batch collector.ExportTraceServiceRequest
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = proto.Unmarshal(body, &batch)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		r.t.Errorf("%s %s: %v", req.Method, req.URL, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range batch.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	_, _ = w.Write(answer)
}

// received are the spans so far.
func (r *receiver) received() []*tracev1.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}
