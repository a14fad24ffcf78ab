package lambdapool

import (
	"errors"
	"time"
)

// A Record is one invocation, from the queue to its answer. Times are the
// client's; durations marked so are the agent's or the platform's.
type Record struct {
	ID        string // of the invocation
	Func      string // the registered name
	Items     int    // calls that it carried
	Attempt   int    // 1 for the first of these calls
	Hedge     bool   // a duplicate of a slow invocation
	Won       bool   // its answer was used
	Instance  string // names the agent process
	RequestID string // the platform's
	Version   string // of the Lambda function

	Queued   time.Time // the first of its calls was accepted
	Sent     time.Time
	Received time.Time // the answer, or the news that there is none

	Cold       bool
	Init       time.Duration // agent: process start to first invocation
	Run        time.Duration // agent: decode, run and encode
	CPU        time.Duration // agent
	Billed     time.Duration // platform
	Memory     int64         // bytes, as configured
	MemoryPeak int64         // bytes
	BytesOut   int           // request payload
	BytesIn    int           // reply payload

	Outcome  Outcome
	Failed   int    // calls of it that ended in an error, or will be sent again
	Throttle string // the platform's reason, where it refused the request
	Err      string // why there is no answer; "" when there is
}

// A Recorder takes a [Record] of every invocation. Package report has one that
// makes a page, a trace or JSON of them. Record is called by the executor's
// goroutines, concurrently; it must not block.
type Recorder interface {
	Record(Record)
}

// WithRecorder has every invocation recorded.
func WithRecorder(r Recorder) Option {
	return func(c *config) error {
		if r == nil {
			return errors.New("WithRecorder: the recorder is nil")
		}
		c.recorder = r
		return nil
	}
}
