package lambdapool

import "time"

// A Snapshot is how far a run has come, as [Progress] reports it.
// Items = Done + Running + Queued, of those pulled from the input so far.
type Snapshot struct {
	Func  string // the registered name
	Total int    // items in the input; -1 while it is not known
	Items int    // items pulled from the input so far

	Done    int // items that have ended, the failed ones included
	Failed  int // of them, those that ended in an error
	Skipped int // of those done, the ones that the journal had from an earlier run
	Running int // items in flight
	Queued  int // items waiting for a worker or for their next attempt

	Invocations int // requests sent
	Retried     int // items sent again after an attempt that was no throttle
	Throttled   int // requests refused by the platform
	Hedged      int // duplicates of slow requests
	ColdStarts  int // invocations that began a new agent

	Elapsed time.Duration
	Rate    float64       // items per second, lately
	ETA     time.Duration // until the last item ends, at that rate; -1: not known

	Billed    time.Duration // charged so far
	GBSeconds float64       // memory times Billed, in GB-seconds
	Cost      float64       // US dollars, by the price table of package price

	Final bool // the run has ended: no further Snapshot follows
}
