package lambdapool

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// A mapping is one run of a Map or a stream. A feeder goroutine pulls items
// and submits them while there is room in the window; calls that end are put
// into a channel as large as the window, so that no worker ever waits for a
// slow consumer.
type mapping[R any] struct {
	e      *Executor
	fn     *Function
	cfg    mapConfig
	parent context.Context // the caller's

	ctx    context.Context // of the calls: ends with the run
	cancel context.CancelFunc
	room   chan struct{}    // one entry for each item between input and consumer
	ended  chan *mapItem[R] // calls that have ended
	fed    chan struct{}    // closed when the feeder has returned

	mu       sync.Mutex
	pulled   int  // items taken in
	whole    bool // the input was read to its end
	stopped  bool // no more are
	inInput  bool // the feeder is in the caller's input
	panicked any  // what the input panicked with
}

// A mapItem is a call of a run.
type mapItem[R any] struct {
	promise

	run   *mapping[R]
	index int
	value R
}

func (it *mapItem[R]) decode(fn *Function, data []byte) error {
	return decodeResult(&it.value, fn, data)
}

func (it *mapItem[R]) completed() { it.run.ended <- it }

func (it *mapItem[R]) result() Result[R] {
	r := Result[R]{Index: it.index, Value: it.value}
	if err := it.failure(); err != nil {
		r.Err = &ItemError{Index: it.index, Err: err}
	}
	return r
}

// feed pulls args until they end, the run does, or the input panics.
func (m *mapping[R]) feed(args iter.Seq2[[]byte, error]) {
	defer close(m.fed)
	defer func() {
		p := recover()
		m.mu.Lock()
		m.panicked, m.inInput = p, false
		m.mu.Unlock()
		if p != nil {
			m.cancel()
		}
	}()
	if !m.pull() {
		return
	}
	for data, err := range args {
		it := m.take()
		if it == nil {
			return
		}
		if !m.e.accept(&it.promise, it, m.ctx, m.fn, data, err) {
			it.completed()
		}
		if !m.pull() {
			return
		}
	}
	m.mu.Lock()
	m.whole = true
	m.mu.Unlock()
}

// pull waits for room for one more item, and reports whether the run goes on.
func (m *mapping[R]) pull() bool {
	select {
	case m.room <- struct{}{}:
	case <-m.ctx.Done():
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inInput = !m.stopped
	return m.inInput
}

// take makes the item that was pulled, unless the run has stopped meanwhile.
func (m *mapping[R]) take() *mapItem[R] {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inInput = false
	if m.stopped {
		return nil
	}
	it := &mapItem[R]{run: m, index: m.pulled}
	m.pulled++
	return it
}

// stop takes no more items and returns how many there are, and whether the
// feeder is held up by the input.
func (m *mapping[R]) stop() (pulled int, blocked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	return m.pulled, m.inInput
}

// items runs the calls and yields them as they end. Whoever has consumed one
// takes an entry out of m.room.
func (m *mapping[R]) items(args iter.Seq2[[]byte, error]) iter.Seq[*mapItem[R]] {
	return func(yield func(*mapItem[R]) bool) {
		m.ctx, m.cancel = context.WithCancel(m.parent)
		m.room = make(chan struct{}, m.cfg.window)
		m.ended = make(chan *mapItem[R], m.cfg.window)
		m.fed = make(chan struct{})
		go m.feed(args)

		received := 0
		defer func() {
			// Whatever ends the run, nothing of it may be left in the queue.
			m.cancel()
			pulled, blocked := m.stop()
			if !blocked {
				<-m.fed
			}
			for ; received < pulled; received++ {
				<-m.ended
			}
			if m.panicked != nil && !blocked {
				panic(m.panicked)
			}
		}()
		fed, canceled, pulled := m.fed, m.ctx.Done(), -1
		for received != pulled {
			select {
			case it := <-m.ended:
				received++
				if !yield(it) {
					return
				}
			case <-fed:
				fed = nil
				pulled, _ = m.stop()
			case <-canceled:
				// An input that blocks does not hold up the end.
				canceled, fed = nil, nil
				pulled, _ = m.stop()
			}
		}
	}
}

// asCompleted yields results as calls end.
func (m *mapping[R]) asCompleted(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		failed := false
		for it := range m.items(args) {
			<-m.room
			r := it.result()
			failed = failed || r.Err != nil
			if !yield(r) || failed && !m.cfg.continueOnError {
				return
			}
		}
		m.finish(failed, yield)
	}
}

// inOrder yields results in the order of the input.
func (m *mapping[R]) inOrder(args iter.Seq2[[]byte, error]) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		failed := false
		early := map[int]*mapItem[R]{}
		index := 0
		for it := range m.items(args) {
			early[it.index] = it
			for early[index] != nil {
				r := early[index].result()
				delete(early, index)
				index++
				<-m.room
				failed = failed || r.Err != nil
				if !yield(r) || failed && !m.cfg.continueOnError {
					return
				}
			}
		}
		m.finish(failed, yield)
	}
}

// finish tells the consumer of a run that was cut short although no item failed.
func (m *mapping[R]) finish(failed bool, yield func(Result[R]) bool) {
	m.mu.Lock()
	pulled, whole := m.pulled, m.whole
	m.mu.Unlock()
	if failed || whole {
		return
	}
	kind, cause := ErrCanceled, errors.New("the input ended its goroutine")
	if m.parent.Err() != nil {
		kind, cause = contextKind(m.parent)
	}
	err := callError("map", m.fn.name, kind, cause, "the input was not read to its end")
	yield(Result[R]{Index: pulled, Err: &ItemError{Index: pulled, Err: err}})
}
