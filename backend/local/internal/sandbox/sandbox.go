package sandbox

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
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

// A Sandbox is one execution environment: an agent process, what it says on
// the Runtime API, and the invocation it runs. One invocation at a time.
type Sandbox struct {
	id      string // unguessable, in the agent's Runtime API address
	pool    *Pool
	stream  string   // of its log
	proc    *process // nil until it has begun, which is before anything else happens here
	logs    *logs.Collector
	started time.Time
	sampled atomic.Int64 // highest resident size seen, bytes
	starved atomic.Bool  // one of its processes was killed for its memory

	work   chan *Invocation // taken by the runtime's request for the next one
	polled chan struct{}    // closed by the first such request: init is over
	failed chan struct{}    // closed when the runtime says that it cannot start
	exited chan struct{}    // closed when the process and its group are gone and the slot is free
	ending string           // "exit status 3"; read after exited

	mu        sync.Mutex
	current   *Invocation // delivered, and the runtime has not asked for more
	ready     time.Time   // of the first request for work
	initError []byte      // what the runtime said on init/error
	initType  string
	stopped   stopReason
	list      []int     // of processes
	listed    time.Time // when that was

	// Guarded by the pool's lock.
	idle   *time.Timer
	frost  *time.Timer
	frozen bool
	heirs  bool // its slot is for the environment that takes its place
}

// stop kills the agent and everything in its process group. It does not wait.
func (s *Sandbox) stop(why stopReason) {
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

func (s *Sandbox) why() stopReason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// A runEnd says what became of an invocation that was to run in a sandbox.
type runEnd uint8

const (
	runOver  runEnd = iota // it is over
	runGone                // the agent had ended while it was idle, and never got it
	runAgain               // init took too long: the sandbox has ended, and its slot waits for another that starts within the invocation
)

// run hands the invocation to the agent and blocks until it is over. Afterwards
// the agent waits for work, or it is gone.
func (s *Sandbox) run(inv *Invocation) (Result, runEnd) {
	s.pool.memory.add(s)
	defer s.pool.memory.remove(s)
	limit := time.NewTimer(s.pool.spec.InitTimeout)
	defer limit.Stop()
	switch s.awaitInit(limit.C) {
	case initLate:
		if s.pool.bequeath(s) {
			s.stop(stopInit)
			<-s.exited
			s.noteInit("init", "timeout", "Runtime.ExitError")
			s.logs.Notef("START RequestId: %s Version: %s", inv.ID, s.pool.spec.Version)
			return Result{}, runAgain
		}
		<-s.exited // of itself, or since the backend closes
		return s.initFailure(inv, "init", 0), runOver
	case initFailed:
		return s.initFailure(inv, "init", 0), runOver
	case initDone:
	}
	s.mu.Lock()
	cold := !s.ready.IsZero()
	var initTime time.Duration
	if cold {
		initTime, s.ready = s.ready.Sub(s.started), time.Time{}
	}
	s.mu.Unlock()
	timer := s.begin(inv)
	defer timer.Stop()
	s.logs.Drain() // what init has said comes first
	s.logs.Notef("START RequestId: %s Version: %s", inv.ID, s.pool.spec.Version)
	if !s.deliver(inv, timer.C) {
		switch {
		case s.why() == stopClose:
			return Result{Refused: ShutDown}, runOver
		case !cold:
			return Result{}, runGone
		}
	}
	return s.await(inv, timer.C, cold, initTime), runOver
}

// runWithInit is run for the successor of a sandbox whose init took too long:
// its own init is a part of the invocation, and of the function's timeout.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (2026-11)
func (s *Sandbox) runWithInit(inv *Invocation) Result {
	s.pool.memory.add(s)
	defer s.pool.memory.remove(s)
	timer := s.begin(inv)
	defer timer.Stop()
	switch s.awaitInit(timer.C) {
	case initLate:
		s.sample()
		s.stop(stopTimeout)
		<-s.exited
		took := time.Since(inv.began)
		if s.why() == stopTimeout {
			s.noteInit("invoke", "timeout", "")
		}
		return s.conclude(inv, took, false, 0)
	case initFailed:
		return s.initFailure(inv, "invoke", time.Since(inv.began))
	case initDone:
	}
	s.mu.Lock()
	s.ready = time.Time{} // it is in the invocation's duration
	s.mu.Unlock()
	if !s.deliver(inv, timer.C) && s.why() == stopClose {
		return Result{Refused: ShutDown}
	}
	return s.await(inv, timer.C, false, 0)
}

// begin starts the clock of the invocation.
func (s *Sandbox) begin(inv *Invocation) *time.Timer {
	inv.began = time.Now()
	inv.deadline = inv.began.Add(s.pool.spec.Timeout)
	return time.NewTimer(s.pool.spec.Timeout)
}

// deliver hands the invocation to the runtime. It says no when there is none any more.
func (s *Sandbox) deliver(inv *Invocation, late <-chan time.Time) bool {
	select {
	case s.work <- inv:
	case <-s.exited:
		return false
	case <-late: // the agent lives, but does not ask for work
		s.stop(stopTimeout)
	}
	return true
}

// await blocks until the invocation is over.
func (s *Sandbox) await(inv *Invocation, late <-chan time.Time, cold bool, initTime time.Duration) Result {
	select {
	case <-inv.done:
		inv.Fate.HoldUp(time.Since(inv.began), time.Until(inv.deadline), s.exited)
		if s.sample() > s.pool.memory.limit { // between two samples
			s.stop(stopMemory)
			<-s.exited
		}
	case <-s.exited:
	case <-late:
		s.sample()
		s.stop(stopTimeout)
		<-s.exited
	}
	return s.conclude(inv, time.Since(inv.began), cold, initTime)
}

// An initEnd says how an agent's start went.
type initEnd uint8

const (
	initDone   initEnd = iota // it has asked for work
	initFailed                // it is gone
	initLate                  // it lives, and has not asked for work in time
)

// awaitInit blocks until the agent has asked for work once, or has failed to, or late.
func (s *Sandbox) awaitInit(late <-chan time.Time) initEnd {
	select {
	case <-s.polled:
		return initDone
	case <-s.failed: // whatever it still does is of no interest
		s.stop(stopInit)
		<-s.exited
	case <-s.exited:
	case <-late:
		return initLate
	}
	return initFailed
}

// noteInit logs how an init went that did not succeed.
func (s *Sandbox) noteInit(phase, status, errType string) {
	kind := ""
	if errType != "" {
		kind = "\tError Type: " + errType
	}
	s.logs.Notef("INIT_REPORT Init Duration: %s ms\tPhase: %s\tStatus: %s%s", millis(time.Since(s.started)), phase, status, kind)
}

// initFailure is what the caller gets to see of an agent that did not start.
// took is how long the invocation has run: not at all in the phase init.
func (s *Sandbox) initFailure(inv *Invocation, phase string, took time.Duration) Result {
	initTime := time.Since(s.started) - took
	s.mu.Lock()
	why, payload, errType := s.stopped, s.initError, s.initType
	s.mu.Unlock()
	switch {
	case why == stopClose:
		return Result{Refused: ShutDown}
	case errType != "": // the runtime's own report
	default:
		errType = "Runtime.ExitError"
		hint := s.pool.spec.mainHint()
		if why == stopMemory || s.starved.Load() {
			hint = ""
		}
		payload = ErrorBody(errType, "RequestId: %s Error: %s%s", inv.ID, s.ending, hint)
	}
	s.noteInit(phase, "error", errType)
	if phase == "init" {
		s.logs.Notef("START RequestId: %s Version: %s", inv.ID, s.pool.spec.Version)
	} else {
		initTime = 0
	}
	return Result{Payload: payload, ErrType: errType, Log: s.report(inv, took, false, initTime, "error", errType)}
}

// conclude turns what happened into what the caller gets.
func (s *Sandbox) conclude(inv *Invocation, took time.Duration, cold bool, initTime time.Duration) Result {
	s.mu.Lock()
	why, answered := s.stopped, inv.answered
	res := Result{Payload: inv.reply, ErrType: inv.errType}
	s.mu.Unlock()
	status := ""
	switch {
	case why == stopMemory:
		res = Result{ErrType: "Runtime.ExitError"}
		res.Payload = ErrorBody(res.ErrType, "RequestId: %s Error: Runtime exited with error: signal: killed", inv.ID)
		s.logs.Notef("RequestId: %s Error: Runtime exited with error: signal: killed\nRuntime.ExitError", inv.ID)
	case answered && why == stopNone && !inv.finished():
		// As Lambda: what the function said counts if it was an error, which often ends
		// the process. A value of a runtime that then dies is none.
		if res.ErrType == "" {
			res = s.exitError(inv)
		}
		s.noteExit(inv)
	case answered: // and the agent waits for more, or has been ended by us
	case why == stopTimeout:
		status = "timeout"
		res = Result{ErrType: "Sandbox.Timedout"}
		seconds := s.pool.spec.Timeout.Seconds()
		hint := ""
		if !s.hasPolled() {
			hint = s.pool.spec.mainHint()
		}
		res.Payload = ErrorBody(res.ErrType, "RequestId: %s Error: Task timed out after %.2f seconds%s", inv.ID, seconds, hint)
		s.logs.Notef("%s %s Task timed out after %.2f seconds", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), inv.ID, seconds)
	case why == stopClose:
		return Result{Refused: CutOff}
	default:
		res = s.exitError(inv)
		s.noteExit(inv)
	}
	if status == "" && res.ErrType != "" {
		status = "error"
	}
	res.Log = s.report(inv, took, cold, initTime, status, res.ErrType)
	return res
}

// exitError is the result of an invocation whose agent has ended of itself.
func (s *Sandbox) exitError(inv *Invocation) Result {
	const errType = "Runtime.ExitError"
	return Result{ErrType: errType, Payload: ErrorBody(errType, "RequestId: %s Error: %s", inv.ID, s.ending)}
}

func (s *Sandbox) noteExit(inv *Invocation) {
	s.logs.Notef("RequestId: %s Error: %s\nRuntime.ExitError", inv.ID, s.ending)
}

// hasPolled says that the agent has asked for work.
func (s *Sandbox) hasPolled() bool {
	select {
	case <-s.polled:
		return true
	default:
		return false
	}
}

// sample looks at the processes' memory once: the highest resident size of the largest so
// far, and what the others have now. It returns 0 for a sandbox that is gone.
func (s *Sandbox) sample() int64 {
	var total, most int64
	for _, pid := range s.members() {
		rss, highest := resident(pid), peak(pid)
		total += rss
		most = max(most, highest-rss)
	}
	s.saw(total + most)
	return total + most
}

func (s *Sandbox) saw(bytes int64) {
	for {
		old := s.sampled.Load()
		if bytes <= old || s.sampled.CompareAndSwap(old, bytes) {
			return
		}
	}
}

// ended waits for the process, says how it went and frees its slot.
func (s *Sandbox) ended() {
	state := s.proc.wait()
	s.ending = "Runtime exited without providing a reason" // Lambda's words for exit status 0
	switch {
	case s.why() == stopCrash:
		s.ending = "Runtime exited with error: exit status 2" // that of a Go program that dies
	case !state.Success():
		s.ending = "Runtime exited with error: " + state.String()
	}
	s.logs.Close()
	s.pool.gone(s)
	close(s.exited)
}
