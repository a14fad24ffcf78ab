package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A stopReason says why the platform ended an agent, if it did.
type stopReason uint8

const (
	stopNone    stopReason = iota
	stopTimeout            // its invocation's time was up
	stopInit               // it did not ask for work in time, or said that it could not start
	stopMemory             // it outgrew its memory
	stopCrash              // a fault on request
	stopIdle               // it had no work for long
	stopClose              // the backend closes
)

// An invocation is one run of the function, on its way through a sandbox.
type invocation struct {
	id            string
	arn           string // as invoked, with the qualifier
	version       string // executed
	clientContext string // JSON
	traceID       string
	payload       []byte
	fate          *fate // nil: nothing befalls it

	// Set and read under the sandbox's lock once it is delivered.
	deadline time.Time
	began    time.Time
	answered bool
	reply    []byte
	errType  string        // of a function error
	done     chan struct{} // closed when the runtime asks for more

	// Of an event.
	runs atomic.Int64 // copies of it that have not ended
	over func()       // if any, called when all have
}

// A result is how an invocation ended, as far as the caller is concerned.
type result struct {
	payload []byte
	errType string // of a function error; empty: success
	log     []byte
	refused *apiError // nothing of the above: the service itself answers
}

// A sandbox is one execution environment: an agent process, what it says on
// the Runtime API, and the invocation it runs. One invocation at a time.
type sandbox struct {
	id      string // unguessable, in the agent's Runtime API address
	fn      *function
	stream  string   // of its log
	proc    *process // nil until it has begun, which is before anything else happens here
	logs    *logs
	started time.Time
	sampled atomic.Int64 // highest resident size seen, bytes

	work   chan *invocation // taken by the runtime's request for the next one
	polled chan struct{}    // closed by the first such request: init is over
	exited chan struct{}    // closed when the process and its group are gone and the slot is free
	ending string           // "exit status 3"; read after exited

	mu        sync.Mutex
	current   *invocation // delivered, and the runtime has not asked for more
	ready     time.Time   // of the first request for work
	initError []byte      // what the runtime said on init/error
	initType  string
	stopped   stopReason
	idle      *time.Timer // guarded by the pool's lock
}

// stop kills the agent and everything in its process group. It does not wait.
func (s *sandbox) stop(why stopReason) {
	s.mu.Lock()
	if s.stopped == stopNone {
		s.stopped = why
	}
	proc := s.proc
	s.mu.Unlock()
	if proc != nil {
		proc.kill()
	}
}

func (s *sandbox) why() stopReason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// run hands the invocation to the agent and blocks until it is over. Afterwards
// the agent waits for work, or it is gone. The second result is false when the
// agent had gone before it got the invocation.
func (s *sandbox) run(inv *invocation) (result, bool) {
	s.fn.memory.add(s)
	defer s.fn.memory.remove(s)
	if failed := s.awaitInit(inv); failed != nil {
		return *failed, true
	}
	s.mu.Lock()
	cold := !s.ready.IsZero()
	var initTime time.Duration
	if cold {
		initTime, s.ready = s.ready.Sub(s.started), time.Time{}
	}
	s.mu.Unlock()

	timeout := s.fn.cfg.timeout
	inv.began = time.Now()
	inv.deadline = inv.began.Add(timeout)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	s.logs.pipe.drain() // what init has said comes first
	s.logs.notef("START RequestId: %s Version: %s", inv.id, s.fn.cfg.version)
	select {
	case s.work <- inv:
	case <-s.exited:
		switch {
		case s.why() == stopClose:
			return result{refused: errShutDown}, true
		case !cold: // it ended while it was idle
			return result{}, false
		}
	case <-timer.C: // the agent lives, but does not ask for work
		s.stop(stopTimeout)
	}
	select {
	case <-inv.done:
		inv.fate.straggle(time.Since(inv.began), inv, s.exited)
		if s.sample() > s.fn.memory.limit { // between two samples
			s.stop(stopMemory)
			<-s.exited
		}
	case <-s.exited:
	case <-timer.C:
		s.sample()
		s.stop(stopTimeout)
		<-s.exited
	}
	return s.conclude(inv, time.Since(inv.began), cold, initTime), true
}

// awaitInit blocks until the agent has asked for work once. It returns nil
// then, and else what the caller gets to see.
func (s *sandbox) awaitInit(inv *invocation) *result {
	timer := time.NewTimer(s.fn.cfg.initTimeout)
	defer timer.Stop()
	select {
	case <-s.polled:
		return nil
	case <-s.exited:
	case <-timer.C:
		s.stop(stopInit)
		<-s.exited
	}
	took := time.Since(s.started)
	s.mu.Lock()
	why, payload, errType := s.stopped, s.initError, s.initType
	s.mu.Unlock()
	status := "error"
	switch {
	case why == stopClose:
		return &result{refused: errShutDown}
	case payload != nil:
	case why == stopInit:
		status, errType = "timeout", "Runtime.ExitError"
		payload = errorBody(errType, "RequestId: %s Error: Runtime asked for no invocation within %.2f seconds of its start%s", inv.id, s.fn.cfg.initTimeout.Seconds(), s.fn.mainHint())
	default:
		errType = "Runtime.ExitError"
		hint := s.fn.mainHint()
		if why == stopMemory {
			hint = ""
		}
		payload = errorBody(errType, "RequestId: %s Error: %s%s", inv.id, s.ending, hint)
	}
	s.logs.notef("INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: %s\tError Type: %s", millis(took), status, errType)
	s.logs.notef("START RequestId: %s Version: %s", inv.id, s.fn.cfg.version)
	return &result{payload: payload, errType: errType, log: s.report(inv, 0, false, took, status, errType)}
}

// conclude turns what happened into what the caller gets.
func (s *sandbox) conclude(inv *invocation, took time.Duration, cold bool, initTime time.Duration) result {
	s.mu.Lock()
	why, answered := s.stopped, inv.answered
	res := result{payload: inv.reply, errType: inv.errType}
	s.mu.Unlock()
	status := ""
	switch {
	case why == stopMemory:
		res = result{errType: "Runtime.ExitError"}
		res.payload = errorBody(res.errType, "RequestId: %s Error: Runtime exited with error: signal: killed", inv.id)
		s.logs.notef("RequestId: %s Error: Runtime exited with error: signal: killed\nRuntime.ExitError", inv.id)
	case answered:
		// Whatever became of the agent afterwards, the function has answered.
	case why == stopTimeout:
		status = "timeout"
		res = result{errType: "Sandbox.Timedout"}
		seconds := s.fn.cfg.timeout.Seconds()
		res.payload = errorBody(res.errType, "RequestId: %s Error: Task timed out after %.2f seconds", inv.id, seconds)
		s.logs.notef("%s %s Task timed out after %.2f seconds", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), inv.id, seconds)
	case why == stopClose:
		return result{refused: errCutOff}
	default:
		res = result{errType: "Runtime.ExitError"}
		res.payload = errorBody(res.errType, "RequestId: %s Error: %s", inv.id, s.ending)
		s.logs.notef("RequestId: %s Error: %s\nRuntime.ExitError", inv.id, s.ending)
	}
	if status == "" && res.errType != "" {
		status = "error"
	}
	res.log = s.report(inv, took, cold, initTime, status, res.errType)
	return res
}

// report ends the invocation's log and returns its tail.
func (s *sandbox) report(inv *invocation, took time.Duration, cold bool, initTime time.Duration, status, errType string) []byte {
	limit := s.fn.memory.limit
	used := min(s.sampled.Load(), limit)
	if s.why() == stopMemory {
		used = limit
	}
	s.logs.pipe.drain()
	s.logs.notef("END RequestId: %s", inv.id)
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		inv.id, millis(took), billed(took+initTime), limit>>20, (used+1<<20-1)>>20)
	if cold {
		fmt.Fprintf(&b, "Init Duration: %s ms\t", millis(initTime))
	}
	if status != "" {
		fmt.Fprintf(&b, "Status: %s\t", status)
	}
	if status == "error" {
		fmt.Fprintf(&b, "Error Type: %s\t", errType)
	}
	s.logs.notef("%s", b.String())
	return s.logs.cut()
}

// sample looks at the process's memory once, and returns its peak so far. A
// process that is gone leaves what was seen before.
func (s *sandbox) sample() int64 {
	s.saw(peak(s.proc.pid))
	return s.sampled.Load()
}

func (s *sandbox) saw(bytes int64) {
	for {
		old := s.sampled.Load()
		if bytes <= old || s.sampled.CompareAndSwap(old, bytes) {
			return
		}
	}
}

// ended waits for the process, says how it went and frees its slot.
func (s *sandbox) ended() {
	state := s.proc.wait()
	s.ending = "Runtime exited without providing a reason" // Lambda's words for exit status 0
	switch {
	case s.why() == stopCrash:
		s.ending = "Runtime exited with error: exit status 2" // that of a Go program that dies
	case !state.Success():
		s.ending = "Runtime exited with error: " + state.String()
	}
	s.logs.close()
	s.fn.pool.gone(s)
	close(s.exited)
}

// errorBody is the payload of a function error that the platform made.
func errorBody(errType, format string, args ...any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errType, fmt.Sprintf(format, args...)}); err != nil {
		panic(err) // two strings always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// millis prints a duration as REPORT does.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}

// billed rounds up to the millisecond that is charged; INIT counts since 2025-08:
// https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
func billed(d time.Duration) int64 {
	return int64(math.Ceil(float64(d) / float64(time.Millisecond)))
}
