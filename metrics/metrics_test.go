package metrics_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/metrics"
)

func TestMain(m *testing.M) { noleak.Main(m) }

var half = lambdapool.Register("half", func(_ context.Context, n int) (int, error) {
	if n%2 == 1 {
		return 0, errors.New("odd")
	}
	return n / 2, nil
})

// get returns the page, by "name{labels}".
func get(t *testing.T, h http.Handler) map[string]string {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if got := answer.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	values, family := map[string]string{}, ""
	for line := range strings.Lines(answer.Body.String()) {
		if help := helpLine.FindStringSubmatch(line); help != nil {
			family = help[1]
			continue
		}
		if kind := typeLine.FindStringSubmatch(line); kind != nil {
			if kind[1] != family {
				t.Errorf("the type of %s is below the help of %s", kind[1], family)
			}
			continue
		}
		value := valueLine.FindStringSubmatch(line)
		if value == nil || !strings.HasPrefix(line, family) {
			t.Errorf("not a line of %s: %q", family, line)
			continue
		}
		if _, twice := values[value[1]]; twice {
			t.Errorf("%s is there twice", value[1])
		}
		values[value[1]] = value[2]
	}
	return values
}

// The lines of the format, as strictly as it defines them.
var (
	helpLine  = regexp.MustCompile(`^# HELP ([a-z_]+) [^\n]+\n$`)
	typeLine  = regexp.MustCompile(`^# TYPE ([a-z_]+) (?:counter|gauge|histogram)\n$`)
	valueLine = regexp.MustCompile(`^([a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})?) (-?[0-9.e+-]+)\n$`)
)

func TestHandler(t *testing.T) {
	var h metrics.Handler
	if got := get(t, &h); got["lambdapool_invocations_total"] != "0" {
		t.Errorf("before there is an executor: %v", got)
	}
	for range 2 { // executors, one after the other
		e, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend(), lambdapool.WithObserver(h.Observer()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lambdapool.Map(t.Context(), e, half, []int{2, 3, 4, 6}, lambdapool.ContinueOnError(), lambdapool.ChunkSize(2)); err == nil {
			t.Error("no error")
		}
		_, _ = lambdapool.Call(t.Context(), e, half, 1)
		if got := get(t, &h)["lambdapool_invocations_limit"]; got == "0" {
			t.Error("an open executor has no limit")
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := get(t, &h)
	for name, want := range map[string]string{
		`lambdapool_calls_total{outcome="value"}`:                                  "6",
		`lambdapool_calls_total{outcome="function_error"}`:                         "4",
		`lambdapool_calls_total{outcome="pool_error"}`:                             "0",
		`lambdapool_invocations_total`:                                             "6",
		`lambdapool_invocations_in_flight`:                                         "0",
		`lambdapool_invocations_limit`:                                             "0",
		`lambdapool_invocation_failures_total{function="half"}`:                    "2",
		`lambdapool_invocation_duration_seconds_count{function="half"}`:            "6",
		`lambdapool_invocation_duration_seconds_bucket{function="half",le="+Inf"}`: "6",
		`lambdapool_invocation_duration_seconds_bucket{function="half",le="900"}`:  "6",
		`lambdapool_cost_dollars_total{function="half"}`:                           "0",
		`lambdapool_store_bytes_total{direction="sent"}`:                           "0",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if s := h.Vars().(lambdapool.Stats); s.Submitted != 10 || s.Succeeded != 6 {
		t.Errorf("expvar has %+v", s)
	}
}

// What an invocation says is counted where it belongs, and hostile words do not spoil the page.
func TestRecords(t *testing.T) {
	var h metrics.Handler
	now := time.Now()
	end := func(took time.Duration, change func(*lambdapool.Record), err error) {
		r := lambdapool.Record{Func: "f\"\\\n", Sent: now, Received: now.Add(took), BytesOut: 1, Cost: 0.25}
		change(&r)
		h.Observer().InvocationEnd(t.Context(), r, err)
	}
	none := func(*lambdapool.Record) {}
	end(time.Millisecond, none, nil)
	end(time.Hour, none, lambdapool.ErrTimeout)
	end(0, func(r *lambdapool.Record) { r.BytesOut = 0 }, lambdapool.ErrStore)
	for i := range 100 {
		end(time.Second, func(r *lambdapool.Record) { r.Throttle, r.Cost = fmt.Sprintf("\xff}\n\"%d", i), 0 }, lambdapool.ErrThrottled)
	}
	got := get(t, &h)
	for name, want := range map[string]string{
		`lambdapool_invocation_duration_seconds_bucket{function="f\"\\\n",le="0.001"}`: "1",
		`lambdapool_invocation_duration_seconds_bucket{function="f\"\\\n",le="1"}`:     "101",
		`lambdapool_invocation_duration_seconds_bucket{function="f\"\\\n",le="900"}`:   "101",
		`lambdapool_invocation_duration_seconds_bucket{function="f\"\\\n",le="+Inf"}`:  "102",
		`lambdapool_invocation_failures_total{function="f\"\\\n"}`:                     "101",
		`lambdapool_cost_dollars_total{function="f\"\\\n"}`:                            "0.5",
		`lambdapool_throttles_total{reason="other"}`:                                   "68",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestTotalsOfStrangers(t *testing.T) {
	var totals metrics.Totals
	e, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, _ = lambdapool.Call(t.Context(), e, half, 2)
	totals.Closed(e)
	if s := totals.Stats(); s != (lambdapool.Stats{}) {
		t.Errorf("one that was not added counts: %+v", s)
	}
	totals.Opened(e)
	totals.Opened(e)
	if s := totals.Stats(); s.Succeeded != 1 {
		t.Errorf("added twice: %+v", s)
	}
	totals.Closed(e)
	totals.Closed(e)
	if s := totals.Stats(); s.Succeeded != 1 || s.Limit != 0 {
		t.Errorf("closed twice: %+v", s)
	}
}

// run has an executor run something under the eyes of o.
func run(o *lambdapool.Observer) {
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend(), lambdapool.WithObserver(o))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	_, _ = lambdapool.Map(context.Background(), pool, half, []int{2, 4, 6})
}

// show prints one line of the page.
func show(h http.Handler, name string) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, name) {
			fmt.Print(line)
		}
	}
}

func ExampleHandler() {
	var numbers metrics.Handler
	run(numbers.Observer())
	// In a program: http.Handle("/metrics", &numbers)
	show(&numbers, `lambdapool_calls_total{outcome="value"}`)
	// Output: lambdapool_calls_total{outcome="value"} 3
}

func ExampleHandler_Observer() {
	var numbers metrics.Handler
	run(numbers.Observer())
	run(numbers.Observer()) // as many executors as you like
	show(&numbers, `lambdapool_calls_total{outcome="value"}`)
	// Output: lambdapool_calls_total{outcome="value"} 6
}

func ExampleHandler_ServeHTTP() {
	var numbers metrics.Handler
	mux := http.NewServeMux()
	mux.Handle("/metrics", &numbers)
	show(mux, "lambdapool_invocations_in_flight")
	// Output: lambdapool_invocations_in_flight 0
}

func ExampleHandler_Vars() {
	var numbers metrics.Handler
	expvar.Publish("lambdapool", expvar.Func(numbers.Vars))
	run(numbers.Observer())
	fmt.Println(strings.Contains(expvar.Get("lambdapool").String(), `"Succeeded":3`))
	// Output: true
}

func ExampleTotals() {
	var totals metrics.Totals
	run(&lambdapool.Observer{Opened: totals.Opened, Closed: totals.Closed})
	fmt.Println(totals.Stats().Succeeded)
	// Output: 3
}
