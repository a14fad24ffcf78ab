package engine

import (
	"errors"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// Stats are what lambdapool.Stats says, which has the docs of the fields and converts to and from it.
type Stats struct {
	Submitted      int64
	Queued         int64
	Running        int64
	Succeeded      int64
	FunctionErrors int64
	PoolErrors     int64
	Canceled       int64

	Invocations int64
	Retries     int64
	Throttles   int64
	Hedges      int64
	ColdStarts  int64
	Sent        int64
	Received    int64
	Run         time.Duration
	Billed      time.Duration

	InFlight      int64
	Limit         int64
	StoreSent     int64
	StoreReceived int64
}

// Stats returns the counts so far, all of one moment.
func (e *Executor) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats.now()
	s.InFlight, s.Limit = int64(e.limiter.Inflight()+e.nested.lent), int64(e.limiter.Limit())
	s.StoreSent, s.StoreReceived = e.on.Payloads.Traffic()
	return s
}

// now is s with what follows from it.
func (s Stats) now() Stats {
	left := s.Submitted - s.Succeeded - s.FunctionErrors - s.PoolErrors
	s.Running = max(0, min(s.Running, left)) // items leave a chunk one by one, before it has ended
	s.Queued = left - s.Running
	return s
}

// count files an ended call. e.mu is held.
func (e *Executor) count(err error) {
	if err == nil {
		e.stats.Succeeded++
		return
	}
	if _, ok := err.(*failure.Function); ok { //nolint:errorlint // as the reply was read
		e.stats.FunctionErrors++
		return
	}
	e.stats.PoolErrors++
	if errors.Is(err, driver.ErrCanceled) {
		e.stats.Canceled++
	}
}
