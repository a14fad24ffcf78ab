package runlocal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

// ServeHTTP is the front end of a service: everything between the client and the container.
func (svc *service) ServeHTTP(w http.ResponseWriter, r *http.Request) { svc.serve(w, r, "") }

// serve is ServeHTTP behind the service's own URL, or that of a tag.
func (svc *service) serve(w http.ResponseWriter, r *http.Request, tagged string) {
	if !svc.server.enter() {
		plain(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	defer svc.server.work.Done()
	trace := traceOf(r)
	w.Header().Set("X-Cloud-Trace-Context", trace)
	noted, began := &request{ResponseWriter: w}, time.Now()
	defer func() { svc.requested(r, noted, trace, tagged, began) }()
	w = noted
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "z"), path == "/eventlog", strings.HasPrefix(path, "/_ah/"):
		page(w, http.StatusNotFound, "The requested URL was not found on this server.") // reserved
		return
	case !svc.admits(w, r):
		return
	}
	body, ok := svc.server.body(w, r)
	if !ok {
		return
	}
	_, timeout := svc.serving(tagged)
	ctx, cancel := context.WithTimeoutCause(r.Context(), timeout, errTime)
	defer cancel()
	for {
		rev, _ := svc.serving(tagged)
		if rev == nil {
			page(w, http.StatusNotFound, "The requested URL was not found on this server.")
			return
		}
		i, err := rev.acquire(ctx)
		if errors.Is(err, errRetired) && svc.server.life.Err() == nil {
			continue // another revision serves by now, or none
		}
		if err != nil {
			failed(w, err)
			return
		}
		noted.instance = i
		sent := svc.forward(ctx, w, r, i, body, trace)
		rev.release(i)
		if sent {
			return
		}
		rev.shun(i) // not a byte has left for it: it is on its way out, and another one is asked
	}
}

var errTime = errors.New("the time of the request is up")

// failed answers for a request that had no instance.
func failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errBusy):
		plain(w, http.StatusTooManyRequests, "Rate exceeded.")
	case errors.Is(err, errTime):
		plain(w, http.StatusGatewayTimeout, "upstream request timeout")
	default:
		plain(w, http.StatusServiceUnavailable, "Service Unavailable")
	}
}

// plain is how the front end says what became of a request.
func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Server", "Google Frontend")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// traceOf is the trace of a request: W3C's, or a new one.
func traceOf(r *http.Request) string {
	if parts := strings.Split(r.Header.Get("Traceparent"), "-"); len(parts) == 4 && len(parts[1]) == 32 {
		return parts[1]
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// admits checks who calls, before anything else of the request is looked at.
func (svc *service) admits(w http.ResponseWriter, r *http.Request) bool {
	open, audiences := svc.admission()
	if open || svc.server.may("allUsers", "run.routes.invoke", svc.name) {
		return true
	}
	const denied = "Your client does not have permission to get URL <code>/</code> from this server."
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		page(w, http.StatusForbidden, denied)
		return false
	}
	email, err := svc.server.who(token, audiences)
	if err != nil {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer error=\"invalid_token\" error_description=%q", "The access token could not be verified: "+err.Error()))
		page(w, http.StatusUnauthorized, "Your client does not have permission to the requested URL <code>/</code>.")
		return false
	}
	if !svc.server.may(email, "run.routes.invoke", svc.name) {
		page(w, http.StatusForbidden, denied)
		return false
	}
	return true
}

// body reads what a request brings, or refuses it.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	tooLarge := r.ContentLength > s.options.MaxBody
	var data []byte
	if !tooLarge {
		var err error
		data, err = io.ReadAll(io.LimitReader(r.Body, s.options.MaxBody+1))
		if err != nil {
			return nil, false // the client is gone
		}
		tooLarge = int64(len(data)) > s.options.MaxBody
	}
	if tooLarge {
		// A client that still writes would meet a connection that was reset, not the answer.
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, s.options.MaxBody))
		page(w, http.StatusRequestEntityTooLarge, "Your client issued a request that was too large.")
		return nil, false
	}
	return data, true
}

// forward has an instance answer, and reports whether anything was sent to it.
func (svc *service) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, i *instance, body []byte, trace string) (sent bool) {
	there, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	delivery := &once.Delivery{}
	out := r.Clone(httptrace.WithClientTrace(there, delivery.Trace()))
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", i.address, ""
	out.Body, out.ContentLength, out.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	out.Header.Set("X-Cloud-Trace-Context", trace+"/1;o=1")
	out.Header.Set("X-Forwarded-Proto", "https")
	if token := out.Header.Get("Authorization"); strings.Count(token, ".") == 2 {
		out.Header.Set("Authorization", token[:strings.LastIndexByte(token, '.')]+".SIGNATURE_REMOVED_BY_GOOGLE")
	}
	type answer struct {
		resp *http.Response
		data []byte
		err  error
	}
	answered := make(chan answer, 1)
	svc.server.work.Go(func() {
		defer hangUp()
		resp, err := i.transport.RoundTrip(out) //nolint:bodyclose // ReadBody does
		a := answer{resp: resp, err: err}
		if err == nil {
			a.data, a.err = once.ReadBody(resp, int(svc.server.options.MaxBody))
		}
		answered <- a
	})
	select {
	case a := <-answered:
		switch {
		case a.err != nil && a.resp == nil && delivery.Outcome() == driver.OutcomeNotRun:
			return false
		case errors.Is(a.err, once.ErrTooLong):
			plain(w, http.StatusInternalServerError, "Response size was too large. Please consider reducing response size.")
		case a.err != nil:
			i.settle(r.Context())
			failed(w, a.err)
		default:
			pass(w, a.resp, a.data)
		}
	case <-ctx.Done():
		// The container lives, and what it runs goes on. It may learn that nobody waits any more.
		if r.Context().Err() != nil || !svc.server.options.Deaf {
			hangUp()
		}
		failed(w, context.Cause(ctx))
	}
	return true
}

// dying is how long the end of a process takes after its connections have ended, on a busy machine.
const dying = 5 * time.Second

// settle waits until a container that has lost a connection has ended, if that is why: whoever hears of it
// meets another one.
func (i *instance) settle(ctx context.Context) {
	timer := time.NewTimer(dying)
	defer timer.Stop()
	select {
	case <-i.forgotten:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// pass sends a container's answer on.
func pass(w http.ResponseWriter, resp *http.Response, data []byte) {
	h := w.Header()
	for name, values := range resp.Header {
		switch name {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Trailer": // of one hop
		default:
			h[name] = values
		}
	}
	h.Set("Server", "Google Frontend")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(data)
}

// listen opens the front end of a service.
func (svc *service) listen() error {
	listener, err := listen()
	if err != nil {
		return err
	}
	svc.uri = "http://" + listener.Addr().String()
	svc.front = &http.Server{Handler: svc, ReadHeaderTimeout: time.Minute, IdleTimeout: 10 * time.Minute}
	svc.server.work.Go(func() { _ = svc.front.Serve(listener) })
	return nil
}
