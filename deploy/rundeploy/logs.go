package rundeploy

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// Logs yields the log of a service from Cloud Logging, by time: what its agents print, and Cloud Run's own lines. What an
// agent prints appears there some seconds later. RequestID of the query is the trace of a request, as errors and
// results have it. Filter is a query of Cloud Logging, such as severity>=ERROR.
//
// Following, it looks for new entries every two polls: see [WithPoll]. It looks back ten seconds each time, since
// entries appear out of order, and yields none twice. It ends without an error when ctx does. Without Follow it ends with
// the last entry.
//
// An error is yielded once, at the end. It matches shared.ErrInvalid for a bad value. The entries of a service
// outlive it. Where there are none, and no service of that name, it matches shared.ErrNotFound. Reading needs
// roles/logging.viewer.
func (c *Client) Logs(ctx context.Context, name string, q shared.LogQuery) iter.Seq2[shared.LogLine, error] {
	return func(yield func(shared.LogLine, error) bool) {
		err := checkName(name)
		if err == nil && q.Since < 0 {
			err = steps.Invalid("since %v: must not be negative", q.Since)
		}
		if err == nil {
			r := &logReader{c: c, q: q, name: name, seen: map[string]bool{}}
			if q.Since > 0 {
				r.from = time.Now().Add(-q.Since)
			}
			err = r.read(ctx, yield)
			if err == nil && len(r.seen) == 0 && !q.Follow {
				if _, none := c.get(ctx, name); isMissing(none) {
					err = none // anything else says nothing about the log
				}
			}
		}
		if isDenied(err) {
			err = &shared.Error{Err: err, Hint: "reading logs needs roles/logging.viewer"}
		}
		if err != nil {
			yield(shared.LogLine{}, fail("logs", name, err))
		}
	}
}

// A logReader reads the same log again and again, and tells what is new.
type logReader struct {
	c    *Client
	q    shared.LogQuery
	name string
	from time.Time
	seen map[string]bool // entries that were told
}

const (
	overlap  = 10 * time.Second // how far back entries may still appear
	pageSize = 1000             // the most that Cloud Logging gives
)

func (r *logReader) read(ctx context.Context, yield func(shared.LogLine, error) bool) error {
	for {
		newest, more, err := r.pages(ctx, yield)
		if r.q.Follow && ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is how following ends
		}
		if err != nil || !more || !r.q.Follow {
			return err
		}
		if !newest.IsZero() {
			r.from = newest.Add(-overlap)
		}
		if steps.Sleep(ctx, 2*r.c.poll) != nil {
			return nil //nolint:nilerr // see above
		}
	}
}

// filter is in the language of https://cloud.google.com/logging/docs/view/logging-query-language, 2026-11. Strings in it
// are quoted as JSON has them.
func (r *logReader) filter() string {
	parts := []string{
		`resource.type="cloud_run_revision"`,
		"resource.labels.service_name=" + quote(r.name), "resource.labels.location=" + quote(r.c.at.Region),
	}
	if !r.from.IsZero() {
		parts = append(parts, "timestamp>="+quote(r.from.UTC().Format(time.RFC3339Nano)))
	}
	if r.q.RequestID != "" {
		parts = append(parts, "trace="+quote("projects/"+r.c.at.ID+"/traces/"+r.q.RequestID))
	}
	if r.q.Run != "" {
		parts = append(parts, "jsonPayload.lambdapool.run="+quote(r.q.Run))
	}
	if r.q.Item != nil {
		parts = append(parts, fmt.Sprintf("jsonPayload.lambdapool.item=%d", *r.q.Item))
	}
	if r.q.Filter != "" {
		parts = append(parts, "("+r.q.Filter+")")
	}
	return strings.Join(parts, " AND ")
}

func quote(text string) string {
	data, _ := json.Marshal(text) //nolint:errchkjson // strings have JSON
	return string(data)
}

// An entry is what is read of one:
// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry, 2026-11.
type entry struct {
	ID      string            `json:"insertId"`
	LogName string            `json:"logName"`
	Time    time.Time         `json:"timestamp"`
	Labels  map[string]string `json:"labels"`
	Text    string            `json:"textPayload"`
	JSON    json.RawMessage   `json:"jsonPayload"`
	Request *struct {
		Method  string `json:"requestMethod"`
		Status  int    `json:"status"`
		Latency string `json:"latency"`
	} `json:"httpRequest"`
}

func (e *entry) line() shared.LogLine {
	text := strings.TrimRight(e.Text, "\r\n")
	switch {
	case text == "" && e.JSON != nil:
		text = string(e.JSON)
	case e.Request != nil:
		text = strings.TrimSpace(fmt.Sprintf("%s %d %s %s", e.Request.Method, e.Request.Status, e.Request.Latency, text))
	}
	return shared.LogLine{Time: e.Time, Stream: e.Labels["instanceId"], Text: text}
}

// pages yields the new entries of one look. more is false when yield did not want any more.
func (r *logReader) pages(ctx context.Context, yield func(shared.LogLine, error) bool) (newest time.Time, more bool, err error) {
	in := object{"resourceNames": []string{"projects/" + r.c.at.ID}, "filter": r.filter(), "orderBy": "timestamp asc", "pageSize": pageSize}
	for {
		var page struct {
			Entries []entry `json:"entries"`
			Next    string  `json:"nextPageToken"`
		}
		if err := r.c.call(ctx, http.MethodPost, r.c.id.At.Logging+"/v2/entries:list", in, &page); err != nil {
			return newest, true, err
		}
		for i := range page.Entries {
			e := &page.Entries[i]
			if r.q.Follow {
				if r.seen[e.LogName+e.ID] {
					continue
				}
				r.seen[e.LogName+e.ID] = true
			}
			if e.Time.After(newest) {
				newest = e.Time
			}
			if !yield(e.line(), nil) {
				return newest, false, nil
			}
		}
		if page.Next == "" {
			return newest, true, nil
		}
		in["pageToken"] = page.Next
	}
}
