package cloudrun

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
	"github.com/lambdapool/lambdapool/internal/once"
)

const (
	// logPatience is how long an attempt that failed waits for its log: entries appear some seconds late.
	logPatience = 3 * time.Second
	// logPause is how long to wait before the log is asked again for an entry that is not there yet.
	logPause = time.Second
	// logQuiet is how long the log is left alone after a question. A project may ask 60 times a minute, and others ask, too.
	// Source: cloud.google.com/logging/quotas, 2026-11.
	logQuiet = 5 * time.Second
	// logSkew is how far this machine's clock may be ahead of Google's.
	logSkew = time.Minute
	// logTail is how much of a log an error has, in bytes.
	logTail = 4 << 10
)

// A postmortem asks Cloud Logging why an instance gave no answer. It asks one question at a time, and none where it may
// not: whoever has to wait for another one's goes without.
type postmortem struct {
	id    *identity
	place place

	patience, quiet time.Duration // logPatience and logQuiet, but in tests

	mu     sync.Mutex
	busy   bool
	next   time.Time // no question before
	denied bool
}

// An ending is what the log says of a request.
type ending struct {
	why  string // in Google's words
	tail string // what the instance has printed
}

// of returns what the log says of the request with that trace, which was sent at that time; false if it says nothing.
func (p *postmortem) of(ctx context.Context, trace string, sent time.Time) (ending, bool) {
	if !p.begin() {
		return ending{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	var e ending
	var err error
	for {
		if e, err = p.ask(ctx, trace, sent); err != nil || e.why != "" {
			break
		}
		select {
		case <-time.After(logPause):
			continue
		case <-ctx.Done():
		}
		break
	}
	p.end(err)
	return e, e.why != ""
}

func (p *postmortem) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.place.project == "" || p.busy || p.denied || time.Now().Before(p.next) {
		return false
	}
	p.busy = true
	return true
}

// end notes that a question has been answered. Who may not ask is not heard again.
func (p *postmortem) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.next = false, time.Now().Add(p.quiet)
	p.denied = googleapi.IsDenied(err)
}

// A logEntry is what is read of one:
// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry, 2026-11.
type logEntry struct {
	LogName  string            `json:"logName"`
	Severity string            `json:"severity"`
	Labels   map[string]string `json:"labels"`
	Text     string            `json:"textPayload"`
}

// ask finds the instance that had the request, and what Cloud Run says of its end.
func (p *postmortem) ask(ctx context.Context, trace string, sent time.Time) (ending, error) {
	since := "timestamp>=" + quote(sent.Add(-logSkew).UTC().Format(time.RFC3339))
	entries, err := p.entries(ctx, since, "trace="+quote("projects/"+p.place.project+"/traces/"+trace))
	var e ending
	instance := ""
	for _, entry := range entries {
		if strings.HasSuffix(entry.LogName, "%2Frequests") {
			e.why, instance = entry.Text, entry.Labels["instanceId"] // the text says why there was no instance
		}
	}
	if err != nil || instance == "" {
		return e, err
	}
	if entries, err = p.entries(ctx, since, "labels.instanceId="+quote(instance)); err != nil {
		return ending{}, err
	}
	e.why = ""
	var printed []string
	for _, entry := range slices.Backward(entries) { // by time
		switch {
		case !strings.HasSuffix(entry.LogName, "%2Fvarlog%2Fsystem"):
			printed = append(printed, entry.Text)
		case entry.Severity != "" && entry.Severity != "DEFAULT" && entry.Severity != "INFO":
			e.why = entry.Text
		}
	}
	e.tail = strings.TrimSpace(strings.Join(printed, "\n"))
	if over := len(e.tail) - logTail; over > 0 {
		e.tail = e.tail[over:]
	}
	return e, nil
}

// entries are those of the service that fit, the latest first.
func (p *postmortem) entries(ctx context.Context, conditions ...string) ([]logEntry, error) {
	conditions = append([]string{`resource.type="cloud_run_revision"`, "resource.labels.service_name=" + quote(p.place.service)}, conditions...)
	var page struct {
		Entries []logEntry `json:"entries"`
	}
	err := p.id.Call(ctx, p.id.Found.TokenSource, http.MethodPost, p.id.At.Logging+"/v2/entries:list", map[string]any{
		"resourceNames": []string{"projects/" + p.place.project}, "filter": strings.Join(conditions, " AND "),
		"orderBy": "timestamp desc", "pageSize": 100,
	}, &page)
	return page.Entries, err
}

// quote is a string in the language of queries:
// https://cloud.google.com/logging/docs/view/logging-query-language, 2026-11.
func quote(text string) string {
	data, _ := json.Marshal(text) //nolint:errchkjson // strings have JSON
	return string(data)
}

// tell has an error say what the log says.
func (e ending) tell(failed *driver.InvokeError) {
	hint := "Cloud Run's log says: " + strings.TrimSuffix(once.Clip(e.why), ".")
	if strings.Contains(e.why, "Memory limit") {
		hint += "; give the service more memory, or the functions less to do at once"
	}
	failed.Hint = hint + "; the function may have run; only an idempotent one is run again"
	failed.LogTail = e.tail
}

// logLink is where the log of a request is shown, by its trace; "" where that is not known.
func (b *Backend) logLink(trace string) string {
	if b.place.project == "" || trace == "" {
		return ""
	}
	query := fmt.Sprintf("trace=%q", "projects/"+b.place.project+"/traces/"+trace)
	return "https://console.cloud.google.com/logs/query;query=" + url.PathEscape(query) + "?project=" + url.QueryEscape(b.place.project)
}
