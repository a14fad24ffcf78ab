package mapreduce

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// Entries are ordered as their keys are, whatever the first bytes tell of them: keys of all lengths, with zeros in them.
func TestEntriesAreOrderedAsKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var arena []byte
	var entries []entry
	for range 2000 {
		key := make([]byte, random.IntN(12))
		for i := range key {
			key[i] = byte(random.IntN(2)) * 0xff
		}
		entries = append(entries, entry{prefix: prefixOf(key), at: len(arena), partition: int32(random.IntN(3)), key: int32(len(key))})
		arena = append(arena, key...)
	}
	want := slices.Clone(entries)
	slices.SortFunc(want, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), bytes.Compare(a.keyIn(arena), b.keyIn(arena)), cmp.Compare(a.at, b.at))
	})
	slices.SortFunc(entries, func(a, b entry) int { return a.order(&b, arena) })
	if !slices.Equal(entries, want) {
		t.Error("another order than that of the keys")
	}
}
