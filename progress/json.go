package progress

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
)

// JSON writes a run's progress to w for machines: one object per line and [Interval], and a
// last one in which final is true. The first line comes with the first update.
//
//	{"time":"2026-11-29T12:00:00Z","name":"resize","total":10000,"items":10000,"done":5197,…}
//
// Times are in RFC 3339, durations in seconds, cost_usd in US dollars. total and eta_seconds
// are null while they are not known. done counts the items that have a value, failed those that
// ended in an error. New fields may come.
//
// Errors of writing are ignored. A nil w fails the run before it begins. The option that JSON
// returns serves one run at a time.
func JSON(w io.Writer, opts ...Option) lambdapool.MapOption {
	return option(w, opts, newJSON)
}

func newJSON(w io.Writer, cfg config) func(lambdapool.Snapshot) {
	return (&jsonLines{out: w, cfg: cfg}).update
}

// jsonLines writes a line when one is due, and the last.
type jsonLines struct {
	out io.Writer
	cfg config

	mu   sync.Mutex
	next time.Time
}

// A line is a Snapshot as JSON.
type line struct {
	Time        time.Time `json:"time"`
	Name        string    `json:"name"`
	Total       *int      `json:"total"`
	Items       int       `json:"items"`
	Done        int       `json:"done"`
	Failed      int       `json:"failed"`
	Canceled    int       `json:"canceled"`
	Skipped     int       `json:"skipped"`
	Running     int       `json:"running"`
	Queued      int       `json:"queued"`
	Invocations int       `json:"invocations"`
	Retried     int       `json:"retried"`
	Throttled   int       `json:"throttled"`
	Hedged      int       `json:"hedged"`
	ColdStarts  int       `json:"cold_starts"`
	Elapsed     float64   `json:"elapsed_seconds"`
	Rate        float64   `json:"items_per_second"`
	ETA         *float64  `json:"eta_seconds"`
	Billed      float64   `json:"billed_seconds"`
	GBSeconds   float64   `json:"gb_seconds"`
	Cost        float64   `json:"cost_usd"`
	Final       bool      `json:"final"`
}

// update writes a line unless the last one is younger than the interval.
func (j *jsonLines) update(s lambdapool.Snapshot) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.cfg.now()
	if now.Before(j.next) && !s.Final {
		return
	}
	j.next = now.Add(j.cfg.interval)
	l := line{
		Time: now, Name: j.cfg.name,
		Items: s.Items, Done: s.Done, Failed: s.Failed, Canceled: s.Canceled, Skipped: s.Skipped, Running: s.Running, Queued: s.Queued,
		Invocations: s.Invocations, Retried: s.Retried, Throttled: s.Throttled, Hedged: s.Hedged, ColdStarts: s.ColdStarts,
		Elapsed: s.Elapsed.Seconds(), Rate: s.Rate,
		Billed: s.Billed.Seconds(), GBSeconds: s.GBSeconds, Cost: s.Cost,
		Final: s.Final,
	}
	if l.Name == "" {
		l.Name = s.Func
	}
	if s.Total >= 0 {
		l.Total = &s.Total
	}
	if s.ETA >= 0 {
		eta := s.ETA.Seconds()
		l.ETA = &eta
	}
	if s.Final {
		j.next = time.Time{}
	}
	data, err := json.Marshal(l)
	if err != nil {
		return // a rate that is no number: the next line will do
	}
	printLine(j.out, string(data))
}
