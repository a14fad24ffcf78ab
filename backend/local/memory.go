package local

import (
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

// A memoryWatch kills agents that outgrow their memory. It only looks at the
// ones that are busy, and sleeps when none is.
type memoryWatch struct {
	limit int64 // bytes

	mu     sync.Mutex
	busy   map[*sandbox]struct{}
	wake   chan struct{}
	closed bool
	ended  chan struct{}
}

func newMemoryWatch(limit int64) *memoryWatch {
	m := &memoryWatch{limit: limit, busy: map[*sandbox]struct{}{}, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go m.watch()
	return m
}

func (m *memoryWatch) add(s *sandbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[s] = struct{}{}
	if len(m.busy) == 1 {
		m.signal()
	}
}

func (m *memoryWatch) remove(s *sandbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, s)
}

// close ends the watch and waits for it.
func (m *memoryWatch) close() {
	m.mu.Lock()
	m.closed = true
	m.signal()
	m.mu.Unlock()
	<-m.ended
}

func (m *memoryWatch) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *memoryWatch) watch() {
	defer close(m.ended)
	var round []*sandbox
	for {
		m.mu.Lock()
		closed := m.closed
		round = round[:0]
		for s := range m.busy {
			round = append(round, s)
		}
		m.mu.Unlock()
		switch {
		case closed:
			return
		case len(round) == 0:
			<-m.wake
			continue
		}
		began := time.Now()
		for _, s := range round {
			rss := resident(s.proc.pid)
			s.saw(rss)
			if rss > m.limit {
				s.stop(stopMemory)
			}
		}
		time.Sleep(max(sampleEvery, sampleShare*time.Since(began)))
	}
}
