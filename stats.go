package lambdapool

import (
	"errors"
	"time"
)

// Stats counts what an [Executor] has done since it was made.
// Submitted = Queued + Running + Succeeded + FunctionErrors + PoolErrors.
type Stats struct {
	Submitted      int64 // calls accepted
	Queued         int64 // calls waiting for a worker or for their next attempt, now
	Running        int64 // calls in flight, now
	Succeeded      int64 // calls that ended in a value
	FunctionErrors int64 // calls that ended in a FunctionError
	PoolErrors     int64 // calls that ended in a PoolError, canceled ones included
	Canceled       int64 // those of PoolErrors that match ErrCanceled

	Invocations int64         // requests sent
	Retries     int64         // calls sent again after an attempt that was no throttle
	Throttles   int64         // requests refused by the platform
	Hedges      int64         // requests that were duplicates of slow ones
	ColdStarts  int64         // invocations that began a new agent
	Sent        int64         // payload bytes of all requests
	Received    int64         // payload bytes of all replies
	Run         time.Duration // time in the functions, as the agents measured it
	Billed      time.Duration // time charged, where the platform says
}

// Stats returns the counts so far. It does not block.
func (e *Executor) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Queued = s.Submitted - s.Running - s.Succeeded - s.FunctionErrors - s.PoolErrors
	return s
}

// count files an ended call. e.mu is held.
func (e *Executor) count(err error) {
	if err == nil {
		e.stats.Succeeded++
		return
	}
	var function *FunctionError
	switch {
	case errors.As(err, &function):
		e.stats.FunctionErrors++
	default:
		e.stats.PoolErrors++
		if errors.Is(err, ErrCanceled) {
			e.stats.Canceled++
		}
	}
}
