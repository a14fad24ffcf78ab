// Package metrics shows the numbers of executors in the text format of Prometheus, and to package expvar. It needs
// nothing but the standard library: for OpenTelemetry see contrib/otel.
//
//	var numbers metrics.Handler
//	pool, err := lambdapool.New(backend, lambdapool.WithObserver(numbers.Observer()))
//	…
//	http.Handle("/metrics", &numbers)
package metrics

import (
	"context"
	"net/http"
	"sync"

	"github.com/lambdapool/lambdapool"
)

// A Handler keeps the numbers of executors, and answers requests with them. Its zero value is ready. It is safe for
// concurrent use, and must not be copied. Its memory does not grow with what runs: it has a few hundred bytes for each
// function. There are no numbers of arguments or results in it, but the names of functions are: show it to whom you
// would show those.
//
// All numbers are since the program began, and counters do not fall when an executor is closed.
//
//	lambdapool_calls_total{outcome}                 calls that have ended: value, function_error, pool_error
//	lambdapool_calls_queued, lambdapool_calls_running
//	lambdapool_invocations_total                    requests sent
//	lambdapool_invocations_in_flight, lambdapool_invocations_limit
//	lambdapool_retries_total, lambdapool_hedges_total, lambdapool_cold_starts_total
//	lambdapool_throttles_total{reason}
//	lambdapool_payload_bytes_total{direction}, lambdapool_store_bytes_total{direction}
//	lambdapool_run_seconds_total, lambdapool_billed_seconds_total
//	lambdapool_cost_dollars_total{function}         by list prices
//	lambdapool_invocation_failures_total{function}  requests without an answer, throttles among them
//	lambdapool_invocation_duration_seconds{function}  a histogram, from the request to the answer
type Handler struct {
	totals Totals
	once   sync.Once
	own    *lambdapool.Observer

	mu        sync.Mutex
	functions map[string]*function
	throttles map[string]int64 // by the platform's reason
}

// A function is what is kept of the invocations of one.
type function struct {
	buckets  [len(bounds)]int64 // invocations that took no longer, each counted in the first that fits
	count    int64
	seconds  float64
	failures int64
	cost     float64
}

// bounds are those of the histogram, in seconds: to Lambda's longest run.
var bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900}

// Observer returns what an executor tells the Handler with: give it to lambdapool.WithObserver, of any number of
// executors. It is always the same.
func (h *Handler) Observer() *lambdapool.Observer {
	h.once.Do(func() {
		h.own = &lambdapool.Observer{Opened: h.totals.Opened, Closed: h.totals.Closed, InvocationEnd: h.ended}
	})
	return h.own
}

// mostReasons bounds the platform's words that are kept.
const mostReasons = 32

// ended counts an invocation.
func (h *Handler) ended(_ context.Context, r lambdapool.Record, err error) {
	if r.BytesOut == 0 {
		return // it was not sent
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.functions[r.Func]
	if f == nil {
		if h.functions == nil {
			h.functions, h.throttles = map[string]*function{}, map[string]int64{}
		}
		f = new(function)
		h.functions[r.Func] = f
	}
	took := r.Received.Sub(r.Sent).Seconds()
	f.count++
	f.seconds += took
	f.cost += r.Cost
	for i, bound := range bounds {
		if took <= bound {
			f.buckets[i]++
			break
		}
	}
	if err != nil {
		f.failures++
	}
	if reason := r.Throttle; reason != "" {
		if _, known := h.throttles[reason]; !known && len(h.throttles) >= mostReasons {
			reason = "other"
		}
		h.throttles[reason]++
	}
}

// ServeHTTP answers with the numbers of this moment, in the text format 0.0.4 of Prometheus.
func (h *Handler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(h.text()) // who asked has gone
}

// Vars returns the sums of all executors, for expvar.Publish("lambdapool", expvar.Func(numbers.Vars)).
func (h *Handler) Vars() any { return h.totals.Stats() }
