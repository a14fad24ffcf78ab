package lambdapool

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/journaled"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// ErrJournal says that the record of a run cannot be read or written, or is of another
// input. The run has stopped; what was recorded is kept.
var ErrJournal = errors.New("journal")

// A Journal keeps what became of the items of runs, so that a run that was cut
// short can go on. Package journal has one in a directory, journal.WithJournal;
// implement it to keep runs elsewhere. A method of it, or of its log, that panics or
// ends its goroutine ends the run with [ErrJournal], and so does one that has not
// returned five seconds after the run's context has ended.
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
// Items that have a recorded error keep it, and a line in the log says how many. To run them again, once the
// function has been mended, give package journal's option RetryFailed: journal.WithJournal(dir,
// journal.RetryFailed()). A detached run has [Run.RetryFailed].
//
// Results are held back until they are recorded, many at once. When that fails,
// the run ends with [ErrJournal]; nothing is delivered that was not recorded.
func Journaled(j Journal) MapOption {
	return mapOption(func(c *mapConfig) error {
		switch {
		case j == nil:
			return errors.New("Journaled: the journal is nil")
		case c.journal != nil:
			return errors.New("Journaled: the run has a journal already")
		}
		c.journal = j
		return nil
	})
}

// openJournal opens the run's record.
func (m *mapping[R]) openJournal() error {
	if m.cfg.journal == nil {
		return nil
	}
	log, err := contain.Value(m.parent, "Journal.Open", m.cfg.journal, func() (JournalLog, error) {
		return m.cfg.journal.Open(JournalRun{Func: m.fn.Name(), Shape: m.fn.Shape(), Fingerprint: m.fn.Fingerprint()})
	})
	err = m.e.core.Complain(m.fn.Name(), err)
	if err == nil && log == nil {
		err = fmt.Errorf("Open of %T returned neither a log nor an error", m.cfg.journal)
	}
	if err != nil {
		return callError("map", m.fn.Name(), ErrJournal, err, "")
	}
	m.journal = &record[R]{log: log, Recording: journaled.Start(journaled.Config[JournalEntry, []Result[R]]{
		Commit: m.commit, Refuse: m.refuseAll,
		Stop: func(why *failure.Pool) {
			m.lane.Stop(why)
			m.cancel()
		},
		Hand: func(batches [][]Result[R]) { m.ended.Hand(batches...) },
	})}
	return nil
}

// A record is a run's journal, and the way of results through it.
type record[R any] struct {
	*journaled.Recording[JournalEntry, []Result[R]]
	log  JournalLog
	done bool // the feeder has seen the journal's last entry
	old  int  // items that have failed in an earlier run, and have its errors
}

// commit has the journal record entries.
func (m *mapping[R]) commit(entries [][]JournalEntry) *failure.Pool {
	log := m.journal.log
	_, err := contain.Value(m.ctx, "JournalLog.Commit", log, func() (struct{}, error) { return struct{}{}, log.Commit(entries) })
	if err = m.e.core.Complain(m.fn.Name(), err); err == nil {
		return nil
	}
	return &failure.Pool{
		Op: "record", Func: m.fn.Name(), Kind: ErrJournal, Err: err,
		Hint: "put that right and run again: what is recorded is kept, the rest is run again",
	}
}

// refuseAll makes why what became of all items of batch.
func (m *mapping[R]) refuseAll(batch []Result[R], why *failure.Pool) []Result[R] {
	for i := range batch {
		batch[i] = Result[R]{Index: batch[i].Index, Err: &ItemError{Index: batch[i].Index, Err: m.public(why)}}
	}
	return batch
}

// closeJournal waits until all is recorded, and lets the log go.
func (m *mapping[R]) closeJournal() {
	m.journal.Close()
	log, logger := m.journal.log, m.e.core.Ground().Logger
	if old := m.journal.old; old > 0 {
		logger.Warn("lambdapool: items were not run: an earlier run has recorded their errors", "func", m.fn.Name(), "items", old,
			"hint", "journal.RetryFailed() runs them again")
	}
	if _, err := contain.Value(m.ctx, "JournalLog.Close", log, func() (struct{}, error) { return struct{}{}, log.Close() }); err != nil {
		logger.Warn("lambdapool: close journal", "func", m.fn.Name(), "err", err)
	}
}

// unrecorded returns why the journal ended the run, if it did.
func (m *mapping[R]) unrecorded() *failure.Pool {
	if m.journal == nil {
		return nil
	}
	return m.journal.Failed()
}

// identify returns what stands for encoded arguments: themselves and their
// length where there is room, which costs next to nothing, otherwise a hash.
func (m *mapping[R]) identify(args []byte) (id [16]byte) {
	args = registry.Identity(m.fn, args)
	if last := len(id) - 1; len(args) <= last {
		copy(id[:], args)
		id[last] = byte(len(args))
		return id
	}
	sum := sha256.Sum256(args)
	return [16]byte(sum[:len(id)])
}

// record appends the record of an item to entries, if its end is final.
func (m *mapping[R]) record(entries []JournalEntry, it *engine.Item, reply engine.Reply) []JournalEntry {
	data := reply.Value
	if reply.Err != nil {
		var final bool
		if data, final = journaled.EncodeFinal(m.fn, reply.Err); !final {
			return entries
		}
	}
	return append(entries, JournalEntry{Index: it.Index, Args: m.identify(it.Args), Failed: reply.Err != nil, Data: data})
}

// recalled is what the journal has of an item.
type recalled struct {
	entry  JournalEntry
	found  bool
	broken *failure.Pool // the run's end
}

// Recall implements engine.Intake: it looks an item up in the journal.
func (m *mapping[R]) Recall(it engine.Item) {
	j := m.journal
	if j == nil {
		return
	}
	if m.was = (recalled{}); j.done {
		return
	}
	entry, ok, err := m.nextEntry(it.Index)
	switch {
	case err != nil:
		m.was.broken = failure.NotRun("read", m.fn.Name(), ErrJournal, err, "")
	case !ok:
		j.done = true
	case entry.Index != it.Index:
	case entry.Args != m.identify(it.Args):
		m.was.broken = m.otherInput(fmt.Errorf("the input has changed: item %d was recorded with other arguments", it.Index))
	default:
		m.was.entry, m.was.found = entry, true
	}
}

// nextEntry asks the log on this goroutine, which is the feeder's: it may be asked for
// millions of items. If the log ends the goroutine, that ends the run.
func (m *mapping[R]) nextEntry(index int) (entry JournalEntry, ok bool, err error) {
	err = contain.Here("JournalLog.Next", m.journal.log, func() (err error) {
		entry, ok, err = m.journal.log.Next(index)
		return err
	}, func(fault error) { m.journal.Abort(failure.NotRun("read", m.fn.Name(), ErrJournal, fault, "")) })
	return entry, ok, contain.Tame(m.e.core.Complain(m.fn.Name(), err))
}

// deliverRecalled delivers an item from the journal.
func (m *mapping[R]) deliverRecalled(entry JournalEntry) {
	r := Result[R]{Index: entry.Index}
	var err error
	if entry.Failed {
		var failed error
		if err, failed = journaled.DecodeFinal(m.fn.Name(), entry.Data); failed != nil {
			err = failure.NotRun("read", m.fn.Name(), ErrJournal, failed, "")
		}
	} else {
		err = decodeContained(m.ctx, &r.Value, m.fn, entry.Data, false)
	}
	if err != nil {
		r.Err = &ItemError{Index: r.Index, Err: m.public(err)}
		m.journal.old++
	}
	m.lane.Skip(below(r.Err))
	m.ended.Hand([]Result[R]{r})
	m.lane.CheckTolerance(false)
}

// RecallEnd implements engine.Intake: it checks that the journal has nothing after the end of the input. It
// reports whether that is so, or the run is over.
func (m *mapping[R]) RecallEnd() bool {
	if m.journal == nil || m.journal.done {
		return true
	}
	n := m.feed.Pulled()
	entry, ok, err := m.nextEntry(n)
	switch {
	case err != nil:
		m.journal.Abort(failure.NotRun("read", m.fn.Name(), ErrJournal, err, ""))
	case ok:
		m.journal.Abort(m.otherInput(fmt.Errorf("the input has changed: item %d is recorded, and the input has only %d", entry.Index, n)))
	default:
		return true
	}
	return false
}

func (m *mapping[R]) otherInput(err error) *failure.Pool {
	return failure.NotRun("map", m.fn.Name(), ErrJournal, err, "start over to discard the record, or give runs of other inputs another name")
}
