package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// counter is the type of what only grows.
const counter = "counter"

// A page is a text in the format of Prometheus. Source: prometheus.io/docs/instrumenting/exposition_formats, 2026-11.
type page struct{ bytes.Buffer }

// family begins the values of a metric.
func (p *page) family(name, kind, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// value adds a value. labels are names and values in turn.
func (p *page) value(name string, v float64, labels ...string) {
	p.WriteString(name)
	sign := "{"
	for label := range slices.Chunk(labels, 2) {
		p.WriteString(sign + label[0] + `="` + escape.Replace(label[len(label)-1]) + `"`)
		sign = ","
	}
	if len(labels) > 0 {
		p.WriteByte('}')
	}
	p.WriteString(" " + number(v) + "\n")
}

// escape is how the values of labels are written. What is not UTF-8 would spoil the page.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// text is the page of this moment.
func (h *Handler) text() []byte {
	var p page
	h.sums(&p)
	h.mu.Lock()
	defer h.mu.Unlock()
	p.family("lambdapool_throttles_total", counter, "Requests that the platform has refused, by its reason.")
	for _, reason := range slices.Sorted(maps.Keys(h.throttles)) {
		p.value("lambdapool_throttles_total", float64(h.throttles[reason]), "reason", strings.ToValidUTF8(reason, "\uFFFD"))
	}
	names := slices.Sorted(maps.Keys(h.functions))
	p.family("lambdapool_cost_dollars_total", counter, "What the platform charges in US dollars, by its list prices.")
	for _, name := range names {
		p.value("lambdapool_cost_dollars_total", h.functions[name].cost, "function", name)
	}
	p.family("lambdapool_invocation_failures_total", counter, "Requests that brought no answer.")
	for _, name := range names {
		p.value("lambdapool_invocation_failures_total", float64(h.functions[name].failures), "function", name)
	}
	const duration = "lambdapool_invocation_duration_seconds"
	p.family(duration, "histogram", "From the request to its answer.")
	for _, name := range names {
		f := h.functions[name]
		var below int64
		for i, bound := range bounds {
			below += f.buckets[i]
			p.value(duration+"_bucket", float64(below), "function", name, "le", number(bound))
		}
		p.value(duration+"_bucket", float64(f.count), "function", name, "le", "+Inf")
		p.value(duration+"_sum", f.seconds, "function", name)
		p.value(duration+"_count", float64(f.count), "function", name)
	}
	return p.Bytes()
}

// sums writes what the executors count themselves.
func (h *Handler) sums(p *page) {
	s := h.totals.Stats()
	p.family("lambdapool_calls_total", counter, "Calls that have ended, items of runs among them.")
	p.value("lambdapool_calls_total", float64(s.Succeeded), "outcome", "value")
	p.value("lambdapool_calls_total", float64(s.FunctionErrors), "outcome", "function_error")
	p.value("lambdapool_calls_total", float64(s.PoolErrors), "outcome", "pool_error")
	for _, m := range []struct {
		name, kind, help string
		value            float64
	}{
		{"lambdapool_calls_queued", "gauge", "Calls that wait for a worker or for their next attempt.", float64(s.Queued)},
		{"lambdapool_calls_running", "gauge", "Calls in flight.", float64(s.Running)},
		{"lambdapool_invocations_total", counter, "Requests sent.", float64(s.Invocations)},
		{"lambdapool_invocations_in_flight", "gauge", "Requests in flight.", float64(s.InFlight)},
		{"lambdapool_invocations_limit", "gauge", "Requests that may be in flight, by the workers and what throttles have taught.", float64(s.Limit)},
		{"lambdapool_retries_total", counter, "Calls sent again after an attempt that was no throttle.", float64(s.Retries)},
		{"lambdapool_hedges_total", counter, "Requests that were duplicates of slow ones.", float64(s.Hedges)},
		{"lambdapool_cold_starts_total", counter, "Invocations that began a new agent.", float64(s.ColdStarts)},
		{"lambdapool_run_seconds_total", counter, "Time in the functions, as the agents measured it.", s.Run.Seconds()},
		{"lambdapool_billed_seconds_total", counter, "Time charged, where the platform says.", s.Billed.Seconds()},
	} {
		p.family(m.name, m.kind, m.help)
		p.value(m.name, m.value)
	}
	p.family("lambdapool_payload_bytes_total", counter, "Bytes of requests and replies.")
	p.value("lambdapool_payload_bytes_total", float64(s.Sent), "direction", "sent")
	p.value("lambdapool_payload_bytes_total", float64(s.Received), "direction", "received")
	p.family("lambdapool_store_bytes_total", counter, "Bytes of arguments and results by way of the object store.")
	p.value("lambdapool_store_bytes_total", float64(s.StoreSent), "direction", "sent")
	p.value("lambdapool_store_bytes_total", float64(s.StoreReceived), "direction", "received")
}
