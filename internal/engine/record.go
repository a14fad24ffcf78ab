package engine

import (
	"errors"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/price"
)

// A Record is what lambdapool.Record says, which has the docs of the fields and converts to and from it.
type Record struct {
	ID        string
	Root      string
	Func      string
	Items     int
	Attempt   int
	Hedge     bool
	Won       bool
	Instance  string
	RequestID string
	Version   string

	Queued   time.Time
	Sent     time.Time
	Received time.Time

	Cold       bool
	Init       time.Duration
	Run        time.Duration
	CPU        time.Duration
	Billed     time.Duration
	Memory     int64
	MemoryPeak int64
	BytesOut   int
	BytesIn    int
	Cost       float64

	Outcome  driver.Outcome
	Failed   int
	Throttle string
	Err      string
	Errors   []error

	PerGBSecond float64
	PerRequest  float64
}

// describe notes what is known of an invocation before it is sent.
func (inv *invocation) describe() {
	r, c := inv.record, inv.call
	r.ID, r.Func, r.Items, r.Hedge = inv.id, c.fn.Name(), c.size(), inv.hedge
	r.Queued, r.Sent = c.acceptedAt(), inv.started
	r.Root = c.exec.rootOf(c)
	c.mu.Lock()
	r.Attempt = int(c.tries) + 1
	c.mu.Unlock()
}

// record tells the observers what became of an invocation, and keeps what the tally needs.
func (e *Executor) record(inv *invocation, received time.Time, replies []Reply, err error) {
	c := inv.call
	invoke := failedInvoke(err)
	if invoke != nil && invoke.Response != nil {
		inv.answered = true
		inv.measured(invoke.Response)
	}
	r := inv.record
	if r == nil {
		return
	}
	r.Received, r.BytesOut = received, inv.bytes
	if inv.billed > 0 {
		r.Cost = e.dollars(price.GBSeconds(inv.memory, inv.billed), 1)
	}
	r.Won = !c.claimed.Load()
	r.PerGBSecond, r.PerRequest = e.on.Limits.PerGBSecond, e.on.Limits.PerRequest
	for i, reply := range replies {
		if reply.Err != nil {
			r.Failed++
		}
		if reply.Err != nil && !reply.notBegun {
			r.Errors = append(r.Errors, c.itemFailure(i, reply.Err))
		}
	}
	r.Outcome = driver.OutcomeRan
	if err != nil && replies == nil {
		r.Failed, r.Err, r.Outcome = c.size(), err.Error(), driver.OutcomeUnknown
		if invoke != nil {
			r.Outcome, r.Throttle, r.RequestID = invoke.Outcome, invoke.Reason, invoke.RequestID
		}
	}
	inv.ends(err, false, replies)
}

// failedInvoke returns the error of a backend that err is or wraps, or nil.
func failedInvoke(err error) *driver.InvokeError {
	if err == nil {
		return nil // and nothing is allocated
	}
	var invoke *driver.InvokeError
	errors.As(err, &invoke)
	return invoke
}

// unsent tells the observers of an invocation that ends for err, and that no recorder hears of: it was given up, or
// could not be sent.
func (e *Executor) unsent(inv *invocation, err error) {
	r := inv.record
	if r == nil {
		return
	}
	r.Received, r.BytesOut = time.Now(), inv.bytes
	r.Failed, r.Err, r.Outcome = inv.call.size(), err.Error(), driver.OutcomeNotRun
	if inv.bytes > 0 {
		r.Outcome = driver.OutcomeUnknown
	}
	inv.ends(err, true, nil)
}

// itemFailure is what an attempt of the call's i'th item ended in.
func (c *Call) itemFailure(i int, err error) error {
	if c.chunk == nil {
		return err
	}
	return &failure.Item{Index: c.chunk.items[i].Index, Err: err}
}
