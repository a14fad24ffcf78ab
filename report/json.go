package report

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
)

// Schema is the version of the JSON, in its field "schema". It grows when a field goes or changes its
// meaning. Fields that are new do not change it. docs/report.md lists all of them.
const Schema = 1

// MarshalJSON returns the summary, without the invocations: what [WriteJSON] has as "summary".
// Durations are in seconds, sizes in bytes, costs in US dollars, times in UTC. A time that is
// not known is null. Its version is [Schema]; new fields may come.
func (r *Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schema         int             `json:"schema"`
		Title          string          `json:"title"`
		Start          *time.Time      `json:"start"`
		Elapsed        float64         `json:"elapsed_seconds"`
		Invocations    int64           `json:"invocations"`
		Kept           int             `json:"invocations_kept"`
		Items          int64           `json:"items"`
		Failed         int64           `json:"items_failed"`
		Answered       int64           `json:"answered"`
		Throttled      int64           `json:"throttled"`
		Unanswered     int64           `json:"unanswered"`
		Retries        int64           `json:"retries"`
		Hedges         int64           `json:"hedges"`
		HedgesWon      int64           `json:"hedges_won"`
		ColdStarts     int64           `json:"cold_starts"`
		MaxConcurrency int             `json:"max_concurrency"`
		BytesOut       int64           `json:"bytes_out"`
		BytesIn        int64           `json:"bytes_in"`
		Run            float64         `json:"run_seconds"`
		CPU            float64         `json:"cpu_seconds"`
		Billed         float64         `json:"billed_seconds"`
		Memory         int64           `json:"memory_bytes"`
		MemoryPeak     int64           `json:"memory_peak_bytes"`
		Requests       int64           `json:"charged_requests"`
		GBSeconds      float64         `json:"gb_seconds"`
		Cost           float64         `json:"cost_usd"`
		Price          jsonPrice       `json:"price"`
		Queue          jsonPercentiles `json:"queue_time"`
		RunTime        jsonPercentiles `json:"run_time"`
		Overhead       jsonPercentiles `json:"overhead"`
		BilledRun      jsonPercentiles `json:"billed_time"`
		ColdStart      jsonPercentiles `json:"cold_start"`
		Functions      []jsonFunction  `json:"functions"`
		Throttles      []jsonReason    `json:"throttle_reasons"`
		Errors         []jsonReason    `json:"errors"`
		Failures       []jsonFailure   `json:"failures"`
	}{
		Schema, r.title(), orNull(r.Start), r.Elapsed.Seconds(), r.Invocations, r.Kept, r.Items, r.Failed,
		r.Answered, r.Throttled, r.Unanswered, r.Retries, r.Hedges, r.HedgesWon, r.ColdStarts, r.MaxConcurrency,
		r.BytesOut, r.BytesIn, r.Run.Seconds(), r.CPU.Seconds(), r.Billed.Seconds(), r.Memory, r.MemoryPeak,
		r.Requests, r.GBSeconds, r.Cost, jsonPrice(r.Price),
		inSeconds(r.Queue), inSeconds(r.RunTime), inSeconds(r.Overhead), inSeconds(r.BilledRun), inSeconds(r.ColdStart),
		functionsAsJSON(r.Functions), reasonsAsJSON(r.Throttles), reasonsAsJSON(r.Errors), failuresAsJSON(r.Failures),
	})
}

// The JSON names every unit in the key, since a reader years later has nothing else. Keys are not
// renamed; they may become more.
type jsonPrice struct {
	Platform           string     `json:"platform"`
	Arch               price.Arch `json:"arch"`
	Region             string     `json:"region"`
	Date               string     `json:"date"`
	Source             string     `json:"source"`
	PerGBSecond        float64    `json:"usd_per_gb_second"`
	PerMillionRequests float64    `json:"usd_per_million_requests"`
}

// A jsonPercentiles is a [Percentiles] in seconds.
type jsonPercentiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_seconds"`
	P90   float64 `json:"p90_seconds"`
	P95   float64 `json:"p95_seconds"`
	P99   float64 `json:"p99_seconds"`
	Max   float64 `json:"max_seconds"`
}

func inSeconds(p Percentiles) jsonPercentiles {
	return jsonPercentiles{p.Count, p.P50.Seconds(), p.P90.Seconds(), p.P95.Seconds(), p.P99.Seconds(), p.Max.Seconds()}
}

// A jsonFunction is a [Function].
type jsonFunction struct {
	Name        string          `json:"name"`
	Invocations int             `json:"invocations"`
	Items       int             `json:"items"`
	Failed      int             `json:"items_failed"`
	RunTime     jsonPercentiles `json:"run_time"`
}

// functionsAsJSON returns an empty array rather than null, which would surprise whoever loops over
// it.
func functionsAsJSON(functions []Function) []jsonFunction {
	list := []jsonFunction{}
	for _, f := range functions {
		list = append(list, jsonFunction{f.Name, f.Invocations, f.Items, f.Failed, inSeconds(f.RunTime)})
	}
	return list
}

// A jsonReason is a [Reason].
type jsonReason struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// reasonsAsJSON returns an empty array where there is none, as functionsAsJSON does.
func reasonsAsJSON(reasons []Reason) []jsonReason {
	list := []jsonReason{}
	for _, r := range reasons {
		list = append(list, jsonReason(r))
	}
	return list
}

// A jsonFailure is a [Failure].
type jsonFailure struct {
	Func      string   `json:"func"`
	Text      string   `json:"text"`
	Items     int64    `json:"items"`
	Attempts  int64    `json:"attempts"`
	Example   string   `json:"example"`
	Item      int      `json:"example_item"` // -1: of no run
	Attempt   int      `json:"example_attempt"`
	RequestID string   `json:"example_request_id,omitempty"`
	Logs      []string `json:"example_logs,omitempty"`
}

// failuresAsJSON returns an empty array where there is none, as functionsAsJSON does.
func failuresAsJSON(failures []Failure) []jsonFailure {
	list := []jsonFailure{}
	for _, f := range failures {
		list = append(list, jsonFailure(f))
	}
	return list
}

// A jsonRecord is one line of "invocations": a lambdapool.Record with units in its keys. What is
// mostly empty is left out where it is.
type jsonRecord struct {
	ID         string     `json:"id"`
	Func       string     `json:"func"`
	Items      int        `json:"items"`
	Failed     int        `json:"items_failed"`
	Attempt    int        `json:"attempt"`
	Hedge      bool       `json:"hedge,omitempty"`
	Won        bool       `json:"won,omitempty"`
	Instance   string     `json:"instance,omitempty"`
	RequestID  string     `json:"request_id,omitempty"`
	Version    string     `json:"version,omitempty"`
	Queued     *time.Time `json:"queued"`
	Sent       *time.Time `json:"sent"`
	Received   *time.Time `json:"received"`
	Cold       bool       `json:"cold,omitempty"`
	Init       float64    `json:"init_seconds,omitempty"`
	Run        float64    `json:"run_seconds"`
	CPU        float64    `json:"cpu_seconds"`
	Billed     float64    `json:"billed_seconds"`
	Memory     int64      `json:"memory_bytes"`
	MemoryPeak int64      `json:"memory_peak_bytes"`
	BytesOut   int        `json:"bytes_out"`
	BytesIn    int        `json:"bytes_in"`
	Outcome    string     `json:"outcome"`
	Throttle   string     `json:"throttle,omitempty"`
	Err        string     `json:"error,omitempty"`
}

// recordAsJSON writes times in UTC, and those that are not known as null.
func recordAsJSON(r lambdapool.Record) jsonRecord {
	return jsonRecord{
		r.ID, r.Func, r.Items, r.Failed, r.Attempt, r.Hedge, r.Won, r.Instance, r.RequestID, r.Version,
		orNull(r.Queued), orNull(r.Sent), orNull(r.Received),
		r.Cold, r.Init.Seconds(), r.Run.Seconds(), r.CPU.Seconds(), r.Billed.Seconds(),
		r.Memory, r.MemoryPeak, r.BytesOut, r.BytesIn, r.Outcome.String(), r.Throttle, r.Err,
	}
}

// orNull keeps years that RFC 3339 does not know, which a broken clock can
// tell, from failing the whole report.
func orNull(t time.Time) *time.Time {
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	t = t.UTC()
	return &t
}

// WriteJSON writes the report as one JSON object: "summary", and "invocations", an array with
// an object, on a line of its own, for each that was kept. A program can read it line by line.
// Use [Report.MarshalJSON] for the summary alone.
//
// Durations are in seconds, sizes in bytes, times in UTC. It writes as it goes, so what was
// written before an error is cut short. The error is w's. Neither w nor r may be nil.
func WriteJSON(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	summary, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, _ = out.WriteString("{\"summary\": ") // bufio keeps the error for Flush
	_, _ = out.Write(summary)
	_, _ = out.WriteString(",\n\"invocations\": [")
	separator := "\n"
	for rec := range r.Records() {
		line, err := json.Marshal(recordAsJSON(rec))
		if err != nil {
			return err
		}
		_, _ = out.WriteString(separator)
		_, _ = out.Write(line)
		separator = ",\n"
	}
	_, _ = out.WriteString("\n]}\n")
	return out.Flush()
}
