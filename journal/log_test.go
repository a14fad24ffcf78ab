package journal_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/journal"
)

// Whatever the order in which items end, they are read by index, and only
// those near it are in memory.
func TestReadingInOrder(t *testing.T) {
	const items, window = 60_000, 500
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	log := open(t, dir)
	var want []lambdapool.JournalEntry
	var flying [][]lambdapool.JournalEntry
	for i := 0; i < items || len(flying) > 0; {
		for i < items && len(flying) < window/5 {
			var group []lambdapool.JournalEntry
			for range 1 + random.IntN(10) {
				if i++; random.IntN(10) > 0 {
					group = append(group, entry(i-1, random))
				}
			}
			if len(group) > 0 {
				want = append(want, group...)
				flying = append(flying, group)
			}
		}
		random.Shuffle(len(flying), func(a, b int) { flying[a], flying[b] = flying[b], flying[a] })
		n := len(flying) - random.IntN(len(flying))
		if err := log.Commit(slices.Clone(flying[:n])); err != nil {
			t.Fatal(err)
		}
		flying = flying[n:]
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	log = open(t, dir)
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	var got []lambdapool.JournalEntry
	for i := 0; ; i++ {
		e, ok, err := log.Next(i)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, e)
		i = e.Index
		if size, records := log.Held(); size > 2*journal.ReadAhead {
			t.Fatalf("%d bytes in %d records are in memory", size, records)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if w.Index != g.Index || w.Args != g.Args || w.Failed != g.Failed || !bytes.Equal(w.Data, g.Data) {
			t.Fatalf("entry %d is of item %d, want %d:\n%v\n%v", i, g.Index, w.Index, g, w)
		}
	}
}

// Next may jump over entries.
func TestNextJumps(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(3, 4))
	log := open(t, dir)
	for _, at := range []int{0, 5000, 10, 7} {
		if err := log.Commit([][]lambdapool.JournalEntry{{entry(at, random)}, {entry(at+1, random)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := log.Next(0); ok || err != nil {
		t.Errorf("an entry of this run is found: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log = open(t, dir)
	for _, test := range []struct{ at, want int }{{0, 0}, {0, 0}, {2, 7}, {8, 8}, {11, 11}, {12, 5000}, {5002, -1}, {6000, -1}} {
		e, ok, err := log.Next(test.at)
		if !ok {
			e.Index = -1
		}
		if e.Index != test.want || err != nil {
			t.Errorf("Next(%d) = %d, %v, want %d", test.at, e.Index, err, test.want)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *journal.Log {
	t.Helper()
	log, err := journal.Open(dir, "run", lambdapool.JournalRun{Func: "f", Fingerprint: 1})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func entry(index int, random *rand.Rand) lambdapool.JournalEntry {
	e := lambdapool.JournalEntry{Index: index, Failed: random.IntN(5) == 0, Data: make([]byte, random.IntN(200))}
	binary.LittleEndian.PutUint64(e.Args[:], random.Uint64())
	if len(e.Data) > 2 {
		e.Data[1] = byte(random.Uint32())
	}
	return e
}
