package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"slices"

	"github.com/lambdapool/lambdapool"
)

// A record is several items in ascending order, so that a small result costs
// bytes and not a key of its own. Its key is that of its first item and a
// sequence number; its value is a checksum of key and items, and the items:
//
//	uvarint   index, less that of the item before (of the key, for the first)
//	byte      1: an error, 0: a value
//	16 bytes  what stands for the arguments
//	uvarint   length of what follows
//	          data
//
// It ends at recordSize, or where the next item is further than recordGap away:
// the ranges of records overlap, and the reader holds those that it is inside of.
const (
	recordSize = 64 << 10
	recordGap  = 1 << 10
	keySize    = 16
	sumSize    = 4
	itemRoom   = 32 // of an item without its data, at most
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordKey is ordered by index, then by sequence.
func recordKey(first int, sequence uint64) []byte {
	key := make([]byte, 0, keySize)
	key = binary.BigEndian.AppendUint64(key, uint64(first))
	return binary.BigEndian.AppendUint64(key, sequence)
}

// records packs groups of entries. A record begins with room for its checksum.
func records(groups [][]lambdapool.JournalEntry) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		p := packer{}
		for _, group := range inOrder(groups) {
			for i := range group {
				if !p.takes(&group[i]) {
					if !yield(p.first, p.record) {
						return
					}
					p = packer{}
				}
				p.add(&group[i], len(group)-i)
			}
		}
		if p.record != nil {
			yield(p.first, p.record)
		}
	}
}

// inOrder sorts groups, and their entries too where groups overlap.
func inOrder(groups [][]lambdapool.JournalEntry) [][]lambdapool.JournalEntry {
	slices.SortFunc(groups, func(a, b []lambdapool.JournalEntry) int { return cmp.Compare(a[0].Index, b[0].Index) })
	for i := 1; i < len(groups); i++ {
		if before := groups[i-1]; before[len(before)-1].Index > groups[i][0].Index {
			all := slices.Concat(groups...)
			slices.SortFunc(all, func(a, b lambdapool.JournalEntry) int { return cmp.Compare(a.Index, b.Index) })
			return [][]lambdapool.JournalEntry{all}
		}
	}
	return groups
}

// A packer makes one record.
type packer struct {
	first, last int
	record      []byte
}

// takes reports whether e may go into the record.
func (p *packer) takes(e *lambdapool.JournalEntry) bool {
	return p.record == nil || len(p.record) < recordSize && e.Index-p.last <= recordGap
}

// add appends e. As many entries as more says are likely to be like it.
func (p *packer) add(e *lambdapool.JournalEntry, more int) {
	if p.record == nil {
		size := itemRoom + len(e.Data)
		p.record = make([]byte, sumSize, sumSize+size+min(more*size, recordSize))
		p.first, p.last = e.Index, e.Index
	}
	p.record = binary.AppendUvarint(p.record, uint64(e.Index-p.last))
	p.last = e.Index
	kind := byte(0)
	if e.Failed {
		kind = 1
	}
	p.record = append(p.record, kind)
	p.record = append(p.record, e.Args[:]...)
	p.record = binary.AppendUvarint(p.record, uint64(len(e.Data)))
	p.record = append(p.record, e.Data...)
}

// seal writes the checksum.
func seal(key, record []byte) []byte {
	binary.LittleEndian.PutUint32(record, checksum(key, record))
	return record
}

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record[sumSize:])
}

var errRecord = errors.New("a record's checksum is wrong")

// An unpacker reads a record item by item.
type unpacker struct {
	sequence uint64
	rest     []byte
	entry    lambdapool.JournalEntry // the one that is next
}

// unpack checks a record, which it keeps, and reads its first item.
func unpack(key, record []byte) (*unpacker, error) {
	if len(key) != keySize || len(record) <= sumSize || checksum(key, record) != binary.LittleEndian.Uint32(record) {
		return nil, errRecord
	}
	u := &unpacker{sequence: binary.BigEndian.Uint64(key[8:]), rest: record[sumSize:]}
	u.entry.Index = int(binary.BigEndian.Uint64(key))
	if !u.advance() {
		return nil, errRecord
	}
	return u, nil
}

// advance reads the next item and reports whether there is one. What it reads
// is as it was written: the checksum says so.
func (u *unpacker) advance() bool {
	if len(u.rest) == 0 {
		return false
	}
	delta, n := binary.Uvarint(u.rest)
	u.rest = u.rest[n:]
	u.entry.Index += int(delta)
	u.entry.Failed = u.rest[0] == 1
	u.rest = u.rest[1:]
	u.rest = u.rest[copy(u.entry.Args[:], u.rest):]
	size, n := binary.Uvarint(u.rest)
	u.rest = u.rest[n:]
	u.entry.Data, u.rest = u.rest[:size:size], u.rest[size:]
	return true
}
