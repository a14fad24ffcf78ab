package report

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/grouping"
	"github.com/lambdapool/lambdapool/price"
)

// DefaultLimit is how many invocations a [Recorder] keeps unless it is told otherwise: about 64
// MB of memory. A Report and a page of that many are still handy.
const DefaultLimit = 250_000

// A Recorder keeps what executors did, for a [Report]. It is a [lambdapool.Recorder], and its
// zero value is ready:
//
//	var rec report.Recorder
//	pool, err := lambdapool.New(backend, lambdapool.WithRecorder(&rec))
//
// Each invocation takes about 250 bytes, up to Limit of them. Of more than that a uniform
// sample is kept: counts and sums stay exact, timelines and percentiles become estimates. So a
// service may keep one for days.
//
// It is safe for concurrent use, and several executors may share one. It cannot be emptied: for
// a report of each run, make an executor with a Recorder for each. The fields must not be
// changed, and it must not be copied, once it is used.
type Recorder struct {
	// Limit is how many invocations are kept at most. 0 or less is [DefaultLimit].
	Limit int

	// Arch is whose price is estimated. The default is the dearer, price.X86. Agents do not say
	// what they are: set it for a function on arm64.
	Arch price.Arch

	mu     sync.Mutex
	epoch  time.Time // what times are counted from: the first record's
	chunks [][]entry // full ones, but for the last
	kept   int
	names  names
	sum    Totals
	failed grouping.Groups
	rates  rates
}

// chunkSize bounds what is allocated, and copied never, while others wait.
const chunkSize = 1024

var _ lambdapool.Recorder = (*Recorder)(nil)

// Record keeps r. The executor calls it; call it yourself to make a report of records that you have
// kept elsewhere. It does not block, but for other calls of Record and for the moment in which
// Report copies.
func (rec *Recorder) Record(r lambdapool.Record) {
	// The strings may be parts of larger ones, which they would keep alive.
	r.ID, r.RequestID = strings.Clone(r.ID), strings.Clone(r.RequestID)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.epoch.IsZero() {
		rec.epoch = firstTime(r)
	}
	e := rec.pack(&r)
	rec.sum.add(&r, &e)
	group(&rec.failed, &r)
	rec.rates.add(&r)
	limit := rec.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	if rec.kept < limit {
		if rec.kept%chunkSize == 0 {
			rec.chunks = append(rec.chunks, make([]entry, 0, min(chunkSize, limit-rec.kept)))
		}
		last := &rec.chunks[len(rec.chunks)-1]
		*last = append(*last, e)
		rec.kept++
		return
	}
	// Algorithm R: each of n is kept with probability limit/n.
	if i := rand.Int64N(rec.sum.Invocations); i < int64(limit) { //nolint:gosec // a sample, no secret
		rec.chunks[i/chunkSize][i%chunkSize] = e
	}
}

// firstTime returns the earliest time that r has. Its monotonic reading, where
// it has one, makes later differences immune to a clock that is set.
func firstTime(r lambdapool.Record) time.Time {
	for _, t := range []time.Time{r.Queued, r.Sent, r.Received} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Now()
}

// An entry is a Record in a third of the space.
type entry struct {
	id, requestID string

	queued, sent, received time.Duration // since the epoch; in this order
	init, run, cpu, billed time.Duration

	memory, memoryPeak int64
	bytesOut, bytesIn  int64

	function, instance, version, throttle, err uint32 // in names

	items, failed int32
	attempt       int32
	outcome       lambdapool.Outcome
	hedge         bool
	won           bool
	cold          bool
}

// farAway is what a broken clock can be off by: sums of it do not overflow.
const farAway = 50 * 365 * 24 * time.Hour

// pack makes an entry whose times make sense: whatever the clock did, an
// invocation is sent after it was queued, and received after it was sent.
func (rec *Recorder) pack(r *lambdapool.Record) entry {
	e := entry{
		id: r.ID, requestID: r.RequestID,
		init: max(r.Init, 0), run: max(r.Run, 0), cpu: max(r.CPU, 0), billed: max(r.Billed, 0),
		memory: max(r.Memory, 0), memoryPeak: max(r.MemoryPeak, 0),
		bytesOut: int64(r.BytesOut), bytesIn: int64(r.BytesIn),
		function: rec.names.id(r.Func), instance: rec.names.id(r.Instance), version: rec.names.id(r.Version),
		throttle: rec.names.id(r.Throttle), err: rec.names.id(r.Err),
		items: int32(r.Items), failed: int32(r.Failed), attempt: int32(r.Attempt),
		outcome: r.Outcome, hedge: r.Hedge, won: r.Won, cold: r.Cold,
	}
	since := func(t time.Time, otherwise time.Duration) time.Duration {
		if t.IsZero() {
			return otherwise
		}
		return max(min(t.Sub(rec.epoch), farAway), -farAway)
	}
	e.queued = since(r.Queued, since(r.Sent, since(r.Received, 0)))
	e.sent = max(since(r.Sent, e.queued), e.queued)
	e.received = max(since(r.Received, e.sent), e.sent)
	return e
}

// answered reports whether the functions ran and were heard of, whatever they returned.
func (e *entry) answered() bool { return e.err == 0 && e.throttle == 0 }

// duration is what the client saw; overhead that of it which the agent did not
// run: network, platform, cold start.
func (e *entry) duration() time.Duration { return e.received - e.sent }
func (e *entry) overhead() time.Duration { return max(e.duration()-e.run, 0) }

// names numbers strings. The first is "". Errors may all differ, so it is
// bounded in number and length.
type names struct {
	ids  map[string]uint32
	list []string
}

// Bounds of names. A million different error messages would otherwise be kept in full.
const (
	maxNames = 1 << 16
	maxName  = 300 // bytes
	tooMany  = "(one of too many)"
)

// id returns the number of s. What comes after the last number that is free shares one.
func (n *names) id(s string) uint32 {
	if s == "" {
		return 0
	}
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	if id, ok := n.ids[s]; ok {
		return id
	}
	if n.ids == nil {
		n.ids = map[string]uint32{}
		n.list = []string{""}
	}
	if len(n.list) > maxNames {
		return n.ids[tooMany]
	}
	if len(n.list) == maxNames {
		s = tooMany
	}
	id := uint32(len(n.list))
	s = strings.Clone(s)
	n.ids[s] = id
	n.list = append(n.list, s)
	return id
}
