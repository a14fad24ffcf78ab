package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/codec"
)

// The Runtime API, as
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html describes it.
// Every sandbox has its own address, and the id in it is the agent's right to speak.

// Route adds the Runtime API to mux. find returns the sandbox that has
// an id, or nil.
func Route(mux *http.ServeMux, find func(id string) *Sandbox) {
	route := func(pattern string, serve func(*Sandbox, http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if s := find(r.PathValue("sandbox")); s != nil {
				serve(s, w, r)
				return
			}
			runtimeError(w, http.StatusForbidden, "Forbidden", "no such execution environment")
		})
	}
	const base = "/e/{sandbox}/2018-06-01/runtime"
	route("GET "+base+"/invocation/next", (*Sandbox).serveNext)
	route("POST "+base+"/invocation/{id}/response", (*Sandbox).serveResponse)
	route("POST "+base+"/invocation/{id}/error", (*Sandbox).serveError)
	route("POST "+base+"/init/error", (*Sandbox).serveInitError)
	mux.HandleFunc("/e/", func(w http.ResponseWriter, _ *http.Request) {
		runtimeError(w, http.StatusNotFound, "NotFound", "no such operation of the Runtime API")
	})
}

func runtimeError(w http.ResponseWriter, status int, errType, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(ErrorBody(errType, "%s", message)) // the runtime may have gone
}

func runtimeAccepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`) // the runtime may have gone
}

// serveNext ends the invocation that ran and blocks until there is another.
func (s *Sandbox) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.polled:
	default:
		s.pool.spec.Faults.DelayStart(s.exited)
	}
	s.mu.Lock()
	switch {
	case s.current != nil && !s.current.answered: // the runtime has lost it, or asks twice
		inv := s.current
		s.mu.Unlock()
		inv.write(w)
		return
	case s.initError != nil:
		s.mu.Unlock()
		runtimeError(w, http.StatusForbidden, "InvalidStateTransition", "State transition from RuntimeInitError to Ready failed for runtime. Error: State transition is not allowed")
		return
	case s.current != nil:
		close(s.current.done)
		s.current = nil
	default:
		select {
		case <-s.polled:
		default:
			s.ready = time.Now()
			close(s.polled)
		}
	}
	s.mu.Unlock()

	var inv *Invocation
	select {
	case inv = <-s.work:
	case <-s.exited:
		return
	case <-r.Context().Done():
		return
	}
	s.mu.Lock()
	s.current = inv
	s.mu.Unlock()
	s.doom(inv.Fate)
	inv.write(w)
}

// write gives the invocation to the runtime.
func (inv *Invocation) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.Payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.ID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.ARN)
	h.Set("Lambda-Runtime-Trace-Id", inv.TraceID)
	if inv.ClientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", inv.ClientContext)
	}
	_, _ = w.Write(inv.Payload) // if the runtime is gone, its process says so
}

// answer ends the runtime's work on the invocation that the request names,
// unless it has none by that name or has answered before.
func (s *Sandbox) answer(w http.ResponseWriter, r *http.Request, payload []byte, errType string) bool {
	if s.silenced(r.PathValue("id")) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current == nil || s.current.ID != r.PathValue("id"):
		runtimeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return false
	case s.current.answered:
		runtimeError(w, http.StatusForbidden, "InvalidStateTransition", "State transition from InvocationResponse to InvocationResponse failed for runtime. Error: State transition is not allowed")
		return false
	}
	s.current.answered, s.current.reply, s.current.errType = true, payload, errType
	return true
}

func (s *Sandbox) serveResponse(w http.ResponseWriter, r *http.Request) {
	body, err := wire.ReadBody(r, codec.MaxReply)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		const errType = "Function.ResponseSizeTooLarge"
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", codec.MaxReply)
		if s.answer(w, r, ErrorBody(errType, "%s", message), errType) {
			runtimeError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
		}
		return
	case err != nil: // cut off: if the runtime does not try again, its process is gone
		runtimeError(w, http.StatusBadRequest, "TruncatedResponse", "the response ended early: "+err.Error())
		return
	}
	errType := ""
	if t := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); t != "" {
		// The handler's reader broke after the runtime had begun to send.
		errType = t
		if body, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body")); err != nil {
			body = ErrorBody(t, "the function's response ended early")
		}
	}
	if s.answer(w, r, body, errType) {
		runtimeAccepted(w)
	}
}

func (s *Sandbox) serveError(w http.ResponseWriter, r *http.Request) {
	body, errType, err := readError(r)
	if err != nil {
		runtimeError(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	if s.answer(w, r, body, errType) {
		runtimeAccepted(w)
	}
}

func (s *Sandbox) serveInitError(w http.ResponseWriter, r *http.Request) {
	body, errType, err := readError(r)
	if err != nil {
		runtimeError(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.polled:
		runtimeError(w, http.StatusForbidden, "InvalidStateTransition", "State transition from Ready to RuntimeInitError failed for runtime. Error: State transition is not allowed")
		return
	default:
	}
	if s.initType == "" {
		close(s.failed)
	}
	s.initError, s.initType = body, errType
	runtimeAccepted(w)
}

// readError reads the body of an error report, and its type from where the
// runtime put it.
func readError(r *http.Request) (body []byte, errType string, err error) {
	body, err = wire.ReadBody(r, codec.MaxReply)
	if err != nil {
		return nil, "", err
	}
	var said struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(body, &said) != nil || said.Type == "" { // any body is the runtime's right
		said.Type = "Runtime.Unknown"
	}
	if t := r.Header.Get("Lambda-Runtime-Function-Error-Type"); t != "" {
		said.Type = t
	}
	return body, said.Type, nil
}
