// Package journal makes runs outlive the program. [WithJournal] is an option of lambdapool's
// Map, StarMap, Stream and StreamUnordered. It records each item that has ended in a file,
// before its result is delivered. After a crash, a kill or a power cut the same program goes on
// where it was: what is recorded is delivered from the file and not run again.
//
//	sums, err := lambdapool.Map(ctx, pool, sum, chapters, journal.WithJournal("runs"))
//
// # When to use it
//
// Use it for a run of minutes or hours that would be dear to repeat. A run of seconds is simply
// run again. A journal needs this program, or its successor, to go on. Detached runs
// (lambdapool.MapDetached) go on without it, but need a bucket.
//
// Each run has a file of its own, named after the run: by default the function's name, or what
// [Name] says. Runs over other inputs need other names. A file can be deleted once its run has
// ended and its results are no longer wanted: nothing else does.
//
// # What is recorded
//
// Values, and errors that are final; [lambdapool.Journaled] says which are. [RetryFailed] runs
// those again that failed. An item is known by the function's name and shape, its position and
// a hash of its arguments. They must encode alike in every process, which all but types with a
// changing encoding of their own do. When one differs, the run ends with
// [lambdapool.ErrJournal] and an error that names the item. [StartOver] discards what was
// recorded. Items may be added at the end of the input, but not removed.
//
// Arguments themselves are not in the file unless they have, encoded, at most 15 bytes. Results
// are, as they travel. The file can be read by its owner and group.
//
// Items that were in flight at a crash may have run, and are run again.
//
// # Durability
//
// Results wait until the file system says that they are on disk. All that ended meanwhile is
// written together, so that the disk's latency costs little throughput; a single result waits
// for one or two writes. The file is a bbolt database: a torn write leaves the state before it.
// It is locked and mapped into memory, so it belongs on a local disk: not every network file
// system can do both.
//
// Records carry checksums, and are read as the run reaches them, a few at a time. A full disk,
// another process on the same run, a damaged file and one of a newer version of this package
// are errors that say so. They change nothing in the file.
package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lambdapool/lambdapool"
)

// Why a journal cannot be used. An error of the run that matches one of these also matches
// lambdapool.ErrJournal, which stands for all other causes as well, such as a full disk.
var (
	// ErrLocked says that another run, here or in another process, has the journal open. Wait for
	// it, or give this run another name. A process that died holds no lock.
	ErrLocked = errors.New("in use by another run")
	// ErrCorrupt says that the file is damaged, or no journal. Restore it from a copy, or use
	// StartOver. A file that was cut short while it was made is made again, without a word. A whole
	// bbolt database of something else is kept, also by StartOver: move it away.
	ErrCorrupt = errors.New("damaged")
	// ErrNewer says that a newer version of this package wrote the file. Update the program: it is
	// not damaged.
	ErrNewer = errors.New("of a newer format")
	// ErrOtherFunction says that the file is of a function with another name or shape. Changing a
	// parameter's type is enough. What is recorded cannot be used then.
	ErrOtherFunction = errors.New("of another function")
)

// An Option configures [WithJournal]. A bad one ends the run with lambdapool.ErrJournal before
// any item has run, and so does nil.
type Option func(*directory) error

// Name names the run. The default is the function's name, so that a program which maps a
// function only once needs none. Two runs of a function need two names: at the same time the
// second fails with [ErrLocked], and later it takes the results of the first for its own, or
// ends with lambdapool.ErrJournal where the inputs differ.
//
// It becomes the name of the file, with .journal behind it. Characters that mean something to a
// file system are written as %XX. A name that makes more than 200 bytes is an error, and so is
// an empty one. A good name tells the input: "resize-2026-11-29".
func Name(name string) Option {
	return func(d *directory) error {
		if name == "" {
			return errors.New("Name: the name is empty")
		}
		d.name = name
		return nil
	}
}

// StartOver discards what was recorded of the run. It is best tied to a flag of the program: a
// program that always starts over never continues. A file that is damaged, of another function
// or of a newer version is discarded as well. One that another run has open is not: the error
// matches [ErrLocked] then. Nor is a whole bbolt database of something else: see [ErrCorrupt].
func StartOver() Option {
	return func(d *directory) error {
		d.startOver = true
		return nil
	}
}

// RetryFailed runs items again that are recorded with an error. Values are kept. Use it after a
// mistake in the function was corrected. Without it those items end with the error that is
// recorded, at once, and a line in the log says how many. An item that fails again is recorded again.
// Of a detached run, [lambdapool.Run.RetryFailed] does it.
func RetryFailed() Option {
	return func(d *directory) error {
		d.retryFailed = true
		return nil
	}
}

// WithJournal records the run in a file in dir, which is made if it does not exist, and
// continues what is recorded there. The program says the same at its first start and at every
// later one. Snapshot.Skipped counts the items that came from the file. Items that had failed keep their
// errors: see [RetryFailed].
//
// The file is open from the beginning of the run to its end. A run can have one journal. dir is
// relative to the current directory, and must not be empty.
//
// The run fails with [lambdapool.ErrJournal], and with the errors of this package or of the
// file system, when the file cannot be used. Then nothing is delivered that was not recorded.
// The run can be started again when the cause is gone.
func WithJournal(dir string, opts ...Option) lambdapool.MapOption {
	d := &directory{dir: dir}
	if dir == "" {
		return broken(errors.New("WithJournal: the directory is empty"))
	}
	for _, opt := range opts {
		if opt == nil {
			return broken(errors.New("WithJournal: an option is nil"))
		}
		if err := opt(d); err != nil {
			return broken(err)
		}
	}
	return lambdapool.Journaled(d)
}

// broken is an option whose error is that of the run.
func broken(err error) lambdapool.MapOption { return lambdapool.Journaled(misuse{err}) }

type misuse struct{ err error }

func (m misuse) Open(lambdapool.JournalRun) (lambdapool.JournalLog, error) { return nil, m.err }

// A directory has the files of runs. It implements lambdapool.Journal.
type directory struct {
	dir, name   string
	startOver   bool
	retryFailed bool
}

// extension ends the files' names.
const extension = ".journal"

// maxName bounds a file's name in bytes, as most file systems do at 255.
const maxName = 200

// Open implements lambdapool.Journal.
func (d *directory) Open(run lambdapool.JournalRun) (lambdapool.JournalLog, error) {
	name := d.name
	if name == "" {
		name = run.Func
	}
	file := fileName(name)
	if len(file) > maxName {
		return nil, fmt.Errorf("the name of run %.40q… makes a file name of %d bytes, %d are allowed (journal.Name gives it another)", name, len(file), maxName)
	}
	return openLog(filepath.Join(d.dir, file+extension), run, d)
}

// fileName writes what could mean something to a file system as %XX.
func fileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
