package local

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

// A memoryWatch kills agents that outgrow their memory. It only looks at the
// ones that are busy, and sleeps when none is.
type memoryWatch struct {
	limit int64 // bytes
	wake  chan struct{}
	stop  chan struct{}
	ended chan struct{}

	mu   sync.Mutex
	busy map[*sandbox]struct{}
}

func newMemoryWatch(limit int64) *memoryWatch {
	m := &memoryWatch{
		limit: limit,
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		ended: make(chan struct{}),
		busy:  map[*sandbox]struct{}{},
	}
	go m.watch()
	return m
}

func (m *memoryWatch) add(s *sandbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[s] = struct{}{}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *memoryWatch) remove(s *sandbox) {
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
	for {
		select {
		case <-pause.C:
		case <-m.stop:
			return
		}
		began := time.Now()
		if m.look() {
			pause.Reset(max(sampleEvery, sampleShare*time.Since(began)))
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

// look samples every busy agent once, and says whether there are any.
func (m *memoryWatch) look() bool {
	m.mu.Lock()
	round := slices.Collect(maps.Keys(m.busy))
	m.mu.Unlock()
	for _, s := range round {
		rss := resident(s.proc.pid)
		s.saw(rss)
		if rss > m.limit {
			s.stop(stopMemory)
		}
	}
	return len(round) > 0
}
