package engine

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A Feed takes the input of a run in, on a goroutine of its own: it pulls items while there is room in the
// window, and puts them into the run's lane. The consumer tells it what it has seen, and ends it.
type Feed struct {
	lane *Lane
	to   Intake

	Returned chan struct{} // closed when the feeder has returned
	room     chan struct{} // holds an entry when there may be room again

	// What feeder and consumer tell each other for every item, without a lock.
	place    atomic.Int32  // where the feeder is
	grace    time.Duration // for the feeder to return from there; the consumer's
	pulled   atomic.Int64  // items taken in; only the feeder writes
	consumed atomic.Int64  // of them, those that the consumer has seen
	waiting  atomic.Bool   // the feeder waits for room

	mu       sync.Mutex
	whole    bool  // the input was read to its end
	panicked any   // what the input panicked with
	failed   error // what the input said when it failed
}

// An Intake is what a run does with an item that comes in. The feeder's goroutine calls it.
type Intake interface {
	// Recall looks up what is known of an item from an earlier run, before the item counts: it does not if that blocks.
	Recall(Item)
	// Enter takes the item that was looked up last, or refuses it for err, that of its encoding. It reports whether the run goes on.
	Enter(it Item, err error) bool
	// RecallEnd checks that nothing more is known than the input had. It reports whether that is so, or the run is over.
	RecallEnd() bool
}

// The places of a feeder.
const (
	atWork    int32 = iota // in this module
	inInput                // in the caller's input
	inJournal              // in the caller's journal
	stopped                // takes no more items in, wherever it is
)

// NewFeed returns that of a lane, which takes nothing in yet.
func NewFeed(lane *Lane, to Intake) *Feed {
	return &Feed{lane: lane, to: to, Returned: make(chan struct{}), room: make(chan struct{}, 1)}
}

// Start has args taken in until they end, the run does, or the input panics or ends its goroutine. What was
// taken in before that is delivered; then the consumer gets the panic.
func (f *Feed) Start(args iter.Seq2[[]byte, error]) { go f.feed(args) }

// Refuse has nothing taken in.
func (f *Feed) Refuse() { close(f.Returned) }

func (f *Feed) feed(args iter.Seq2[[]byte, error]) {
	defer close(f.Returned)
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover() // nil: the goroutine ends
		f.mu.Lock()
		f.panicked = p
		f.mu.Unlock()
		f.lane.Finish()
	}()
	f.takeIn(args)
	returned = true
}

func (f *Feed) takeIn(args iter.Seq2[[]byte, error]) {
	if !f.pull() {
		return
	}
	for data, err := range args {
		if source, ok := err.(*registry.SourceError); ok { //nolint:errorlint // as registry has made it
			f.fail(source.Err)
			return
		}
		if !f.place.CompareAndSwap(inInput, inJournal) {
			return
		}
		it := Item{Index: f.Pulled(), Args: data, Accepted: time.Now()}
		if err == nil {
			f.to.Recall(it)
		}
		if !f.place.CompareAndSwap(inJournal, atWork) {
			return
		}
		f.pulled.Add(1)
		if !f.to.Enter(it, err) || !f.pull() {
			return
		}
	}
	if f.place.CompareAndSwap(inInput, inJournal) && !f.to.RecallEnd() {
		return
	}
	f.mu.Lock()
	f.whole = true
	f.mu.Unlock()
	f.lane.Finish()
}

// fail notes why the input has failed: what was taken in before is delivered, and no more comes.
func (f *Feed) fail(why error) {
	f.mu.Lock()
	f.failed = contain.Tame(why)
	f.mu.Unlock()
	f.lane.Finish()
}

// Failed returns what the input said when it failed, or nil.
func (f *Feed) Failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// pull waits for room for one more item, and reports whether the run goes on.
func (f *Feed) pull() bool {
	for f.full() {
		f.waiting.Store(true)
		if !f.full() { // the consumer may not have seen that it should tell
			break
		}
		f.lane.Stalled()
		select {
		case <-f.room:
		case <-f.lane.Ctx.Done():
			return false
		}
	}
	f.waiting.Store(false)
	return f.place.CompareAndSwap(atWork, inInput)
}

// full reports whether the window has no room for another item.
func (f *Feed) full() bool { return f.lane.Crowded(int(f.pulled.Load() - f.consumed.Load())) }

// Seen notes that the consumer has one more result.
func (f *Feed) Seen() {
	f.consumed.Add(1)
	if !f.waiting.Load() {
		return
	}
	select {
	case f.room <- struct{}{}:
	default:
	}
}

// Pulled is how many items were taken in.
func (f *Feed) Pulled() int { return int(f.pulled.Load()) }

// Waiting reports whether the feeder waits for room.
func (f *Feed) Waiting() bool { return f.waiting.Load() }

// Whole reports whether the input was read to its end.
func (f *Feed) Whole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.whole
}

// inputGrace is how long the end of a run waits for an input that was just being
// asked for an item. Most return at once, and nothing of the run is left behind.
const inputGrace = 10 * time.Millisecond

// Stop takes no more items in and returns how many there are, and whether the feeder is held up by the input,
// or the journal. If it is not, it may be taking in a last one: the number is final when Returned is closed.
func (f *Feed) Stop() (pulled int, blocked bool) {
	switch f.place.Swap(stopped) {
	case inInput:
		f.grace, blocked = inputGrace, true
	case inJournal:
		f.grace, blocked = contain.Patience, true // to be closed while it is asked could do it harm
	}
	return f.Pulled(), blocked
}

// End waits for a feeder that was stopped, and returns what its input panicked with. One that is blocked is waited for
// a while only, and left behind then; late says that it is the journal which holds it up.
func (f *Feed) End(blocked bool) (left, late bool, panicked any) {
	if blocked && !f.returnsSoon() {
		return true, f.grace == contain.Patience, nil
	}
	<-f.Returned
	return false, false, f.panicked
}

// returnsSoon reports whether the feeder, which is held up, returns within its grace.
func (f *Feed) returnsSoon() bool {
	timer := time.NewTimer(f.grace)
	defer timer.Stop()
	select {
	case <-f.Returned:
		return true
	case <-timer.C:
		return false
	}
}
