// Package tasks queues requests for which nobody waits with Google Cloud Tasks: what a backend on Google Cloud
// makes a [driver.Detacher] of. Cloud Tasks delivers each request to the service by POST, with an ID token of a
// service account, at least once, and again after every answer that is not 2xx.
//
// It makes one attempt for each request, by one POST over net/http, and decides nothing. It may know driver and
// what backends over net/http share. Google's SDKs must never enter it, nor the backends that use it.
package tasks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/once"
)

// Scope is what a token must be good for. Source:
// cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create, 2026-11.
const Scope = "https://www.googleapis.com/auth/cloud-platform"

// DefaultEndpoint is Google's own.
const DefaultEndpoint = "https://cloudtasks.googleapis.com"

const (
	// maxTask is how many bytes a task has, as the API's comments say; other pages say a megabyte. Source:
	// cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks, 2026-11.
	maxTask = 100 << 10

	// MaxRequest is how many bytes of a request fit: base64 makes four of three, and the rest of the task is
	// small. What is larger goes through the store.
	MaxRequest = (maxTask - 4<<10) / 4 * 3

	// MaxDeadline is how long a delivery may take, minDeadline the least that may be said. Source: the same page,
	// dispatchDeadline.
	MaxDeadline = 30 * time.Minute
	minDeadline = 15 * time.Second

	// maxAge is how long a request is given to begin. A task stays in its queue for up to 31 days
	// (cloud.google.com/tasks/docs/quotas, 2026-11), but the links in it do not live so long where Google signs
	// them: twelve hours must hold the wait and the work. What is delivered later finds that it has expired.
	maxAge = 6 * time.Hour

	// defaultAttempts is how often a queue delivers a task, unless it is configured otherwise. Source:
	// cloud.google.com/tasks/docs/configuring-queues#retry, 2026-11.
	defaultAttempts = 100

	// maxAnswer is how much is read of an answer; it repeats no body.
	maxAnswer = 64 << 10

	// patience is how long an answer may take: it does not wait for the function.
	patience = 45 * time.Second
)

// A Config is what [New] needs.
type Config struct {
	Queue   string             // projects/PROJECT/locations/LOCATION/queues/QUEUE
	URL     string             // of the invocation
	Account string             // the email of the service account whose ID token a delivery has
	Tokens  oauth2.TokenSource // of who may create tasks: see [Scope]

	Audience  string            // of the ID token; empty: URL without its path
	Deadline  time.Duration     // of a delivery; 0: [MaxDeadline]
	Wait      time.Duration     // of it, what may pass before an agent has the request
	Attempts  int               // that the queue makes, at most; 0: 100, as queues have it by default
	Endpoint  string            // of a stand-in; empty: [DefaultEndpoint]
	Transport http.RoundTripper // never nil
}

// A Queue is a [driver.Detacher]. It is safe for concurrent use.
type Queue struct {
	cfg Config
	url *url.URL // of creation
}

var _ driver.Detacher = (*Queue)(nil)

var queueName = regexp.MustCompile(`^projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]{1,100}$`)

// CheckQueue says whether a name can be the full one of a queue.
func CheckQueue(name string) error {
	if !queueName.MatchString(name) {
		return fmt.Errorf("%q is not a queue (want projects/PROJECT/locations/LOCATION/queues/QUEUE)", name)
	}
	return nil
}

// New makes a Queue. It contacts nobody and does not block. The error does not repeat a URL.
func New(cfg Config) (*Queue, error) {
	endpoint, err := url.Parse(cmp.Or(cfg.Endpoint, DefaultEndpoint))
	service, wrong := url.Parse(cfg.URL)
	badQueue := CheckQueue(cfg.Queue)
	switch {
	case badQueue != nil:
		return nil, badQueue
	case wrong != nil || service.Host == "" || (service.Scheme != "https" && service.Scheme != "http") || service.User != nil || service.RawQuery != "":
		return nil, errors.New("not the URL of an invocation (want https://HOST/PATH, without user and query)")
	case err != nil || endpoint.Host == "":
		return nil, errors.New("not an endpoint (want https://HOST[:PORT])")
	case cfg.Account == "":
		return nil, errors.New("deliveries have no service account: the service lets in nobody without an ID token")
	case cfg.Tokens == nil:
		return nil, errors.New("there is no source of access tokens")
	case cfg.Transport == nil:
		return nil, errors.New("there is no transport")
	case cfg.Deadline < 0 || cfg.Deadline > MaxDeadline:
		return nil, fmt.Errorf("a deadline of %v: Cloud Tasks waits for %v at most", cfg.Deadline, MaxDeadline)
	case cfg.Wait < 0 || cfg.Wait >= cmp.Or(cfg.Deadline, MaxDeadline):
		return nil, fmt.Errorf("a wait of %v leaves nothing of the deadline", cfg.Wait)
	case cfg.Attempts < 0:
		return nil, fmt.Errorf("%d attempts: must not be negative", cfg.Attempts)
	}
	cfg.Audience = cmp.Or(cfg.Audience, service.Scheme+"://"+service.Host)
	cfg.Deadline, cfg.Attempts = max(cmp.Or(cfg.Deadline, MaxDeadline), minDeadline), cmp.Or(cfg.Attempts, defaultAttempts)
	return &Queue{cfg, &url.URL{Scheme: endpoint.Scheme, Host: endpoint.Host, Path: "/v2/" + cfg.Queue + "/tasks"}}, nil
}

// EventLimits returns what the queue does: a request has six hours to begin.
func (q *Queue) EventLimits() driver.EventLimits {
	return driver.EventLimits{Request: MaxRequest, Age: maxAge, Retries: q.cfg.Attempts - 1}
}

// The parts of a task. Source:
// cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks, 2026-11.
type task struct {
	Name     string      `json:"name"`
	Deadline string      `json:"dispatchDeadline"`
	Request  httpRequest `json:"httpRequest"`
}

type httpRequest struct {
	URL     string            `json:"url"`
	Method  string            `json:"httpMethod"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	Token   oidcToken         `json:"oidcToken"`
}

type oidcToken struct {
	Account  string `json:"serviceAccountEmail"`
	Audience string `json:"audience"`
}

// InvokeEvent queues a request and returns its task's id. It makes one attempt and blocks until the queue has
// answered, 45 seconds at most. A task is named by the hash of its request: the same bytes are queued once,
// for as long as Cloud Tasks remembers, so that who is not sure may try again. Every error is a
// [driver.InvokeError].
func (q *Queue) InvokeEvent(ctx context.Context, req *driver.Request) (string, error) {
	if n := len(req.Payload); n > MaxRequest {
		return "", notQueued(driver.ErrTooLarge, fmt.Errorf("the request has %d bytes, a task carries %d", n, MaxRequest), true)
	}
	token, err := q.cfg.Tokens.Token()
	if err != nil {
		if ctx.Err() != nil {
			return "", notQueued(driver.ErrUnreachable, fmt.Errorf("no access token yet: %w", context.Cause(ctx)), false)
		}
		e := notQueued(driver.ErrAccessDenied, fmt.Errorf("no access token: %w", err), false)
		e.Hint = "sign in again: gcloud auth application-default login"
		return "", e
	}
	sum := sha256.Sum256(req.Payload)
	id := hex.EncodeToString(sum[:])
	body, err := json.Marshal(map[string]task{"task": {
		Name:     q.cfg.Queue + "/tasks/" + id,
		Deadline: fmt.Sprintf("%gs", q.cfg.Deadline.Seconds()),
		Request: httpRequest{
			URL: q.cfg.URL, Method: "POST", Headers: map[string]string{
				"Content-Type":  "application/octet-stream",
				httpwire.Within: fmt.Sprintf("%gs", (q.cfg.Deadline - q.cfg.Wait).Seconds()),
			},
			Body: req.Payload, Token: oidcToken{q.cfg.Account, q.cfg.Audience},
		},
	}})
	if err != nil {
		return "", notQueued(driver.ErrEncode, err, true)
	}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var sent once.Delivery
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(within, sent.Trace()), http.MethodPost, q.url.String(), bytes.NewReader(body))
	if err != nil {
		return "", notQueued(nil, err, true)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "lambdapool")
	token.SetAuthHeader(r)
	// Not an http.Client: a redirect would take the token elsewhere.
	resp, err := q.cfg.Transport.RoundTrip(r) //nolint:bodyclose // ReadBody does
	if err != nil {
		return "", q.lost(ctx, within, sent.Outcome(), err)
	}
	data, err := once.ReadBody(resp, maxAnswer)
	switch {
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusConflict: // it is there already
		return id, nil
	case err != nil:
		data = nil // what cannot be read says nothing
	}
	return "", q.refused(resp, data)
}

// notQueued is an attempt that queued nothing.
func notQueued(kind, err error, permanent bool) *driver.InvokeError {
	return &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: kind, Err: err, Permanent: permanent}
}

// lost is an attempt without an answer.
func (q *Queue) lost(caller, within context.Context, outcome driver.Outcome, err error) *driver.InvokeError {
	e := &driver.InvokeError{Outcome: outcome, Kind: driver.ErrUnknownOutcome, Err: fmt.Errorf("create a task in %s: %w", q.cfg.Queue, once.Unquoted(err))}
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind = driver.ErrCanceled
	case within.Err() != nil:
		e.Kind = driver.ErrTimeout
	case outcome == driver.OutcomeNotRun:
		e.Kind = driver.ErrUnreachable
	}
	if outcome == driver.OutcomeUnknown {
		e.Hint = "the request may be queued: trying again queues the same bytes once"
	}
	return e
}

// refused is an attempt that was answered with an error. Source: cloud.google.com/apis/design/errors, 2026-11.
func (q *Queue) refused(resp *http.Response, data []byte) *driver.InvokeError {
	var document struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
		} `json:"error"`
	}
	text := fmt.Sprintf("HTTP %d", resp.StatusCode)
	if json.Unmarshal(data, &document) == nil && document.Error.Status != "" {
		text += " " + once.Clip(document.Error.Status) + ": " + once.Clip(document.Error.Message)
	}
	e := &driver.InvokeError{Err: fmt.Errorf("create a task in %s: %s", q.cfg.Queue, text), RetryAfter: once.RetryAfter(resp.Header, time.Now())}
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		e.Outcome, e.Kind, e.Reason = driver.OutcomeNotRun, driver.ErrThrottled, document.Error.Status
	case status == http.StatusUnauthorized:
		e.Outcome, e.Kind, e.Hint = driver.OutcomeNotRun, driver.ErrAccessDenied, "sign in again: gcloud auth application-default login"
	case status == http.StatusForbidden:
		e.Outcome, e.Kind, e.Permanent = driver.OutcomeNotRun, driver.ErrAccessDenied, true
		e.Hint = fmt.Sprintf("whoever signs in needs roles/cloudtasks.enqueuer on the queue and roles/iam.serviceAccountUser on %s, and the API cloudtasks.googleapis.com enabled", q.cfg.Account)
	case status == http.StatusNotFound:
		name := q.cfg.Queue[strings.LastIndexByte(q.cfg.Queue, '/')+1:]
		e.Outcome, e.Kind, e.Permanent = driver.OutcomeNotRun, driver.ErrFunctionNotFound, true
		e.Hint = "is there such a queue? gcloud tasks queues create " + name
	case status/100 == 4:
		e.Outcome, e.Kind, e.Permanent = driver.OutcomeNotRun, driver.ErrBadArguments, true
	default:
		e.Kind, e.Hint = driver.ErrUnknownOutcome, "the request may be queued: trying again queues the same bytes once"
	}
	return e
}
