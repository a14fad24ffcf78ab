package report_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// start is when test runs begin.
var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// aRecord is the first of a run.
func aRecord() lambdapool.Record {
	return lambdapool.Record{
		ID: "run-1", Func: "resize", Items: 10, Attempt: 1, Won: true,
		Instance: "i-1", RequestID: "8f5b2c1e-3f6a-4f0e-9d7b-2a1c3e4d5f60", Version: "$LATEST",
		Queued: start, Sent: start.Add(20 * time.Millisecond), Received: start.Add(320 * time.Millisecond),
		Cold: true, Init: 80 * time.Millisecond, Run: 200 * time.Millisecond, CPU: 150 * time.Millisecond,
		Billed: 281 * time.Millisecond, Memory: 1024 << 20, MemoryPeak: 61 << 20, BytesOut: 2000, BytesIn: 500,
		Outcome: lambdapool.OutcomeRan,
	}
}

// simulate makes the records of a run of n invocations on some workers: cold
// starts, stragglers, hedges, throttles, crashes and failed calls among them.
func simulate(n, workers int, record func(lambdapool.Record)) {
	random := rand.New(rand.NewPCG(4, 2))
	type worker struct {
		free     time.Time
		instance int
	}
	pool := make([]worker, workers)
	for i := range pool {
		// Lambda lets load grow: a thousand environments each ten seconds.
		pool[i].free = start.Add(time.Duration(i) * 10 * time.Millisecond)
	}
	errs := []string{"out of memory: killed at 128 MB", "timed out: Task timed out after 3.00 seconds", "unknown outcome: connection reset by peer"}
	for i := range n {
		w := &pool[i%workers]
		r := aRecord()
		r.ID = fmt.Sprintf("run-%d", i+1)
		r.Func = []string{"resize", "resize", "resize", "thumbnail"}[i%4]
		r.RequestID = fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), i)
		r.Instance = fmt.Sprintf("i-%d-%d", i%workers, w.instance)
		r.Sent = w.free
		r.Run = time.Duration(float64(150*time.Millisecond) * (0.6 + random.ExpFloat64()*0.4))
		r.Cold = i < workers || random.IntN(500) == 0
		r.Init = 0
		if r.Cold {
			r.Init = 90*time.Millisecond + time.Duration(random.IntN(60))*time.Millisecond
		}
		switch x := random.IntN(1000); {
		case x < 10: // a straggler
			r.Run *= 15
		case x < 14:
			r.Hedge, r.Won, r.Attempt = true, x%2 == 0, 2
		case x < 30 && i > workers:
			r.Throttle, r.Outcome, r.Run, r.Billed, r.MemoryPeak, r.BytesIn, r.Cold, r.Init = "ReservedFunctionConcurrentInvocationLimitExceeded", lambdapool.OutcomeNotRun, 0, 0, 0, 0, false, 0
		case x < 33:
			r.Err, r.Failed, r.BytesIn = errs[x%3], r.Items, 0
			w.instance++
		case x < 36:
			r.Failed = 1
		case x < 40:
			r.Attempt = 2
		}
		took := 8*time.Millisecond + time.Duration(random.IntN(12))*time.Millisecond + r.Init + r.Run
		if r.Throttle == "" {
			r.Billed = (r.Run + r.Init).Round(time.Millisecond)
		} else {
			took = 9 * time.Millisecond
		}
		r.Received = r.Sent.Add(took)
		w.free = r.Received.Add(time.Duration(random.IntN(2000)) * time.Microsecond)
		record(r)
	}
}
