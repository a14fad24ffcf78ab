package isolate

import (
	"sync"
	"time"
	"unsafe"
)

// A Journal is the memory that a supervisor and its workers share: a header, and a region for
// each invocation that may be in progress. Its methods are safe for concurrent use. None of
// them blocks but [Journal.Take].
type Journal struct {
	mem     []byte
	head    *header
	regions []*Invocation
	ring    func() // wakes the supervisor
	punch   func(from, to int)

	mu   sync.Mutex
	free []*Invocation
	some sync.Cond // an invocation was released
}

// newJournal lays a journal out in fresh memory.
func newJournal(mem []byte, l layout) *Journal {
	h := (*header)(unsafe.Pointer(&mem[0])) //nolint:gosec // memory that both processes map
	h.regions, h.slots, h.values = uint64(l.regions), uint64(l.slots), uint64(l.values)
	return openJournal(mem)
}

// openJournal finds a journal in mem.
func openJournal(mem []byte) *Journal {
	j := &Journal{mem: mem, ring: func() {}, punch: func(int, int) {}}
	j.head = (*header)(unsafe.Pointer(&mem[0])) //nolint:gosec // as newJournal has laid it out
	j.some.L = &j.mu
	size := int(j.head.slots + j.head.values)
	for i := range int(j.head.regions) {
		at := headerSize + i*size
		inv := &Invocation{j: j, mem: mem[at : at+size : at+size], at: at}
		inv.head = (*regionHeader)(unsafe.Pointer(&inv.mem[0])) //nolint:gosec // aligned, and large enough
		j.regions = append(j.regions, inv)
		if !inv.busy() {
			j.free = append(j.free, inv)
		}
	}
	return j
}

// Instance returns the name of the environment, which its workers share. The first one
// names it.
func (j *Journal) Instance(name func() string) string {
	if j.head.instance[0] == 0 {
		copy(j.head.instance[:], name())
	}
	return text(j.head.instance[:])
}

// Count counts an invocation, and returns how many there were in this environment, whichever
// worker had them. So a successor's first invocation is no cold start.
func (j *Journal) Count() uint64 { return j.head.invocations.Add(1) }

// Retire tells the supervisor that this worker is about to end and wants a successor. Call it
// when an invocation was answered: a worker without progress gets none.
func (j *Journal) Retire() { j.head.retiring.Store(1) }

// Restarted reports whether there was a worker before this one.
func (j *Journal) Restarted() bool { return j.head.workers.Load() > 1 }

// Death says how the worker before this one ended.
func (j *Journal) Death() Death {
	return Death{
		Status: text(j.head.status[:]), Output: text(j.head.output[:]),
		OutOfMemory: j.head.outOfMemory != 0, Stopped: j.head.stopped != 0, Peak: j.head.peak,
	}
}

// setDeath is called by the supervisor while no worker lives.
func (j *Journal) setDeath(d Death) {
	setText(j.head.status[:], d.Status)
	setText(j.head.output[:], d.Output)
	j.head.outOfMemory, j.head.stopped = number(d.OutOfMemory), number(d.Stopped)
	j.head.peak = max(j.head.peak, d.Peak)
}

// Left returns the invocations that workers before this one had not ended. Call it before
// [Journal.Take], which would add to them.
func (j *Journal) Left() []*Invocation {
	var left []*Invocation
	for _, inv := range j.regions {
		if inv.busy() {
			left = append(left, inv)
		}
	}
	return left
}

// A Head is what of an invocation a successor must know to answer it.
type Head struct {
	Began    time.Time
	Deadline time.Time // zero: none
	Number   uint64    // of the invocation in its environment
	Words    []string  // the platform's texts, in the agent's order
}

// Take opens the record of an invocation. It blocks while as many are in progress as
// there is room for, which the platform sees to.
func (j *Journal) Take(head Head, payload []byte) *Invocation {
	j.mu.Lock()
	for len(j.free) == 0 {
		j.some.Wait()
	}
	inv := j.free[len(j.free)-1]
	j.free = j.free[:len(j.free)-1]
	j.mu.Unlock()
	inv.open(head, payload)
	if j.head.asleep.Load() != 0 && j.head.asleep.CompareAndSwap(1, 0) {
		j.ring()
	}
	return inv
}

// nextKill returns when, after a time, the first invocation must have been answered, and
// a time by which to look again; that is zero when none is in progress.
func (j *Journal) nextKill(now, after time.Time) (kill, look time.Time) {
	for _, inv := range j.regions {
		if !inv.busy() {
			continue
		}
		if look.IsZero() {
			look = now.Add(time.Minute)
		}
		if inv.head.deadline == 0 {
			continue
		}
		if at := inv.kill(); at.After(after) && (kill.IsZero() || at.Before(kill)) {
			kill = at
		}
		timeout := max(time.Duration(inv.head.deadline-inv.head.began), 8*time.Millisecond)
		if at := now.Add(timeout / watchShare); at.Before(look) {
			look = at
		}
	}
	return kill, look
}
