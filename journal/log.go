package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/lambdapool/lambdapool"
)

// The file is a bbolt database of two buckets. "run" says what it is of; in
// "items" are records, each of many items, in the order of their first.
var (
	runBucket   = []byte("run")
	itemsBucket = []byte("items")

	formatKey      = []byte("format")
	functionKey    = []byte("function")
	shapeKey       = []byte("shape")
	fingerprintKey = []byte("fingerprint")
)

// format is the version of what is in the buckets.
const format = 1

// lockPatience is how long a file may be locked: not at all, but for the moment
// that bbolt needs to find out.
const lockPatience = time.Millisecond

// A log is an open file. It implements lambdapool.JournalLog.
type log struct {
	path    string
	db      *bbolt.DB
	file    *os.File // that of db
	faulted atomic.Bool
	reader  reader
}

// openLog opens the file of a run, or makes it.
func openLog(path string, run lambdapool.JournalRun, d *directory) (*log, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	l := &log{path: path}
	err := l.open()
	readable := err == nil
	if d.startOver && readable {
		if err := l.guard(func() error { return l.db.View(ours) }); errors.Is(err, errForeign) {
			return nil, errors.Join(l.explain(err), l.close())
		}
	}
	if d.startOver && (readable || errors.Is(err, ErrNewer)) || errors.Is(err, ErrCorrupt) && (d.startOver || unborn(path)) {
		// While it is locked: nobody else may have begun to write.
		err = os.Remove(path)
		if readable {
			err = errors.Join(err, l.close())
		}
		if err == nil {
			err = l.open()
		}
	}
	if err != nil {
		return nil, err
	}
	if err = l.guard(func() error { return l.begin(run) }); err == nil {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(l.explain(err), l.close())
	}
	l.reader.retryFailed = d.retryFailed
	return l, nil
}

// open opens the database and locks it.
func (l *log) open() error {
	l.db, l.file = nil, nil
	l.faulted.Store(false)
	err := l.guard(func() (err error) {
		l.db, err = bbolt.Open(l.path, 0o640, &bbolt.Options{
			Timeout: lockPatience,
			// The list of free pages stays in the file: without it, bbolt looks for
			// them on a goroutine of its own, where damage would be a panic that
			// nobody can contain.
			NoFreelistSync: false,
			FreelistType:   bbolt.FreelistMapType,
			NoStatistics:   true,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				l.file, err = os.OpenFile(name, flag, mode)
				return l.file, err
			},
		})
		return err
	})
	if err == nil {
		err = l.stillThere()
	}
	if err == nil {
		return nil
	}
	var errno syscall.Errno
	if !errors.Is(err, bolterrors.ErrTimeout) && !errors.As(err, &errno) && unborn(l.path) {
		err = fmt.Errorf("%w: %w", errFault, err)
	}
	return errors.Join(l.explain(err), l.close())
}

// close lets the file go. After a fault bbolt may hold its own locks for ever,
// and memory is still mapped, which would keep the file locked.
func (l *log) close() error {
	switch {
	case l.faulted.Load():
		if l.file != nil {
			unlock(l.file)
			_ = l.file.Close()
		}
		return nil
	case l.db == nil:
		return nil
	}
	return l.guard(l.db.Close)
}

// stillThere checks that the file which is locked is the one that has the name,
// and was not replaced between opening and locking it.
func (l *log) stillThere() error {
	locked, err := l.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(l.path)
	if err != nil || !os.SameFile(locked, named) {
		return ErrLocked
	}
	return nil
}

// unborn reports whether a damaged file is no longer than bbolt's first write, and a part of it:
// then it was cut short when it was made, and nothing was ever recorded in it.
func unborn(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil || info.Size() > 4*int64(os.Getpagesize()) {
		return false
	}
	// A page header of bbolt's first meta page, and its magic. What has not reached the disk is zero.
	begin := make([]byte, 20)
	begin[8] = 4
	binary.NativeEndian.PutUint32(begin[16:], 0xED0CDAED)
	got := make([]byte, len(begin))
	n, err := io.ReadFull(file, got)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	for i, b := range got[:n] {
		if b != begin[i] && b != 0 {
			return false
		}
	}
	return true
}

// errForeign: the database is whole, and not a journal.
var errForeign = fmt.Errorf("%w: it is a bbolt database of something else", ErrCorrupt)

// ours returns an error unless the database is a journal, or empty.
func ours(tx *bbolt.Tx) error {
	if k, _ := tx.Cursor().First(); k != nil && tx.Bucket(runBucket) == nil {
		return errForeign
	}
	return nil
}

// begin checks what the file is of, or writes it into a new one.
func (l *log) begin(run lambdapool.JournalRun) error {
	var known bool
	err := l.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(runBucket)
		if known = b != nil; known {
			if err := check(b, run); err != nil {
				return err
			}
			return l.reader.init(tx)
		}
		return ours(tx)
	})
	if known || err != nil {
		return err
	}
	return l.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(runBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(itemsBucket); err != nil {
			return err
		}
		return errors.Join(
			b.Put(formatKey, binary.AppendUvarint(nil, format)),
			b.Put(functionKey, []byte(run.Func)),
			b.Put(shapeKey, []byte(run.Shape)),
			b.Put(fingerprintKey, binary.BigEndian.AppendUint64(nil, run.Fingerprint)),
		)
	})
}

// check compares what the file is of with the run.
func check(b *bbolt.Bucket, run lambdapool.JournalRun) error {
	version, n := binary.Uvarint(b.Get(formatKey))
	fingerprint := b.Get(fingerprintKey)
	switch {
	case n <= 0 || version == 0:
		return fmt.Errorf("%w: it has no format", ErrCorrupt)
	case version > format:
		return fmt.Errorf("%w: %d, and this program knows up to %d", ErrNewer, version, format)
	case len(fingerprint) != 8:
		return fmt.Errorf("%w: it has no fingerprint", ErrCorrupt)
	case binary.BigEndian.Uint64(fingerprint) != run.Fingerprint:
		return fmt.Errorf("%w: it is of %s %s, the run is of %s %s",
			ErrOtherFunction, b.Get(functionKey), b.Get(shapeKey), run.Func, run.Shape)
	case b.Tx().Bucket(itemsBucket) == nil:
		return fmt.Errorf("%w: it has no items", ErrCorrupt)
	}
	return nil
}

// Next implements lambdapool.JournalLog.
func (l *log) Next(index int) (lambdapool.JournalEntry, bool, error) {
	entry, ok, err := l.reader.next(index, l)
	return entry, ok, l.explain(err)
}

// Commit implements lambdapool.JournalLog: one transaction for all.
func (l *log) Commit(groups [][]lambdapool.JournalEntry) error {
	return l.explain(l.guard(func() error {
		return l.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(itemsBucket)
			b.FillPercent = 0.95 // records come almost in order
			for first, record := range records(groups) {
				sequence, err := b.NextSequence()
				if err != nil {
					return err
				}
				key := recordKey(first, sequence)
				if err := b.Put(key, seal(key, record)); err != nil {
					return err
				}
			}
			return nil
		})
	}))
}

// Close implements lambdapool.JournalLog.
func (l *log) Close() error { return l.explain(l.close()) }

// explain adds the file and a way out to err.
func (l *log) explain(err error) error {
	hint := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout), errors.Is(err, ErrLocked):
		err, hint = ErrLocked, "wait for it, or give this run another name"
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		err, hint = fmt.Errorf("%w: %w", ErrNewer, err), "update the program, or start over"
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, errFault):
		err, hint = fmt.Errorf("%w: %w", ErrCorrupt, err), "restore it from a copy, or start over"
	case errors.Is(err, errForeign):
		hint = "move it away, or give this run another name"
	case errors.Is(err, ErrCorrupt):
		hint = "restore it from a copy, or start over"
	case errors.Is(err, ErrNewer):
		hint = "update the program, or start over"
	case errors.Is(err, ErrOtherFunction):
		hint = "start over, or give this run another name"
	}
	if hint != "" {
		hint = " (" + hint + ")"
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == l.path {
		return fmt.Errorf("%w%s", err, hint) // it names the file
	}
	return fmt.Errorf("%s: %w%s", l.path, err, hint)
}

// errFault: bbolt stumbled over what it read.
var errFault = errors.New("unreadable pages")

// guard contains bbolt's panics, and the faults of the memory that it maps: a
// file cut short under it must not take the program down.
func (l *log) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			l.faulted.Store(true)
			err = fmt.Errorf("%w: %v", errFault, p)
		}
	}()
	return f()
}
