package httpagent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/httpwire"
	"github.com/lambdapool/lambdapool/internal/once"
	"github.com/lambdapool/lambdapool/internal/quiet"
)

// replyMargin is what an answer may take beyond the agents' timeout, which on Cloud Run includes the
// start of a container: the way there and back.
const replyMargin = 45 * time.Second

// keepAlive is below what NAT gateways and firewalls wait before they forget a silent flow.
const (
	dialTimeout = 15 * time.Second
	keepAlive   = 30 * time.Second
)

// A Backend sends requests to the agents behind one URL. Make it with [New], and close it when
// no executor uses it any more. It is safe for concurrent use, and several executors may share
// it.
type Backend struct {
	url       *url.URL // of the invocation
	options   options
	transport *http.Transport
	limits    driver.Limits
	closed    atomic.Bool
	reached   atomic.Bool // an agent has answered
}

var _ driver.Backend = (*Backend)(nil)

// New makes a backend for the agents at baseURL, which is https, or http for this machine: see
// [WithPlainHTTP]. A path in it is kept: https://host/agents serves below /agents. It has no
// user, query or fragment.
//
// It contacts nobody and does not block: that there is no agent, or that the token is wrong,
// shows at the first Invoke. ctx is not used beyond that, so far. It returns an error for a bad
// URL or option, for a LAMBDAPOOL_TOKEN that no header carries, and when ctx has ended. The URL
// is not in the error, since it may hold a password.
func New(ctx context.Context, baseURL string, opts ...Option) (*Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("lambdapool: open HTTP agents: %w", err)
	}
	o, err := collect(opts)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open HTTP agents: %w", err)
	}
	u, err := endpoint(baseURL, o.plain)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open HTTP agents: %w", err)
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
	}
	once.Tune(t, o.workers)
	if o.transport != nil {
		o.transport(t)
	}
	once.ForceHTTP1(t)
	quiet.Transport(t)
	return &Backend{
		url:       u,
		options:   o,
		transport: t,
		limits: driver.Limits{
			Workers:  o.workers,
			Request:  o.request,
			Response: o.request,
			Timeout:  o.timeout,
			Raw:      true,
		},
	}, nil
}

// endpoint checks the URL. It is not repeated in errors: it may hold a password.
func endpoint(baseURL string, plain bool) (*url.URL, error) {
	u := once.Endpoint(baseURL)
	if u == nil {
		return nil, errors.New("not the URL of agents (want https://HOST[:PORT][/PATH], without user, query and fragment; the token comes from LAMBDAPOOL_TOKEN or an option)")
	}
	if u.Scheme == "http" && !plain && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("http://%s is not encrypted: use https, or WithPlainHTTP (plain=true in a URL) on a network that is yours alone", u.Host)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + httpwire.InvokePath
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Limits returns what the options say. No law of growth is known: how load may grow is the
// platform's secret. So an executor begins with all its workers at once, and slows down when
// agents answer 429.
func (b *Backend) Limits() driver.Limits { return b.limits }

// Store returns what [WithStore] was given, or nil. It does not block.
func (b *Backend) Store() driver.Store { return b.options.store }

// StoreOption names the option that makes a store, for the hint of an error that says that a
// payload is too large.
func (b *Backend) StoreOption() string { return "httpagent.WithStore" }

// Close closes idle connections. Later calls fail with [driver.ErrClosed]. Calls in flight
// go on. It does not block, always returns nil, and a second Close does nothing. Neither agents
// nor the store of [WithStore] are closed.
func (b *Backend) Close() error {
	if !b.closed.Swap(true) {
		b.transport.CloseIdleConnections()
	}
	return nil
}

// Invoke makes one attempt: one POST, and one more only if the first was refused for its token
// and cannot have run. It is for executors; programs use package lambdapool.
//
// It blocks until the answer. When ctx ends first it returns early, with ErrCanceled or
// ErrTimeout. When there is no answer 45 seconds after the agents' timeout ([WithTimeout]), it
// gives up with ErrTimeout.
//
// Every error is a [driver.InvokeError], whose Outcome says whether the function ran: the
// package's comment has the table. A payload above Limits.Request is refused with ErrTooLarge,
// and a closed backend with ErrClosed, before anything is sent.
func (b *Backend) Invoke(ctx context.Context, req *driver.Request) (*driver.Response, error) {
	if b.closed.Load() {
		return nil, notSent(driver.ErrClosed, fmt.Errorf("the backend for %s is closed", b.url.Host), "invoke before Close")
	}
	if n := len(req.Payload); n > b.limits.Request {
		return nil, notSent(driver.ErrTooLarge, fmt.Errorf("the request has %d bytes, the limit is %d", n, b.limits.Request), hintTooLarge)
	}
	within, cancel := context.WithTimeoutCause(ctx, b.options.timeout+replyMargin, &noReplyError{b.options.timeout, replyMargin})
	defer cancel()
	for renew := false; ; renew = true {
		response, failure := b.post(ctx, within, req.Payload, renew)
		if failure == nil {
			return response, nil
		}
		if failure.unauthorized && !renew && b.options.tokens != nil {
			continue
		}
		return nil, &failure.InvokeError
	}
}

// A failure is an attempt without a reply.
type failure struct {
	driver.InvokeError

	unauthorized bool // the token was refused
}

// post sends the payload once.
func (b *Backend) post(caller, ctx context.Context, payload []byte, renew bool) (*driver.Response, *failure) {
	var body once.Body
	body.Take(payload, false)
	defer body.Wait()
	d := &once.Delivery{}
	trace := newTraceID()
	r := (&http.Request{
		Method: http.MethodPost,
		URL:    b.url,
		Host:   b.url.Host,
		Header: http.Header{
			"Content-Type":       {"application/octet-stream"},
			"User-Agent":         {"lambdapool"},
			httpwire.Traceparent: {"00-" + trace + "-" + trace[:16] + "-01"},
		},
		ContentLength: int64(len(payload)),
		Body:          body.Open(),
		GetBody:       body.Reopen,
	}).WithContext(httptrace.WithClientTrace(ctx, d.Trace()))
	if b.options.tokens != nil {
		token, err := b.options.tokens.Token(ctx, renew)
		if err != nil {
			return nil, b.noToken(caller, err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := b.transport.RoundTrip(r) //nolint:bodyclose // ReadBody does
	if err != nil {
		return nil, &failure{InvokeError: b.lost(caller, ctx, d.Outcome(), err)}
	}
	data, err := once.ReadBody(resp, b.limits.Response)
	id := requestID(resp.Header, trace)
	if err != nil && resp.StatusCode == http.StatusOK {
		return nil, b.cut(caller, ctx, err, id)
	}
	if resp.StatusCode == http.StatusOK && marked(resp.Header) {
		b.reached.Store(true)
		return &driver.Response{Payload: data, RequestID: id}, nil
	}
	return nil, b.refused(resp, data, id)
}

// newTraceID is 16 random bytes in hexadecimal. The platform's log has the request under it.
func newTraceID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// requestID is the agent's id of the invocation, or the trace that the request was part of.
func requestID(h http.Header, trace string) string {
	if id := h.Get(httpwire.RequestID); id != "" {
		return once.Clip(id)
	}
	return trace
}

func marked(h http.Header) bool { return h.Get(httpwire.Mark) != "" }

// notSent is an attempt that ended before anything was sent, and would again.
func notSent(kind, err error, hint string) *driver.InvokeError {
	return &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: kind, Err: err, Permanent: true, Hint: hint}
}
