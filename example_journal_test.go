package lambdapool_test

import (
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

// notes is the least that a Journal can be: it lasts as long as the process.
// Package journal has one on disk.
type notes map[int]lambdapool.JournalEntry

func (n notes) Open(lambdapool.JournalRun) (lambdapool.JournalLog, error) {
	return notesLog{n, len(n)}, nil
}

type notesLog struct {
	notes notes
	known int // of an earlier run
}

func (l notesLog) Next(index int) (lambdapool.JournalEntry, bool, error) {
	if index >= l.known {
		return lambdapool.JournalEntry{}, false, nil
	}
	return l.notes[index], true, nil
}

func (l notesLog) Commit(groups [][]lambdapool.JournalEntry) error {
	for _, group := range groups {
		for _, entry := range group {
			l.notes[entry.Index] = entry
		}
	}
	return nil
}

func (l notesLog) Close() error { return nil }

func ExampleJournaled() {
	backend := inproc.New()
	defer backend.Close()
	pool, err := lambdapool.New(backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	kept := notes{}
	for _, numbers := range [][]int{{1, 2}, {1, 2, 3}, {1, 5, 3}} {
		results, err := lambdapool.Map(context.Background(), pool, double, numbers, lambdapool.Journaled(kept))
		fmt.Println(results, err, pool.Stats().Submitted)
	}
	// Output:
	// [2 4] <nil> 2
	// [2 4 6] <nil> 3
	// [] item 1: lambdapool: map test.double: journal: the input has changed: item 1 was recorded with other arguments (start over to discard the record, or give runs of other inputs another name) 3
}
