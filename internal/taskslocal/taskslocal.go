// Package taskslocal is a queue of Google Cloud Tasks on this machine, for tests: the one method of its API that
// creates a task, and deliveries as Google makes them, again after every answer that is not 2xx. On request it
// delivers twice, or drops what it has accepted.
//
// What it does not know, in a method, a path, a query or a document, is refused and changes nothing. It links
// nothing of this module. The client that it is held against must never enter it.
package taskslocal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Config is what [New] needs.
type Config struct {
	Queue    string                                         // projects/PROJECT/locations/LOCATION/queues/QUEUE
	Token    func(token string) bool                        // whether an access token is good
	Denied   func(token, account string) (why string)       // says why its owner may not create tasks with ID tokens of account; "", or nil: it may
	Identity func(account, audience string) (string, error) // makes the ID token of a delivery
	Deliver  http.RoundTripper                              // carries deliveries

	Attempts int           // at most; 0: 100
	Backoff  time.Duration // before the second delivery, doubled up to a second; 0: 100 ms, as queues have it by default

	Duplicate func(id string) bool // which tasks are delivered twice; nil: none
	Drop      func(id string) bool // which are accepted, and never delivered; nil: none
}

// A Queue keeps tasks in memory. It is safe for concurrent use.
type Queue struct {
	cfg  Config
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu    sync.Mutex
	known map[string]bool // ids, of tasks that are gone too
}

// New makes a Queue. Its caller closes it.
func New(cfg Config) *Queue {
	if cfg.Attempts == 0 {
		cfg.Attempts = 100
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = 100 * time.Millisecond
	}
	q := &Queue{cfg: cfg, known: map[string]bool{}}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

// Close ends deliveries, and returns when they have.
func (q *Queue) Close() {
	q.stop()
	q.all.Wait()
}

// Wait returns when nothing is left in the queue.
func (q *Queue) Wait() { q.all.Wait() }

// A task is what is delivered. Source:
// cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks, 2026-11.
type task struct {
	Name     string `json:"name"`
	Deadline string `json:"dispatchDeadline"`
	Request  struct {
		URL     string            `json:"url"`
		Method  method            `json:"httpMethod"`
		Headers map[string]string `json:"headers"`
		Body    []byte            `json:"body"`
		Token   *struct {
			Account  string `json:"serviceAccountEmail"`
			Audience string `json:"audience"`
		} `json:"oidcToken"`
	} `json:"httpRequest"`

	id       string
	deadline time.Duration
}

const (
	maxTask     = 100 << 10 // bytes, as the API's comments say
	minDeadline = 15 * time.Second
	maxDeadline = 30 * time.Minute
)

var taskID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,500}$`)

// A refusal is an answer that is an error. Source: cloud.google.com/apis/design/errors, 2026-11.
type refusal struct {
	Code    int    `json:"code"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

func (q *Queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	t, no := q.create(r)
	var answer struct {
		Name  string   `json:"name,omitempty"`
		Error *refusal `json:"error,omitempty"`
	}
	if answer.Error = no; no != nil {
		w.WriteHeader(no.Code)
	} else {
		answer.Name = t.Name
	}
	data, err := json.Marshal(&answer)
	if err != nil {
		return // it always can be
	}
	_, _ = w.Write(data) // whoever has gone needs no answer
}

// create judges a request, and puts its task into the queue.
func (q *Queue) create(r *http.Request) (*task, *refusal) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !bearer || !q.cfg.Token(token):
		return nil, &refusal{http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials."}
	case !strings.HasPrefix(r.URL.Path, "/v2/projects/") || !strings.HasSuffix(r.URL.Path, "/tasks") || r.Method != http.MethodPost || !standard(r.URL.Query()):
		return nil, &refusal{http.StatusNotImplemented, "UNIMPLEMENTED", r.Method + " " + r.URL.Path + " is not served."}
	case r.URL.Path != "/v2/"+q.cfg.Queue+"/tasks":
		return nil, &refusal{http.StatusNotFound, "NOT_FOUND", "Queue does not exist."}
	}
	t, no := q.read(r.Body, token)
	if no != nil {
		return nil, no
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ctx.Err() != nil:
		return nil, &refusal{http.StatusServiceUnavailable, "UNAVAILABLE", "The queue is closed."}
	case q.known[t.id]:
		return nil, &refusal{http.StatusConflict, "ALREADY_EXISTS", "Requested entity already exists"}
	}
	q.known[t.id] = true
	if q.cfg.Drop != nil && q.cfg.Drop(t.id) {
		return t, nil
	}
	times := 1
	if q.cfg.Duplicate != nil && q.cfg.Duplicate(t.id) {
		times = 2
	}
	for range times {
		q.all.Go(func() { q.deliver(t) })
	}
	return t, nil
}

// read reads a task that may be created by who has token.
func (q *Queue) read(body io.Reader, token string) (*task, *refusal) {
	data, err := io.ReadAll(io.LimitReader(body, maxTask+1))
	if err != nil || len(data) > maxTask {
		return nil, &refusal{http.StatusBadRequest, "INVALID_ARGUMENT", "Task size too large."}
	}
	var asked struct {
		Parent string `json:"parent"` // Google's own clients say it twice
		Task   task   `json:"task"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&asked); err != nil || dec.More() {
		return nil, &refusal{http.StatusBadRequest, "INVALID_ARGUMENT", fmt.Sprintf("Invalid JSON payload received: %v", err)}
	}
	if asked.Parent != "" && asked.Parent != q.cfg.Queue {
		return nil, &refusal{http.StatusBadRequest, "INVALID_ARGUMENT", "The parent is not that of the URL."}
	}
	if no := q.check(&asked.Task, token); no != nil {
		return nil, no
	}
	return &asked.Task, nil
}

// standard reports whether a query says nothing but how the answer is to be written, which is as it is here. Source:
// cloud.google.com/apis/docs/system-parameters, 2026-11.
func standard(query url.Values) bool {
	for name, values := range query {
		if name = strings.TrimPrefix(name, "$"); name != "alt" && name != "prettyPrint" || name == "alt" && !strings.HasPrefix(values[0], "json") {
			return false
		}
	}
	return true
}

// A method is that of a request, by name or by Google's number for it.
type method string

func (m *method) UnmarshalJSON(data []byte) error {
	if string(data) == "1" {
		*m = http.MethodPost
		return nil
	}
	return json.Unmarshal(data, (*string)(m))
}

// check says what is wrong with a task, or not served, or not allowed to who has token, and reads the rest of it.
func (q *Queue) check(t *task, token string) *refusal {
	invalid := func(what string) *refusal { return &refusal{http.StatusBadRequest, "INVALID_ARGUMENT", what} }
	id, ours := strings.CutPrefix(t.Name, q.cfg.Queue+"/tasks/")
	target, err := url.Parse(t.Request.URL)
	seconds, whole := strings.CutSuffix(t.Deadline, "s")
	deadline, number := strconv.ParseFloat(seconds, 64)
	t.id, t.deadline = id, time.Duration(deadline*float64(time.Second))
	switch {
	case !ours || !taskID.MatchString(id):
		return invalid("Task name must be formatted: \"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>\"")
	case !whole || number != nil || t.deadline < minDeadline || t.deadline > maxDeadline:
		return invalid("The dispatchDeadline must be between [15s, 30m].")
	case err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http":
		return invalid("HttpRequest.url must be a valid URL.")
	case t.Request.Method != http.MethodPost:
		return &refusal{http.StatusNotImplemented, "UNIMPLEMENTED", "Tasks other than POST are not served."}
	case t.Request.Token == nil || t.Request.Token.Account == "":
		return &refusal{http.StatusNotImplemented, "UNIMPLEMENTED", "Tasks without an OIDC token are not served."}
	}
	if q.cfg.Denied == nil {
		return nil
	}
	if why := q.cfg.Denied(token, t.Request.Token.Account); why != "" {
		return &refusal{http.StatusForbidden, "PERMISSION_DENIED", why}
	}
	return nil
}

// deliver delivers a task until it is answered with 2xx, or was often enough.
func (q *Queue) deliver(t *task) {
	pause := q.cfg.Backoff
	for attempt := range q.cfg.Attempts {
		if q.once(t, attempt) || q.ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-q.ctx.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, time.Second)
	}
}

// once delivers a task once, and reports whether it was taken. Headers as in
// cloud.google.com/tasks/docs/creating-http-target-tasks#handler, 2026-11.
func (q *Queue) once(t *task, attempt int) bool {
	audience := t.Request.Token.Audience
	if audience == "" {
		audience = t.Request.URL
	}
	identity, err := q.cfg.Identity(t.Request.Token.Account, audience)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(q.ctx, t.deadline)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.Request.URL, bytes.NewReader(t.Request.Body)) //nolint:gosec // whoever creates a task says where it goes
	if err != nil {
		return false
	}
	for name, value := range t.Request.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", "Bearer "+identity)
	r.Header.Set("User-Agent", "Google-Cloud-Tasks")
	r.Header.Set("X-Cloudtasks-Queuename", q.cfg.Queue[strings.LastIndexByte(q.cfg.Queue, '/')+1:])
	r.Header.Set("X-Cloudtasks-Taskname", t.id)
	r.Header.Set("X-Cloudtasks-Taskretrycount", strconv.Itoa(attempt))
	resp, err := q.cfg.Deliver.RoundTrip(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // nobody reads what it says
	return resp.StatusCode/100 == 2
}
