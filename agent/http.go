//go:build !lambdapool.nohttp

package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/httpwire"
)

const (
	// readHeaderTimeout is generous for a header and ends what only opens connections.
	readHeaderTimeout = 10 * time.Second

	// httpIdleTimeout is above the time for which front ends keep idle connections to an instance: who
	// closes first meets the other's next request. Google's is 600 s.
	// Source: cloud.google.com/load-balancing/docs/https, "keepalive timeout", 2026-11.
	httpIdleTimeout = 620 * time.Second

	// lastChance is how long a function whose answer nobody waits for any more may take to return.
	lastChance = 500 * time.Millisecond

	// calm is how long nobody must have asked an agent that ends before it stops listening. Until then it
	// refuses: a connection that the system has taken for an agent that does not is reset, and what came on
	// it would be an unknown outcome. It is measured in ticks, of which a process that was held up notices
	// no more than one: the others are time in which it could have accepted what waits.
	calm     = 500 * time.Millisecond
	calmTick = 50 * time.Millisecond

	// lingerAfterSIGTERM is how long requests in flight may take to end, at most. Cloud Run kills ten
	// seconds after SIGTERM (cloud.google.com/run/docs/container-contract, 2026-11).
	lingerAfterSIGTERM = 9500 * time.Millisecond
)

// serveHTTP serves invocations over HTTP until SIGTERM, and does not return.
func serveHTTP() {
	settings, err := readHTTPSettings(os.LookupEnv)
	if err != nil {
		log.Fatalf("lambdapool: agent: cannot serve HTTP: %v", err)
	}
	// Before it listens: requests that have arrived would be lost with a process that SIGTERM ends.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	listener, err := net.Listen("tcp", settings.address) //nolint:noctx // it lasts as long as the process
	if err != nil {
		log.Fatalf("lambdapool: agent: cannot serve HTTP: %v", err)
	}
	if settings.memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(settings.memory << 20 / 100 * heapShare)
	}
	logLines()
	// Children of functions are no agents.
	_ = os.Unsetenv(httpwire.EnvAgent)
	log.Printf("lambdapool: agent: serving HTTP on %s", listener.Addr())
	h := NewHandler(lambdapool.DefaultRegistry)
	h.ready, h.memory, h.procs, h.MaxReply = time.Now(), settings.memory, settings.procs, httpwire.MaxBody
	s := newHTTPServer(h, settings)
	if err := s.serve(listener, stop); err != nil {
		log.Fatalf("lambdapool: agent: %v", err)
	}
	os.Exit(0)
}

// An httpServer puts a handler behind HTTP. Every answer of it has the mark.
type httpServer struct {
	handler  *Handler
	settings httpSettings
	server   *http.Server
	slots    chan struct{} // nil: any number of requests at once

	traffic traffic

	mu       sync.Mutex
	flying   int
	draining bool
	spent    chan struct{} // closed when only abandoned work is left, or the handler is spent
	why      string        // of that
}

// newHTTPServer returns a server that is not listening yet. Without settings.concurrency it takes
// any number of requests at once, which is for platforms that limit them themselves.
func newHTTPServer(h *Handler, settings httpSettings) *httpServer {
	s := &httpServer{handler: h, settings: settings, spent: make(chan struct{})}
	if settings.concurrency > 0 {
		s.slots = make(chan struct{}, settings.concurrency)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+httpwire.InvokePath, s.invoke)
	mux.HandleFunc("GET "+httpwire.HealthPath, s.health)
	s.server = &http.Server{
		Handler:           s.marked(mux),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       httpIdleTimeout,
	}
	s.traffic.hooks(s.server)
	return s
}

// marked gives every answer the mark, those of the mux itself included.
func (s *httpServer) marked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.traffic.begun(r)
		w.Header().Set(httpwire.Mark, httpwire.MarkValue)
		next.ServeHTTP(w, r)
	})
}

// serve answers requests until a signal comes or only abandoned work is left. Then it
// refuses new ones, and returns when those in flight have ended.
func (s *httpServer) serve(listener net.Listener, stop <-chan os.Signal) error {
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(&politeListener{listener, &s.traffic}) }()
	select {
	case err := <-failed:
		return err
	case <-stop:
		s.drain()
	case <-s.spent:
		log.Print("lambdapool: agent: this process ends: " + s.why)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lingerAfterSIGTERM)
	defer cancel()
	refusing, done := context.WithTimeout(ctx, lingerAfterSIGTERM-calm)
	defer done()
	s.untilCalm(refusing)
	err := s.server.Shutdown(ctx)
	for s.traffic.leaving.Load() > 0 { // for calm at most
		<-time.After(time.Millisecond)
	}
	return err
}

// drain has every further request refused.
func (s *httpServer) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// ends reports whether further requests are refused.
func (s *httpServer) ends() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// untilCalm waits until nobody has asked for a while and all are answered, at most until ctx ends.
func (s *httpServer) untilCalm(ctx context.Context) {
	tick := time.NewTicker(calmTick)
	defer tick.Stop()
	asked := int64(-1)
	for lasted := time.Duration(0); lasted < calm; lasted += calmTick {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var busy bool
		if asked, busy = s.traffic.busy(asked); busy {
			lasted = 0
		}
	}
}

// health says whether new requests are taken: 200, or 503 once the agent ends. It runs no function,
// so a busy agent is a healthy one.
func (s *httpServer) health(w http.ResponseWriter, _ *http.Request) {
	if s.ends() {
		refuse(w, http.StatusServiceUnavailable, "the agent is shutting down")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// enter counts a request in, or says why it is refused.
func (s *httpServer) enter() (status int, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return http.StatusServiceUnavailable, "the agent is shutting down"
	}
	if s.slots != nil {
		select {
		case s.slots <- struct{}{}:
		default:
			return http.StatusTooManyRequests, fmt.Sprintf("the agent runs %d requests already, and takes no more", cap(s.slots))
		}
	}
	s.flying++
	return 0, ""
}

// leave counts a request out. A function that ignored its context would run on beside the next
// call, and take its share: when nothing else runs, the process ends instead. The platform
// starts another.
func (s *httpServer) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying--
	if s.slots != nil {
		<-s.slots
	}
	if s.handler.spent() {
		s.draining = true
		if s.flying == 0 && s.why == "" {
			s.why = "it has begun as many calls as MaxCallsPerAgent allows"
			close(s.spent)
		}
		return
	}
	if s.idleButBusy() {
		time.AfterFunc(lastChance, s.endIfSpent) // those that return soon after the end of their context may
	}
}

// idleButBusy reports whether only abandoned work is left. s.mu is held.
func (s *httpServer) idleButBusy() bool {
	return s.flying == 0 && !s.draining && s.handler.abandoned.Load() > 0
}

// endIfSpent has the process end, unless the abandoned functions have returned or a request has
// come meanwhile.
func (s *httpServer) endIfSpent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idleButBusy() {
		s.draining = true
		s.why = "a function ignored the end of its context, and runs on"
		close(s.spent)
	}
}

// invoke answers one POST, which is one invocation. Every status but 200 and 500 says that nothing
// ran, and the mark in the header says that the agent said it, not something on the way:
//
//	200  the reply of the functions, whatever became of them
//	400  the body is no request of a lambdapool client, or ended early
//	401  the bearer token is wrong
//	413  the body is larger than httpwire.MaxBody
//	429  as many requests as were allowed are running
//	500  the agent has failed, or the client has gone; functions may have run
//	503  the agent is shutting down; Retry-After says when another may be there
//
// A queue (httpwire.TaskName) reads nothing but the status, and delivers again after all of these but 200. So what no
// delivery can ever do is answered to it with 200, too, and the log says why.
func (s *httpServer) invoke(w http.ResponseWriter, r *http.Request) {
	if !s.admits(r.Header.Get("Authorization")) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "the bearer token is not the agent's")
		return
	}
	if r.ContentLength > httpwire.MaxBody {
		never(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has %d bytes, the agent takes %d", r.ContentLength, httpwire.MaxBody))
		return
	}
	if status, why := s.enter(); status != 0 {
		if status == http.StatusServiceUnavailable {
			s.traffic.asked.Add(1)
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "1") // a client that heeds it lets calm begin; then there is another agent
		}
		refuse(w, status, why)
		return
	}
	defer s.leave()
	kill := time.Now().Add(within(r.Header, s.settings.timeout))
	ctx, cancel := context.WithDeadline(r.Context(), kill)
	defer cancel()
	_ = http.NewResponseController(w).SetReadDeadline(kill) // a body that never ends holds its slot no longer
	payload, err := readAll(w, r)
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			never(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes", httpwire.MaxBody))
			return
		}
		refuse(w, http.StatusBadRequest, "the body ended early")
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	id := traceID(r.Header)
	w.Header().Set(httpwire.RequestID, id)
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id}) // where functions look for it on Lambda
	reply, err := s.handler.Invoke(ctx, payload)
	switch {
	case errors.As(err, new(*BadRequestError)):
		never(w, r, http.StatusBadRequest, err.Error())
		return
	case hasExpired(err):
		never(w, r, http.StatusInternalServerError, err.Error())
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	if s.ends() {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	_, _ = w.Write(reply)
}

// readAll reads the body into one buffer of its size.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, httpwire.MaxBody)
	if r.ContentLength < 0 {
		return io.ReadAll(body)
	}
	payload := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, payload)
	return payload, err
}

// admits compares in constant time: how long it takes says nothing about the token.
func (s *httpServer) admits(authorization string) bool {
	if s.settings.token == ([sha256.Size]byte{}) {
		return true
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(sum[:], s.settings.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// refuse answers that nothing ran, or for 500 that the agent has failed.
func refuse(w http.ResponseWriter, status int, why string) {
	http.Error(w, why, status)
}

// never refuses what no agent can do, however often it comes. A queue is told 200: it would deliver it again for days.
func never(w http.ResponseWriter, r *http.Request, status int, why string) {
	if task := r.Header.Get(httpwire.TaskName); task != "" {
		log.Printf("lambdapool: agent: the queue's task %.100q can never be done, and is taken out of the queue: %s", task, why) //nolint:gosec // quoted; why is ours
		status = http.StatusOK
	}
	refuse(w, status, why)
}

// within is how long a request may take: limit, or less if whoever sent it waits no longer.
func within(h http.Header, limit time.Duration) time.Duration {
	if d, err := time.ParseDuration(h.Get(httpwire.Within)); err == nil && d > 0 {
		return min(d, limit)
	}
	return limit
}

// traceID is the trace id that the platform knows the request by, or a new one.
func traceID(h http.Header) string {
	if parts := strings.Split(h.Get(httpwire.Traceparent), "-"); len(parts) == 4 && isTrace(parts[1]) {
		return parts[1]
	}
	if id, _, _ := strings.Cut(h.Get(httpwire.CloudTrace), "/"); isTrace(id) {
		return id
	}
	return rand.Text()
}

func isTrace(id string) bool { return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" }
