package awslambda

import (
	"net/http/httptrace"
	"sync/atomic"

	"github.com/lambdapool/lambdapool"
)

// A delivery knows how far a request got on its way out. That decides whether
// a failed attempt may have run: Lambda runs a request when it has all of it.
type delivery struct {
	conn atomic.Bool // a connection was assigned: from here on bytes may leave
	torn atomic.Bool // a write failed with part of the body still to be written
}

// trace reports to d. The transport assigns a second connection when the first
// one turns out to be dead before it took a single byte.
func (d *delivery) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			d.torn.Store(false)
			d.conn.Store(true)
		},
		// A nil Err does not say that the request was sent: it may still be in
		// the write buffer. An error does say that it was not.
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err != nil {
				d.torn.Store(true)
			}
		},
	}
}

// outcome is what is known when the transport has failed.
func (d *delivery) outcome() lambdapool.Outcome {
	if !d.conn.Load() || d.torn.Load() {
		return lambdapool.OutcomeNotRun
	}
	return lambdapool.OutcomeUnknown
}
