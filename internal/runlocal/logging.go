package runlocal

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This file is Cloud Logging: what containers print, and a line for each request. query.go is its query language.
// https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list

type entryJSON struct {
	LogName  string            `json:"logName"`
	InsertID string            `json:"insertId"`
	Time     time.Time         `json:"timestamp"`
	Resource resourceJSON      `json:"resource"`
	Labels   map[string]string `json:"labels,omitempty"`
	Trace    string            `json:"trace,omitempty"`
	Severity string            `json:"severity,omitempty"`
	Text     string            `json:"textPayload,omitempty"`
	JSON     map[string]any    `json:"jsonPayload,omitempty"`
	HTTP     *requestJSON      `json:"httpRequest,omitempty"`
}

type resourceJSON struct {
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
}

type requestJSON struct {
	Method  string `json:"requestMethod"`
	URL     string `json:"requestUrl"`
	Status  int    `json:"status"`
	Latency string `json:"latency"`
}

// maxEntries is how many are kept; the oldest go.
const maxEntries = 10_000

type journal struct {
	mu      sync.Mutex
	entries []entryJSON
}

func (s *Server) note(e entryJSON, sp *spec, kind string) {
	e.LogName, e.InsertID, e.Time = "projects/"+s.options.Project+"/logs/run.googleapis.com%2F"+kind, strings.ToLower(rand.Text()), time.Now().UTC()
	e.Resource = resourceJSON{"cloud_run_revision", map[string]string{
		"project_id": s.options.Project, "location": s.options.Region, "service_name": sp.service, "revision_name": sp.revision, "configuration_name": sp.service,
	}}
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.entries = append(s.journal.entries, e)
	if over := len(s.journal.entries) - maxEntries; over > 0 {
		s.journal.entries = slices.Delete(s.journal.entries, 0, over)
	}
}

// A printer takes what a container prints, and makes an entry of each line.
type printer struct {
	server   *Server
	spec     *spec
	instance string

	mu   sync.Mutex
	rest []byte
}

func (s *Server) printer(sp *spec) *printer {
	return &printer{server: s, spec: sp, instance: strings.ToLower(rand.Text())}
}

func (p *printer) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, data...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			break
		}
		p.rest = rest
		e := entryJSON{Text: string(line), Labels: map[string]string{"instanceId": p.instance}}
		e.structure()
		p.server.note(e, p.spec, "stderr")
	}
	return p.server.options.Output.Write(data)
}

// A request notes how it was answered.
type request struct {
	http.ResponseWriter

	status   int
	instance *instance // that had it, or nil
}

func (r *request) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// requested makes the entry of a request.
func (svc *service) requested(r *http.Request, w *request, trace, tagged string, began time.Time) {
	rev, _ := svc.serving(tagged)
	if rev == nil {
		return
	}
	e := entryJSON{
		Trace: "projects/" + svc.server.options.Project + "/traces/" + trace, Severity: "INFO",
		HTTP: &requestJSON{r.Method, svc.uri + r.URL.Path, cmp.Or(w.status, http.StatusOK), fmt.Sprintf("%.9fs", time.Since(began).Seconds())},
	}
	if e.HTTP.Status >= http.StatusInternalServerError {
		e.Severity = "ERROR"
	}
	if w.instance != nil {
		e.Labels = map[string]string{"instanceId": w.instance.output.instance}
	}
	svc.server.note(e, rev.spec, "requests")
}

// ended makes the entry of an instance's end, in Google's words.
func (s *Server) ended(i *instance) {
	e := entryJSON{Severity: "WARNING", Labels: map[string]string{"instanceId": i.output.instance}}
	state := i.cmd.ProcessState
	switch status, _ := state.Sys().(syscall.WaitStatus); {
	case i.starved.Load():
		e.Severity, e.Text = "ERROR", i.how()
	case status.Signaled():
		e.Text = fmt.Sprintf("Container terminated on signal %d.", status.Signal())
	default:
		e.Text = fmt.Sprintf("Container called exit(%d).", state.ExitCode())
	}
	if i.leaving || state.ExitCode() == 0 {
		e.Severity = "INFO"
	}
	s.note(e, i.spec, "varlog%2Fsystem")
}

// listEntries answers entries:list. A page ends after pageSize entries; the token is how many there were before.
func (s *Server) listEntries(w http.ResponseWriter, r *http.Request) {
	caller := s.bearer(r)
	if caller == "" {
		refuse(w, http.StatusUnauthorized, unauthenticated)
		return
	}
	var in struct {
		Names  []string `json:"resourceNames"`
		Filter string   `json:"filter"`
		Order  string   `json:"orderBy"`
		Size   int      `json:"pageSize"`
		Token  string   `json:"pageToken"`
	}
	if !read(w, r, &in) {
		return
	}
	if !slices.Equal(in.Names, []string{"projects/" + s.options.Project}) || !s.may(caller, "logging.logEntries.list", "") {
		refuse(w, http.StatusForbidden, "Permission denied for all log views")
		return
	}
	wants, err := conditions(in.Filter)
	before, _ := strconv.Atoi(in.Token)
	if err != nil || in.Size < 0 || before < 0 || !slices.Contains([]string{"", "timestamp asc", "timestamp desc"}, in.Order) {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("Unparseable filter, or an order or a page that is not served here: %v", err))
		return
	}
	var answer struct {
		Entries []entryJSON `json:"entries,omitempty"`
		Next    string      `json:"nextPageToken,omitempty"`
	}
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	found := 0
	entries := slices.Clone(s.journal.entries)
	if in.Order == "timestamp desc" {
		slices.Reverse(entries)
	}
	for _, e := range entries {
		if slices.ContainsFunc(wants, func(c condition) bool { return !c(&e) }) {
			continue
		}
		if found++; found <= before {
			continue
		}
		if len(answer.Entries) == min(cmp.Or(in.Size, 50), 1000) {
			answer.Next = strconv.Itoa(found - 1)
			break
		}
		answer.Entries = append(answer.Entries, e)
	}
	reply(w, http.StatusOK, answer)
}

// structure takes a line apart that is a JSON object, as Cloud Run does: its severity is the entry's.
// See https://cloud.google.com/run/docs/logging#run_manual_logging, 2026-11.
func (e *entryJSON) structure() {
	var object map[string]any
	if !strings.HasPrefix(e.Text, "{") || json.Unmarshal([]byte(e.Text), &object) != nil {
		return
	}
	e.Severity, _ = object["severity"].(string)
	delete(object, "severity")
	delete(object, "time")
	e.Text, e.JSON = "", object
}

// member is a member of a JSON line as text, "" where there is none.
func (e *entryJSON) member(path []string) string {
	var at any = e.JSON
	for _, name := range path {
		object, _ := at.(map[string]any)
		if at = object[name]; at == nil {
			return ""
		}
	}
	return fmt.Sprint(at)
}
