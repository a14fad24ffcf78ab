package isolate

import (
	"bytes"
	"sync/atomic"
	"unsafe"
)

// Sizes of what an instance's id and a death's texts may take.
const (
	maxInstance = 40
	maxStatus   = 64
	maxOutput   = 4 << 10
)

// header begins the memory. All of it is written by atomic operations or before
// others can look.
type header struct {
	regions uint64
	slots   uint64 // bytes that one region has for payload, texts and slots
	values  uint64 // bytes that one region has for values

	progress    atomic.Uint64 // items that began, and invocations that were answered
	invocations atomic.Uint64 // of the environment, whichever worker had them
	asleep      atomic.Uint32 // the supervisor waits for the bell
	retiring    atomic.Uint32 // the worker ends by its own will
	workers     atomic.Uint32 // that were started

	instance [maxInstance]byte

	// Of the last worker's death.
	stopped     uint32
	outOfMemory uint32
	peak        int64
	status      [maxStatus]byte
	output      [maxOutput]byte
}

// regionHeader begins a region; payload, words and values follow.
type regionHeader struct {
	state    atomic.Uint32 // free or busy
	slots    atomic.Uint32 // the items' slots are there; blind: there was no room
	n        uint64        // items
	payload  uint64        // bytes
	words    uint64        // bytes of the head's texts
	slotsAt  uint64        // offset in the region
	end      atomic.Uint64 // of what is allocated; offset in the region
	began    int64         // unix nanoseconds
	deadline int64         // unix nanoseconds; 0: none
	number   uint64
}

// States of a region, and of its slots.
const (
	regionFree uint32 = iota
	regionBusy
)

// slotsBlind is of an invocation with more items than there is room for. It runs, and nothing is
// noted.
const (
	slotsNone uint32 = iota
	slotsReady
	slotsBlind
)

// A State says how far an item is. It only grows, but for an item that a successor runs again.
type State uint32

// The states of an item.
const (
	Fresh  State = iota
	Begun        // and not ended
	Done         // with a value, or an error; see Result
	Failed       // with what the method Failed got
	Lost         // it ended, but there was no room for its value
)

// A slot is the account of one item. state speaks of the others, so it is stored last.
type slot struct {
	state  atomic.Uint32
	begun  uint32 // how often
	at     uint64
	length uint64
	run    int64 // nanoseconds
}

const (
	headerSize       = 16 << 10
	regionHeaderSize = 256
	slotSize         = int(unsafe.Sizeof(slot{}))
	alignment        = 8
)

// A layout says how many regions a journal has, and how large they are. Pages that
// were never written to take no memory, so most of a region is only addresses.
type layout struct {
	regions int
	slots   int // bytes of a region for what was asked and for the items' slots
	values  int // bytes of a region for values
}

const (
	slotRoom    = 32 << 20 // a million items of an invocation, beside the largest payload
	valuesLeast = 16 << 20 // more than a reply carries, whatever the memory
	valuesMost  = 256 << 20
	valuesShare = 8 // part of the function's memory: the worker has the values too
	spare       = 2 // regions that may be on their way to being free
)

// layoutFor returns the layout for a function of that memory, in bytes, that is given so
// many invocations at once.
func layoutFor(memory int64, concurrency int) layout {
	values := min(max(memory/valuesShare, valuesLeast), valuesMost)
	return layout{regions: concurrency + spare, slots: slotRoom, values: int(values)}
}

// size is that of the whole memory, in bytes.
func (l layout) size() int { return headerSize + l.regions*(l.slots+l.values) }

// aligned rounds up, so that atomic values lie where the processor wants them.
func aligned(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

func number(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// text and setText read and write a text in a field of fixed size, which zeros fill up.
func text(field []byte) string {
	before, _, _ := bytes.Cut(field, []byte{0})
	return string(before)
}

func setText(field []byte, s string) {
	clear(field)
	copy(field, s)
}
