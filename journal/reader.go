package journal

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool"
)

// readAhead is how many bytes of records a transaction reads. A transaction
// that stayed open for the whole run would keep the file from growing.
const readAhead = 1 << 20

// A reader merges the records that were in the file when it was opened, by
// index. It holds those that begin at or before the index it was asked for, and
// some read ahead.
type reader struct {
	retryFailed bool
	after       []byte      // the key that was read last
	until       []byte      // the last key; nil: none
	ahead       []*unpacker // read, and not begun; in order
	begun       []*unpacker // few: as many as there were commits while an item ran
}

// init notes where the file ends.
func (r *reader) init(tx *bbolt.Tx) error {
	last, _ := tx.Bucket(itemsBucket).Cursor().Last()
	r.until = bytes.Clone(last)
	return nil
}

// next returns the first entry at or after index.
func (r *reader) next(index int, l *log) (lambdapool.JournalEntry, bool, error) {
	for {
		entry, ok, err := r.first(index, l)
		if !ok || err != nil || !entry.Failed || !r.retryFailed {
			return entry, ok, err
		}
		index = entry.Index + 1
	}
}

// first is next of all entries, also those that are to be run again. An item
// that was run again has two; the later one counts.
func (r *reader) first(index int, l *log) (entry lambdapool.JournalEntry, ok bool, err error) {
	r.begun = slices.DeleteFunc(r.begun, func(u *unpacker) bool { return !u.seek(index) })
	var found *unpacker
	for {
		for _, u := range r.begun {
			if found == nil || u.entry.Index < found.entry.Index ||
				u.entry.Index == found.entry.Index && u.sequence > found.sequence {
				found = u
			}
		}
		if len(r.ahead) == 0 {
			if err := r.fill(l); err != nil {
				return entry, false, err
			}
		}
		if len(r.ahead) == 0 || found != nil && r.ahead[0].entry.Index > found.entry.Index {
			break
		}
		u := r.ahead[0]
		r.ahead = r.ahead[1:]
		if u.seek(index) {
			r.begun = append(r.begun, u)
		}
	}
	if found == nil {
		return entry, false, nil
	}
	return found.entry, true, nil
}

// seek goes to the first item at or after index, and reports whether there is one.
func (u *unpacker) seek(index int) bool {
	for u.entry.Index < index {
		if !u.advance() {
			return false
		}
	}
	return true
}

// fill reads some records ahead.
func (r *reader) fill(l *log) error {
	if r.until == nil {
		return nil
	}
	return l.guard(func() error {
		return l.db.View(func(tx *bbolt.Tx) error {
			cursor := tx.Bucket(itemsBucket).Cursor()
			key, value := cursor.Seek(r.after)
			if r.after != nil && bytes.Equal(key, r.after) {
				key, value = cursor.Next()
			}
			r.ahead = r.ahead[:0]
			for size := 0; key != nil && size < readAhead; key, value = cursor.Next() {
				if bytes.Compare(key, r.until) > 0 {
					break
				}
				u, err := unpack(bytes.Clone(key), bytes.Clone(value))
				if err != nil {
					return fmt.Errorf("%w: record %x: %w", ErrCorrupt, key, err)
				}
				r.ahead = append(r.ahead, u)
				r.after = bytes.Clone(key)
				size += len(value)
			}
			if len(r.ahead) == 0 {
				r.until = nil
			}
			return nil
		})
	})
}
