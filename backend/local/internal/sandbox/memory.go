package sandbox

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// sampleEvery is how often the memory of busy agents is looked at. An agent
	// can touch some 10 MB meanwhile; the peak is checked when it is done.
	sampleEvery = 5 * time.Millisecond
	// sampleShare keeps watching at 1/sampleShare of one core, however many agents there are.
	sampleShare = 10
)

// resident returns the resident size of the sandbox's processes together, in bytes, and
// which of them is the largest.
func (s *Sandbox) resident() (total int64, largest int) {
	var most int64
	for _, pid := range s.members() {
		rss := resident(pid)
		if rss == 0 { // it is gone, and another may have taken its place
			s.relist()
		}
		if total += rss; rss > most {
			most, largest = rss, pid
		}
	}
	s.saw(total)
	return total, largest
}

// outgrown kills the largest of the processes, as the kernel does where memory is at its
// end. When that is the runtime, the sandbox ends with it.
func (s *Sandbox) outgrown(largest int) {
	s.starved.Store(true)
	if largest == s.proc.pid || !s.proc.killMember(largest) {
		s.stop(stopMemory)
	}
}

// membersAge is how long a sandbox's list of processes serves: finding them takes longer
// than asking one for its size.
const membersAge = 20 * sampleEvery

// members lists the sandbox's processes: the runtime, what it has started, and so on.
func (s *Sandbox) members() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.listed) > membersAge {
		s.list, s.listed = family(s.proc.pid), now
	}
	return s.list
}

// relist has the next members look again.
func (s *Sandbox) relist() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = time.Time{}
}

// A memoryWatch kills agents that outgrow their memory. It only looks at the
// ones that are busy, and sleeps when none is.
type memoryWatch struct {
	limit int64 // bytes
	wake  chan struct{}
	stop  chan struct{}
	ended chan struct{}

	mu   sync.Mutex
	busy map[*Sandbox]struct{}
}

func newMemoryWatch(limit int64) *memoryWatch {
	m := &memoryWatch{
		limit: limit,
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		ended: make(chan struct{}),
		busy:  map[*Sandbox]struct{}{},
	}
	go m.watch()
	return m
}

func (m *memoryWatch) add(s *Sandbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[s] = struct{}{}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *memoryWatch) remove(s *Sandbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, s)
}

// close ends the watch and waits for it. Called once.
func (m *memoryWatch) close() {
	close(m.stop)
	<-m.ended
}

func (m *memoryWatch) watch() {
	defer close(m.ended)
	pause := time.NewTimer(0)
	defer pause.Stop()
	var cost time.Duration
	for {
		select {
		case <-pause.C:
		case <-m.stop:
			return
		}
		began := time.Now()
		if m.look() {
			cost = costOf(time.Since(began), cost)
			pause.Reset(max(sampleEvery, sampleShare*cost))
			continue
		}
		select {
		case <-m.wake:
			pause.Reset(0)
		case <-m.stop:
			return
		}
	}
}

// costOf is what a look costs that took so long, after one that has cost before. One that a busy
// machine has held up says little of that: waiting ten times as long would let an agent grow as
// it likes meanwhile.
func costOf(took, before time.Duration) time.Duration {
	return min(took, max(2*before, sampleEvery/sampleShare))
}

// look samples every busy agent once, and says whether there are any.
func (m *memoryWatch) look() bool {
	m.mu.Lock()
	round := slices.Collect(maps.Keys(m.busy))
	m.mu.Unlock()
	for _, s := range round {
		if rss, largest := s.resident(); rss > m.limit {
			s.outgrown(largest)
		}
	}
	return len(round) > 0
}
