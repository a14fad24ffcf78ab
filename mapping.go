package lambdapool

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambdapool/lambdapool/internal/schedule"
)

// A mapping is one run of a Map or a stream. A feeder goroutine pulls items
// while there is room in the window and puts them into the run's lane; workers
// take them from there and hand over what became of them, never waiting for the
// consumer.
type mapping[R any] struct {
	e       *Executor
	fn      *Function
	cfg     mapConfig
	parent  context.Context // the caller's
	total   int             // items of the input; -1: not known
	journal *recording[R]   // nil: none

	ctx    context.Context // of the calls: ends with the run
	cancel context.CancelFunc
	lane   *lane
	fed    chan struct{} // closed when the feeder has returned
	news   chan struct{} // holds an entry when batches has
	room   chan struct{} // holds an entry when there may be room again

	// What feeder and consumer tell each other for every item, without a lock.
	place    atomic.Int32 // where the feeder is
	pulled   atomic.Int64 // items taken in; only the feeder writes
	consumed atomic.Int64 // of them, those that the consumer has seen
	waiting  atomic.Bool  // the feeder waits for room

	mu       sync.Mutex
	batches  [][]Result[R] // ended, on the way to the consumer
	spare    [][]Result[R] // that the consumer has done with
	whole    bool          // the input was read to its end
	panicked any           // what the input panicked with
}

// The places of the feeder.
const (
	atWork  int32 = iota // in this package
	inInput              // in the caller's input
	stopped              // takes no more items in, wherever it is
)

// The least default window, of items that may be minutes of work, and what else bounds
// one. See schedule.Chunker.Window for more than that.
const (
	minWindow       = 64
	windowPerWorker = 4
	windowBytes     = 64 << 20 // of waiting arguments
)

// full reports whether the window has no room for another item.
func (m *mapping[R]) full() bool {
	ahead := int(m.pulled.Load() - m.consumed.Load())
	if m.cfg.window > 0 {
		return ahead >= m.cfg.window
	}
	if ahead < max(minWindow, windowPerWorker*m.e.workers) {
		return false
	}
	return m.lane.bytes.Load() > windowBytes ||
		ahead >= int(m.lane.room.Load())
}

// feed pulls args until they end, the run does, or the input panics.
func (m *mapping[R]) feed(args iter.Seq2[[]byte, error]) {
	defer close(m.fed)
	defer func() {
		p := recover()
		m.place.CompareAndSwap(inInput, atWork)
		m.mu.Lock()
		m.panicked = p
		m.mu.Unlock()
		if p != nil {
			m.cancel()
		}
	}()
	if !m.pull() {
		return
	}
	for data, err := range args {
		if !m.place.CompareAndSwap(inInput, atWork) {
			return
		}
		it := laneItem{index: int(m.pulled.Add(1)) - 1, args: data, accepted: time.Now()}
		if !m.enter(it, err) || !m.pull() {
			return
		}
	}
	if m.place.CompareAndSwap(inInput, atWork) && !m.recallEnd() {
		return
	}
	m.mu.Lock()
	m.whole = true
	m.mu.Unlock()
	m.lane.finish()
}

// pull waits for room for one more item, and reports whether the run goes on.
func (m *mapping[R]) pull() bool {
	for m.full() {
		m.waiting.Store(true)
		if !m.full() { // the consumer may not have seen that it should tell
			break
		}
		select {
		case <-m.room:
		case <-m.ctx.Done():
			return false
		}
	}
	m.waiting.Store(false)
	return m.place.CompareAndSwap(atWork, inInput)
}

// enter queues an item, or takes it from the journal; err is that of its
// encoding. It reports whether the run goes on.
func (m *mapping[R]) enter(it laneItem, err error) bool {
	if err == nil {
		found, broken := m.recall(it)
		if broken != nil {
			m.abort(broken)
			m.refuse(it, broken)
			return false
		}
		if found {
			return true
		}
		err = m.lane.push(it)
	}
	if err != nil {
		m.refuse(it, err)
	}
	return true
}

// refuse ends an item that was not accepted.
func (m *mapping[R]) refuse(it laneItem, err error) {
	m.deliver([]laneItem{it}, func(int) itemReply { return itemReply{err: err} })
}

// deliver implements laneOutput. It decodes on the worker's goroutine, so that
// a slow consumer is not slower for it.
func (m *mapping[R]) deliver(items []laneItem, outcome func(i int) itemReply) {
	batch := m.batch(len(items))
	var entries []JournalEntry
	if m.journal != nil {
		entries = m.journal.group(len(items))
	}
	for i := range items {
		r := &batch[i]
		r.Index = items[i].index
		reply := outcome(i)
		err := reply.err
		if m.journal != nil {
			entries = m.journal.enter(entries, &items[i], reply.value, err)
		}
		if err == nil {
			err = decodeContained(&r.Value, m.fn, reply.value, reply.own)
		}
		if err != nil {
			r.Err = &ItemError{Index: r.Index, Err: err}
		}
	}
	if m.journal != nil {
		m.journal.add(entries, batch)
		return
	}
	m.hand(batch)
}

// spareBatches is how many batches are kept for others: one for the consumer, and some
// that workers fill meanwhile.
const spareBatches = 4

// batch returns room for n results.
func (m *mapping[R]) batch(n int) []Result[R] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := len(m.spare) - 1; last >= 0 {
		batch := m.spare[last]
		m.spare = m.spare[:last]
		if cap(batch) >= n {
			return batch[:n]
		}
	}
	return make([]Result[R], n)
}

// done takes a batch back that the consumer has copied.
func (m *mapping[R]) done(batch []Result[R]) {
	clear(batch)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.spare) < spareBatches {
		m.spare = append(m.spare, batch)
	}
}

// hand gives results to the consumer.
func (m *mapping[R]) hand(batches ...[]Result[R]) {
	m.mu.Lock()
	m.batches = append(m.batches, batches...)
	m.mu.Unlock()
	signal(m.news)
}

// signal leaves one entry in a channel of one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// stop takes no more items in and returns how many there are, and whether the
// feeder is held up by the input. If it is not, it may be taking in a last one:
// the number is final when m.fed is closed.
func (m *mapping[R]) stop() (pulled int, blocked bool) {
	blocked = m.place.Swap(stopped) == inInput
	return int(m.pulled.Load()), blocked
}

// received takes what has ended.
func (m *mapping[R]) received() [][]Result[R] {
	m.mu.Lock()
	defer m.mu.Unlock()
	batches := m.batches
	m.batches = nil
	return batches
}

// seen notes that the consumer has one more result.
func (m *mapping[R]) seen() {
	m.consumed.Add(1)
	if m.waiting.Load() {
		signal(m.room)
	}
}

// start sets the run going.
func (m *mapping[R]) start(args iter.Seq2[[]byte, error]) {
	m.ctx, m.cancel = context.WithCancel(m.parent) //nolint:gosec // batchesOf cancels when the run ends
	m.fed = make(chan struct{})
	m.news, m.room = make(chan struct{}, 1), make(chan struct{}, 1)
	m.lane = &lane{
		e: m.e, fn: m.fn, to: m, ctx: m.ctx, total: m.total,
		fixed: m.cfg.chunk, parallel: m.cfg.parallel, window: m.cfg.window, budget: m.cfg.budget, recorded: m.journal != nil, want: max(1, min(m.cfg.chunk, cmp.Or(m.cfg.window, m.cfg.chunk))),
		chunker: schedule.NewChunker(schedule.ChunkLimits{
			Request: m.e.limits.Request, Response: m.e.limits.Response, Timeout: m.e.limits.Timeout,
		}),
	}
	m.lane.makeRoom(max(1, m.cfg.chunk))
	go m.feed(args)
}

// batchesOf runs the calls and yields results in batches, as they end. A batch is the
// consumer's until it asks for the next one.
func (m *mapping[R]) batchesOf(args iter.Seq2[[]byte, error]) iter.Seq[[]Result[R]] {
	return func(yield func([]Result[R]) bool) {
		m.start(args)
		received, blocked := 0, false
		unwatch := context.AfterFunc(m.parent, func() {
			kind, cause := contextKind(m.parent)
			m.lane.stop(callError("call", m.fn.name, kind, cause, ""))
		})
		defer m.startProgress()()
		defer func() {
			// Whatever ends the run, nothing of it may be left in the queue.
			unwatch()
			m.cancel()
			m.lane.stop(callError("call", m.fn.name, ErrCanceled, context.Canceled, ""))
			pulled, inputBlocks := m.stop()
			blocked = (blocked || inputBlocks) && !m.returnsSoon()
			if !blocked {
				<-m.fed
				pulled = int(m.pulled.Load())
			}
			for received < pulled {
				for _, batch := range m.received() {
					received += len(batch)
				}
				if received < pulled {
					<-m.news
				}
			}
			if m.journal != nil {
				m.journal.close()
			}
			if !blocked && m.panicked != nil {
				panic(m.panicked)
			}
		}()
		fed, canceled, pulled := m.fed, m.ctx.Done(), -1
		for pulled < 0 || received < pulled { // it may be one more by now, see stop
			select {
			case <-m.news:
				batches := m.received()
				for _, batch := range batches {
					received += len(batch)
				}
				for _, batch := range batches {
					if !yield(batch) {
						return
					}
					m.done(batch)
				}
			case <-fed:
				fed = nil
				pulled, _ = m.stop()
			case <-canceled:
				// An input that blocks does not hold up the end.
				canceled, fed = nil, nil
				pulled, blocked = m.stop()
			}
		}
	}
}

// inputGrace is how long the end of a run waits for an input that was just being
// asked for an item. Most return at once, and nothing of the run is left behind.
const inputGrace = 10 * time.Millisecond

// returnsSoon reports whether the feeder returns within inputGrace.
func (m *mapping[R]) returnsSoon() bool {
	timer := time.NewTimer(inputGrace)
	defer timer.Stop()
	select {
	case <-m.fed:
		return true
	case <-timer.C:
		return false
	}
}

// asCompleted yields results as calls end.
func (m *mapping[R]) asCompleted(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		failed := false
		for batch := range m.batchesOf(args) {
			for _, r := range batch {
				m.seen()
				failed = failed || r.Err != nil
				if !yield(r) || failed && !m.cfg.continueOnError {
					return
				}
			}
		}
		m.finish(failed, yield)
	}
}

// inOrder yields results in the order of the input.
func (m *mapping[R]) inOrder(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		failed := false
		var early reorder[R]
		for batch := range m.batchesOf(args) {
			for _, r := range batch {
				if r.Index != early.next {
					early.put(r)
					continue
				}
				early.pass()
				for ok := true; ok; r, ok = early.take() {
					m.seen()
					failed = failed || r.Err != nil
					if !yield(r) || failed && !m.cfg.continueOnError {
						return
					}
				}
			}
		}
		m.finish(failed, yield)
	}
}

// finish tells the consumer of a run that was cut short although no item failed.
func (m *mapping[R]) finish(failed bool, yield func(Result[R]) bool) {
	m.mu.Lock()
	whole := m.whole
	m.mu.Unlock()
	pulled := int(m.pulled.Load())
	if failed || whole {
		return
	}
	err := m.unrecorded()
	if err == nil {
		kind, cause := ErrCanceled, errors.New("the input ended its goroutine")
		if m.parent.Err() != nil {
			kind, cause = contextKind(m.parent)
		}
		err = callError("map", m.fn.name, kind, cause, "the input was not read to its end")
	}
	yield(Result[R]{Index: pulled, Err: &ItemError{Index: pulled, Err: err}})
}
