// Package journaled is what stands between a run and its journal: which ends of an item are final, and how they are
// written down; and a [Recording], through which results go on their way to the consumer, so that nothing is delivered
// that was not recorded.
//
// It knows failures as values (internal/failure) and functions by what they promise (internal/registry). The
// journal itself, which may be a program's own, and results with their types must never enter: a Recording carries
// entries and batches that it does not look into.
package journaled
