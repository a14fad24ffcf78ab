package lambdapool

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/order"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A mapping is one run of a Map or a stream. Its feed pulls items while there is room in
// the window and puts them into the run's lane; workers take them from there and hand
// over what became of them, never waiting for the consumer.
type mapping[R any] struct {
	e       *Executor
	fn      *registry.Function
	cfg     mapConfig
	parent  context.Context    // the caller's
	total   int                // items of the input; -1: not known
	refused *failure.Pool      // why the run cannot begin
	every   bool               // each of total items gets a result, those that are never taken in too
	journal *record[R]         // nil: none
	was     recalled           // of the item that is being taken in; the feeder's
	keyOf   func(i int) string // of the item that is being taken in, for its rate; nil: none
	ordered bool               // the consumer sees results in the order of the input
	broke   error              // of the item that has ended the run; the consumer's
	left    bool               // the consumer has stopped reading
	over    atomic.Bool        // nothing of the run is left
	run     RunEvent
	heard   *engine.Audience

	ctx    context.Context // of the calls: ends with the run
	cancel context.CancelFunc
	lane   *engine.Lane
	feed   *engine.Feed
	ended  *order.Batches[Result[R]] // on the way to the consumer
}

// Enter implements engine.Intake: it queues an item, or delivers what was recalled of it.
func (m *mapping[R]) Enter(it engine.Item, err error) bool {
	switch was := &m.was; {
	case err != nil:
	case was.broken != nil:
		m.journal.Abort(was.broken)
		m.refuse(it, was.broken)
		return false
	case was.found:
		m.deliverRecalled(was.entry)
		return true
	default:
		var key string
		if key, err = m.key(it.Index); err == nil {
			err = m.lane.Push(it, key)
		}
	}
	if err != nil {
		m.refuse(it, err)
	}
	return !errors.Is(err, ErrTooManyFailures)
}

// refuse ends an item that was not accepted.
func (m *mapping[R]) refuse(it engine.Item, err error) {
	m.Deliver([]engine.Item{it}, false, func(int) engine.Reply { return engine.Reply{Err: err} })
}

// Deliver implements laneOutput. It decodes on the worker's goroutine, so that
// a slow consumer is not slower for it.
func (m *mapping[R]) Deliver(items []engine.Item, accepted bool, outcome func(i int) engine.Reply) {
	batch := m.ended.Room(len(items))
	var entries []JournalEntry
	if m.journal != nil {
		entries = m.journal.Group(len(items))
	}
	for i := range items {
		r := &batch[i]
		r.Index = items[i].Index
		reply := outcome(i)
		err := m.public(reply.Err)
		if m.journal != nil {
			entries = m.record(entries, &items[i], reply)
		}
		if err == nil {
			err = m.public(decodeContained(m.ctx, &r.Value, m.fn, reply.Value, reply.Own))
		}
		if err != nil {
			r.Err = &ItemError{Index: r.Index, Err: err}
		}
	}
	m.lane.Count(len(batch), accepted, func(i int) error { return below(batch[i].Err) })
	failed := slices.IndexFunc(batch, func(r Result[R]) bool { return r.Err != nil })
	if failed >= 0 && m.heard != nil {
		m.tellFailed(batch[failed:])
	}
	if m.journal != nil {
		m.journal.Add(entries, batch)
	} else {
		m.ended.Hand(batch)
	}
	if failed >= 0 { // the consumer may not come to it before a worker takes the next
		m.lane.Failed(items[failed].Index)
	}
}

// public returns what the consumer sees of an item's failure.
func (m *mapping[R]) public(err error) error {
	if err == nil { // of most items
		return nil
	}
	return public(m.fn, m.e.registry, err)
}

// start sets the run going.
func (m *mapping[R]) start(args iter.Seq2[[]byte, error]) {
	m.ctx, m.cancel = context.WithCancel(m.parent) //nolint:gosec // batchesOf cancels when the run ends
	m.heard = m.e.core.Audience(m.parent, m.fn.Name(), m.cfg.observers)
	m.ended = order.NewBatches[Result[R]]()
	m.lane = m.e.core.NewLane(engine.LaneConfig{
		Fn: m.fn, To: m, Ctx: m.ctx, Total: m.total, Policy: m.cfg.policy, Fails: m.fails(),
		Chunk: m.cfg.chunk, Parallel: m.cfg.parallel, Window: m.cfg.window, Budget: engine.Budget(m.cfg.budget), Tolerance: m.tolerance(),
		Rate: m.cfg.rate, KeyRate: m.cfg.keyRate, Recorded: m.journal != nil, Audience: m.heard, Logs: m.cfg.logs,
	})
	m.feed = engine.NewFeed(m.lane, m)
	if m.refused != nil {
		m.lane.Stop(m.refused)
		m.feed.Refuse()
		return
	}
	m.heard.RunStart(m.event())
	m.feed.Start(args)
}

// goesOn reports whether the run does after an item has failed.
func (m *mapping[R]) goesOn() bool { return m.cfg.continueOnError || m.cfg.tolerance != nil }

// fails is what the run begins after a failure.
func (m *mapping[R]) fails() engine.FailMode {
	switch {
	case m.goesOn():
		return engine.FailNot
	case m.ordered:
		return engine.FailInOrder
	}
	return engine.FailAll
}

// batchesOf runs the calls and yields results in batches, as they end. A batch is
// sorted by Index, and the consumer's.
func (m *mapping[R]) batchesOf(args iter.Seq2[[]byte, error]) iter.Seq[[]Result[R]] {
	return func(yield func([]Result[R]) bool) {
		m.start(args)
		received, blocked := 0, false
		unwatch := context.AfterFunc(m.parent, func() {
			kind, cause := failure.Context(m.parent)
			m.lane.Stop(failure.NotRun("call", m.fn.Name(), kind, cause, engine.HintRunEnded))
		})
		defer m.observed()
		defer m.startProgress()()
		defer func() {
			// Whatever ends the run, nothing of it may be left in the queue.
			unwatch()
			m.cancel()
			m.lane.Stop(failure.NotRun("call", m.fn.Name(), ErrCanceled, context.Canceled, engine.HintRunEnded))
			m.lane.Abandon()
			pulled, inputBlocks := m.feed.Stop()
			left, late, panicked := m.feed.End(blocked || inputBlocks)
			if !left {
				pulled = m.feed.Pulled()
			}
			if late {
				_ = m.e.core.Complain(m.fn.Name(), contain.Late("JournalLog.Next", m.journal.log)) // the run ends for another reason
			}
			for received < pulled {
				for _, batch := range m.ended.Received() {
					received += len(batch)
				}
				if received < pulled {
					<-m.ended.News
				}
			}
			if m.journal != nil {
				m.closeJournal()
			}
			if panicked != nil {
				panic(panicked)
			}
		}()
		fed, canceled, pulled := m.feed.Returned, m.ctx.Done(), -1
		wait := m.lane.NestedWait(m.parent, m.ended.HasNews, m.feed.Waiting)
		for pulled < 0 || received < pulled { // it may be one more by now, see stop
			wait.Begin()
			select {
			case <-m.ended.News:
				wait.End()
				batches := m.ended.Received()
				for _, batch := range batches {
					received += len(batch)
				}
				for _, batch := range batches {
					if !yield(batch) {
						m.left = true
						return
					}
				}
			case <-fed:
				wait.End()
				fed = nil
				pulled, _ = m.feed.Stop()
			case <-canceled:
				wait.End()
				// An input that blocks does not hold up the end.
				canceled, fed = nil, nil
				pulled, blocked = m.feed.Stop()
			}
		}
		m.lane.CheckTolerance(m.feed.Whole())
	}
}

// asCompleted yields results as calls end.
func (m *mapping[R]) asCompleted(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	return m.results(m.batchesOf(args))
}

// inOrder yields results in the order of the input.
func (m *mapping[R]) inOrder(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	m.ordered = true
	return m.results(func(yield func([]Result[R]) bool) {
		early := order.NewBuffer(func(r *Result[R]) int { return r.Index })
		for batch := range m.batchesOf(args) {
			early.Put(batch)
			for results := range early.Ready() {
				if !yield(results) {
					return
				}
			}
		}
	})
}
