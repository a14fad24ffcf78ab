package isolate

import (
	"bytes"
	"encoding/binary"
	"time"
	"unsafe"
)

// An Invocation is the record of one invocation in a [Journal]. [Journal.Take] opens it, Items
// makes room for its items, and Release ends it once the answer is on its way. Begin, Done,
// Failed and State are safe for concurrent use for different items.
type Invocation struct {
	j    *Journal
	at   int // in the journal's memory
	mem  []byte
	head *regionHeader
	used []slot

	resumed bool // a worker before this one had it
}

func (inv *Invocation) busy() bool { return inv.head.state.Load() == regionBusy }

// open writes what was asked, and marks the region busy when all of it is there.
func (inv *Invocation) open(head Head, payload []byte) {
	h := inv.head
	h.slots.Store(slotsNone)
	inv.used, inv.resumed = nil, false
	h.n, h.slotsAt, h.number = 0, 0, head.Number
	h.began, h.deadline = head.Began.UnixNano(), 0
	if !head.Deadline.IsZero() {
		h.deadline = head.Deadline.UnixNano()
	}
	at := regionHeaderSize
	h.payload = uint64(copy(inv.mem[at:], payload))
	at += len(payload)
	words := inv.mem[at:at]
	for _, word := range head.Words {
		words = binary.AppendUvarint(words, uint64(len(word)))
		words = append(words, word...)
	}
	h.words = uint64(len(words))
	h.end.Store(uint64(aligned(at + len(words))))
	h.state.Store(regionBusy)
}

// Resume notes that this worker takes over an invocation which another has left.
func (inv *Invocation) Resume() { inv.resumed = true }

// Resumed reports whether a worker before this one had the invocation.
func (inv *Invocation) Resumed() bool { return inv.resumed }

// Began returns when the invocation did.
func (inv *Invocation) Began() time.Time { return time.Unix(0, inv.head.began) }

// Head returns what Take was given.
func (inv *Invocation) Head() Head {
	h := inv.head
	head := Head{Began: time.Unix(0, h.began), Number: h.number}
	if h.deadline != 0 {
		head.Deadline = time.Unix(0, h.deadline)
	}
	at := regionHeaderSize + int(h.payload)
	for words := inv.mem[at : at+int(h.words)]; len(words) > 0; {
		n, width := binary.Uvarint(words)
		head.Words = append(head.Words, string(words[width:width+int(n)]))
		words = words[width+int(n):]
	}
	return head
}

// Payload returns a copy of what was asked: what is decoded may point into it.
func (inv *Invocation) Payload() []byte {
	return bytes.Clone(inv.mem[regionHeaderSize : regionHeaderSize+int(inv.head.payload)])
}

// Death says how the worker ended that left this invocation. It was stopped only if the
// time of this one was up, not of one beside it.
func (inv *Invocation) Death() Death {
	d := inv.j.Death()
	d.Stopped = d.Stopped && inv.head.deadline != 0 && !time.Now().Before(inv.kill())
	return d
}

// kill is when the worker is killed if it has not answered, of an invocation with a deadline.
func (inv *Invocation) kill() time.Time {
	deadline, began := time.Unix(0, inv.head.deadline), time.Unix(0, inv.head.began)
	return deadline.Add(-killMargin(max(0, deadline.Sub(began))))
}

// Items makes room for n items, or finds those of a worker before. It reports false when
// there is no room, or was none: then nothing is known of any item.
func (inv *Invocation) Items(n int) bool {
	h := inv.head
	switch h.slots.Load() {
	case slotsBlind:
		return false
	case slotsNone:
		at := int(h.end.Load())
		if at+n*slotSize > int(inv.j.head.slots) {
			h.slots.Store(slotsBlind)
			inv.j.head.progress.Add(1)
			return false
		}
		clear(inv.mem[at : at+n*slotSize])
		h.n, h.slotsAt = uint64(n), uint64(at)
		h.end.Store(uint64(at + n*slotSize))
		h.slots.Store(slotsReady)
	}
	inv.used = unsafe.Slice((*slot)(unsafe.Pointer(&inv.mem[h.slotsAt])), int(h.n)) //nolint:gosec // room was made for them
	return int(h.n) == n
}

// Begin notes that the item is about to run. It comes before the function's first instruction:
// an item that was not begun certainly did not run.
func (inv *Invocation) Begin(i int) {
	inv.used[i].begun++
	inv.used[i].state.Store(uint32(Begun))
	inv.j.head.progress.Add(1)
}

// Done keeps the item's value. Without room for it the item is Lost: it ended, and is not run
// again, but its value dies with the process.
func (inv *Invocation) Done(i int, value []byte, run time.Duration) { inv.end(i, value, run, Done) }

// Failed keeps what describes the item's error, likewise.
func (inv *Invocation) Failed(i int, problem []byte, run time.Duration) {
	inv.end(i, problem, run, Failed)
}

// end keeps data and then says so. Several items may end at once: each takes its room first.
func (inv *Invocation) end(i int, data []byte, run time.Duration, state State) {
	s, h := &inv.used[i], inv.head
	s.run = int64(run)
	size, limit := uint64(aligned(len(data))), inv.values()+inv.j.head.values
	at := h.end.Load()
	for at+size <= limit && !h.end.CompareAndSwap(at, at+size) {
		at = h.end.Load()
	}
	if at+size > limit { // a smaller one may have room
		s.state.Store(uint32(Lost))
		return
	}
	s.at, s.length = at, uint64(copy(inv.mem[at:], data))
	s.state.Store(uint32(state))
}

// values is where values begin.
func (inv *Invocation) values() uint64 { return inv.head.slotsAt + inv.head.n*uint64(slotSize) }

// State returns how far the item is.
func (inv *Invocation) State(i int) State { return State(inv.used[i].state.Load()) }

// Times returns how often the item was begun.
func (inv *Invocation) Times(i int) int { return int(inv.used[i].begun) }

// Result returns a copy of what Done or Failed kept, and how long the item ran. data is nil for
// an item in any other state.
func (inv *Invocation) Result(i int) (data []byte, run time.Duration) {
	s := &inv.used[i]
	if state := s.state.Load(); state == uint32(Done) || state == uint32(Failed) {
		data = bytes.Clone(inv.mem[s.at : s.at+s.length])
	}
	return data, time.Duration(s.run)
}

// punchFrom is how much of a region keeps its memory for the next invocation.
const punchFrom = 256 << 10

// Release ends the record: the answer is on its way. A second Release does nothing. What a
// large invocation has used is given back to the system.
func (inv *Invocation) Release() {
	if !inv.busy() {
		return
	}
	used := int(min(inv.head.end.Load(), uint64(len(inv.mem))))
	inv.head.state.Store(regionFree)
	inv.j.head.progress.Add(1)
	if used > punchFrom {
		inv.j.punch(inv.at+punchFrom, inv.at+used)
	}
	inv.j.mu.Lock()
	inv.j.free = append(inv.j.free, inv)
	inv.j.mu.Unlock()
	inv.j.some.Signal()
}
