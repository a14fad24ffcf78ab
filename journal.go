package lambdapool

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// ErrJournal says that the record of a run cannot be read or written, or is of another
// input. The run has stopped; what was recorded is kept.
var ErrJournal = errors.New("journal")

// A Journal keeps what became of the items of runs, so that a run that was cut
// short can go on. Package journal has one in a directory, journal.WithJournal;
// implement it to keep runs elsewhere.
type Journal interface {
	// Open begins the record of a run, or continues the one there is. Its error
	// ends the run before anything is sent.
	Open(run JournalRun) (JournalLog, error)
}

// A JournalRun says of which function the items are.
type JournalRun struct {
	Func        string // the registered name
	Shape       string // its arguments and result, for people
	Fingerprint uint64 // of name and shape
}

// A JournalLog is the record of one run. Next is called by one goroutine and
// Commit by another at the same time; Close is the last call.
type JournalLog interface {
	// Next returns the first entry at or after index of those that were there
	// when the log was opened, or ok = false where there is none. The indexes
	// that it is called with ascend. The Data is the caller's.
	Next(index int) (entry JournalEntry, ok bool, err error)
	// Commit records entries and returns once they outlive a crash, or an error:
	// then it is not called again. It gets whatever has ended since its last
	// call, from one entry to very many, in groups of ascending indexes. The
	// groups are in no order; Commit may sort them, and keeps nothing of them.
	Commit(groups [][]JournalEntry) error
	// Close lets the record go.
	Close() error
}

// A JournalEntry is what became of an item.
type JournalEntry struct {
	Index  int      // position in the input, from 0
	Args   [16]byte // stands for its encoded arguments: a hash, or themselves
	Failed bool     // Data is an error, otherwise a value
	Data   []byte   // encoded
}

// Journaled records each item of the run in j before it is delivered, and takes
// the items that are there already from there instead of running them:
// the same run after a crash does only what is left. An item is known by the
// function's name and shape, its position in the input and a hash of its
// arguments; when one of them has changed, the run ends with [ErrJournal],
// and the error names the item.
//
// What is recorded is final: a value, a [FunctionError], or a [PoolError] of a
// function that is not [Idempotent] and that ran or may have run, as after
// [ErrOutOfMemory], [ErrAgentCrashed] and [ErrUnknownOutcome]. Not final, and so
// run again by the next run, are errors of the run rather than the item: all of
// functions that did not run, [ErrCanceled], [ErrClosed], [ErrBudget],
// [ErrThrottled], [ErrTimeout], and whatever matches context.Canceled or
// context.DeadlineExceeded. Items that were in flight at a crash are run again.
//
// Results are held back until they are recorded, many at once. When that fails,
// the run ends with [ErrJournal]; nothing is delivered that was not recorded.
func Journaled(j Journal) MapOption {
	return func(c *mapConfig) error {
		switch {
		case j == nil:
			return errors.New("Journaled: the journal is nil")
		case c.journal != nil:
			return errors.New("Journaled: the run has a journal already")
		}
		c.journal = j
		return nil
	}
}

// openJournal opens the run's record.
func (m *mapping[R]) openJournal() error {
	if m.cfg.journal == nil {
		return nil
	}
	log, err := m.cfg.journal.Open(JournalRun{Func: m.fn.name, Shape: m.fn.shape, Fingerprint: m.fn.fingerprint})
	if err != nil {
		return callError("map", m.fn.name, ErrJournal, err, "")
	}
	m.journal = &recording[R]{m: m, log: log, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go m.journal.write()
	return nil
}

// A recording is the way of results through the journal. Workers leave what has
// ended; one goroutine commits all there is and then hands it to the consumer,
// so that a slow disk makes commits larger and not more.
type recording[R any] struct {
	m     *mapping[R]
	log   JournalLog
	wake  chan struct{} // holds an entry when there is something to do
	ended chan struct{} // closed when the writer has returned
	done  bool          // the feeder has seen the journal's last entry

	// Guarded by m.mu.
	entries [][]JournalEntry
	batches [][]Result[R]    // of the entries, not yet recorded
	free    [][]JournalEntry // groups to use again
	failed  error            // why nothing is recorded any more
	closed  bool
}

// identify returns what stands for encoded arguments: themselves and their
// length where there is room, which costs next to nothing, otherwise a hash.
func identify(args []byte) (id [16]byte) {
	if last := len(id) - 1; len(args) <= last {
		copy(id[:], args)
		id[last] = byte(len(args))
		return id
	}
	sum := sha256.Sum256(args)
	return [16]byte(sum[:len(id)])
}

// group returns an empty group, of room for n entries where there was none to
// use again.
func (j *recording[R]) group(n int) []JournalEntry {
	j.m.mu.Lock()
	defer j.m.mu.Unlock()
	last := len(j.free) - 1
	if last < 0 {
		return make([]JournalEntry, 0, n)
	}
	group := j.free[last]
	j.free = j.free[:last]
	return group
}

// recycle takes the groups of a commit.
func (j *recording[R]) recycle(groups [][]JournalEntry) {
	for i := range groups {
		clear(groups[i])
		groups[i] = groups[i][:0]
	}
	j.m.mu.Lock()
	defer j.m.mu.Unlock()
	if len(j.free) < len(groups) { // as many as one commit had
		j.free = groups
	}
}

// enter appends the record of an item, if its end is final.
func (j *recording[R]) enter(entries []JournalEntry, it *laneItem, data []byte, err error) []JournalEntry {
	if err != nil {
		var final bool
		if data, final = j.m.e.encodeFinal(j.m.fn, err); !final {
			return entries
		}
	}
	return append(entries, JournalEntry{Index: it.index, Args: identify(it.args), Failed: err != nil, Data: data})
}

// add takes results to be delivered once entries are recorded.
func (j *recording[R]) add(entries []JournalEntry, batch []Result[R]) {
	j.m.mu.Lock()
	if len(entries) > 0 {
		j.entries = append(j.entries, entries)
	}
	j.batches = append(j.batches, batch)
	j.m.mu.Unlock()
	signal(j.wake)
}

// commitInterval is from one commit to the next at least, where results come
// faster: a disk that is quick to commit would be told of each alone, which costs
// more of the processor than of the disk. Less is hardly cheaper.
const commitInterval = 5 * time.Millisecond

// write records what has ended until the run is over.
func (j *recording[R]) write() {
	defer close(j.ended)
	var last time.Time
	for range j.wake {
		if wait := time.Until(last.Add(commitInterval)); wait > 0 && !j.idle() {
			<-time.After(wait)
		}
		j.m.mu.Lock()
		entries, batches, failed, closed := j.entries, j.batches, j.failed, j.closed
		j.entries, j.batches = nil, nil
		j.m.mu.Unlock()
		if failed == nil && len(entries) > 0 {
			if err := j.log.Commit(entries); err != nil {
				failed = &PoolError{
					Op: "record", Func: j.m.fn.name, Kind: ErrJournal, Err: err,
					Hint: "put that right and run again: what is recorded is kept, the rest is run again",
				}
				j.m.abort(failed)
			}
			last = time.Now()
			j.recycle(entries)
		}
		if failed != nil { // nothing is delivered that was not recorded
			for i := range batches {
				refuseAll(batches[i], failed)
			}
		}
		j.m.hand(batches...)
		if closed {
			return
		}
	}
}

// idle reports whether there is nothing to record.
func (j *recording[R]) idle() bool {
	j.m.mu.Lock()
	defer j.m.mu.Unlock()
	return len(j.entries) == 0
}

// refuseAll makes err what became of all items of batch.
func refuseAll[R any](batch []Result[R], err error) {
	for i := range batch {
		batch[i] = Result[R]{Index: batch[i].Index, Err: &ItemError{Index: batch[i].Index, Err: err}}
	}
}

// close ends the writer and lets the log go. Nothing may be added any more.
func (j *recording[R]) close() {
	j.m.mu.Lock()
	j.closed = true
	j.m.mu.Unlock()
	signal(j.wake)
	<-j.ended
	if err := j.log.Close(); err != nil {
		j.m.e.logger.Warn("lambdapool: close journal", "func", j.m.fn.name, "err", err)
	}
}

// abort ends the run for err.
func (m *mapping[R]) abort(err error) {
	m.mu.Lock()
	if m.journal.failed == nil {
		m.journal.failed = err
	}
	m.mu.Unlock()
	m.lane.stop(err)
	m.cancel()
}

// unrecorded returns why the journal ended the run, if it did.
func (m *mapping[R]) unrecorded() error {
	if m.journal == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.journal.failed
}

// recall delivers the item from the journal, if it is there. An error is the
// run's end.
func (m *mapping[R]) recall(it laneItem) (found bool, err error) {
	j := m.journal
	if j == nil || j.done {
		return false, nil
	}
	entry, ok, err := j.log.Next(it.index)
	switch {
	case err != nil:
		return false, callError("read", m.fn.name, ErrJournal, err, "")
	case !ok:
		j.done = true
		return false, nil
	case entry.Index != it.index:
		return false, nil
	case entry.Args != identify(it.args):
		return false, m.otherInput(fmt.Errorf("the input has changed: item %d was recorded with other arguments", it.index))
	}
	r := Result[R]{Index: it.index}
	if entry.Failed {
		err = m.e.decodeFinal(m.fn, entry.Data)
	} else {
		err = decodeContained(&r.Value, m.fn, entry.Data, false)
	}
	if err != nil {
		r.Err = &ItemError{Index: r.Index, Err: err}
	}
	m.lane.skip(err != nil)
	m.hand([]Result[R]{r})
	return true, nil
}

// recallEnd checks that the journal has nothing after the end of the input. It
// reports whether that is so, or the run is over.
func (m *mapping[R]) recallEnd() bool {
	if m.journal == nil || m.journal.done {
		return true
	}
	n := int(m.pulled.Load())
	entry, ok, err := m.journal.log.Next(n)
	switch {
	case err != nil:
		m.abort(callError("read", m.fn.name, ErrJournal, err, ""))
	case ok:
		m.abort(m.otherInput(fmt.Errorf("the input has changed: item %d is recorded, and the input has only %d", entry.Index, n)))
	default:
		return true
	}
	return false
}

func (m *mapping[R]) otherInput(err error) error {
	return callError("map", m.fn.name, ErrJournal, err, "start over to discard the record, or give runs of other inputs another name")
}

// skip counts an item that was taken from the journal.
func (l *lane) skip(failed bool) {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	if l.total >= 0 {
		l.total-- // of those that will be sent
	}
	l.tally.done++
	l.tally.skipped++
	if failed {
		l.tally.failed++
	}
}
