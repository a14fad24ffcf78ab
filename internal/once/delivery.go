package once

import (
	"net/http/httptrace"
	"sync"

	"github.com/lambdapool/lambdapool/driver"
)

// A Delivery knows how far a request got on its way out. That decides whether a failed attempt
// may have run: platforms run a request when they have all of it. Its zero value is of a
// request that has not been sent. It is safe for concurrent use, and serves one request.
type Delivery struct {
	mu     sync.Mutex
	conn   bool    // a connection was assigned: from here on bytes may leave
	torn   bool    // a write failed with part of the body still to be written
	counts counter // of the connection; nil: it does not count
	before int     // writes on it when it was assigned
	trace  httptrace.ClientTrace
}

// A counter is a connection that knows how many writes have begun on it, as those of
// package quiet do.
type counter interface{ Writes() int }

// Trace reports to d. The transport assigns a second connection when the first
// one turns out to be dead before it took a single byte. Call it once: it is a part of d, for a
// call to have one thing less to allocate.
func (d *Delivery) Trace() *httptrace.ClientTrace {
	d.trace.GotConn, d.trace.WroteRequest = d.got, d.wrote
	return &d.trace
}

func (d *Delivery) got(info httptrace.GotConnInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.torn = true, false
	if d.counts, _ = info.Conn.(counter); d.counts != nil {
		d.before = d.counts.Writes()
	}
}

// wrote hears of the end of writing. A nil Err does not say that the request was sent: it may
// still be in the write buffer. An error does say that it was not.
func (d *Delivery) wrote(info httptrace.WroteRequestInfo) {
	if info.Err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.torn = true
	}
}

// Blind says that the transport will not report: a connection counts as assigned.
func (d *Delivery) Blind() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = true
}

// Outcome is what is known when the transport has failed, which has closed the connection then.
// It is OutcomeNotRun if there was no connection, if nothing was written on it, or if a part of
// the body is still missing there. Otherwise it is OutcomeUnknown: the request may be whole at
// the other end.
func (d *Delivery) Outcome() driver.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.conn || d.torn || d.counts != nil && d.counts.Writes() == d.before {
		return driver.OutcomeNotRun
	}
	return driver.OutcomeUnknown
}
