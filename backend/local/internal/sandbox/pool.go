package sandbox

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrBusy says that there are as many environments as there may be, and none is idle.
	ErrBusy = errors.New("all environments are busy")
	// ErrGrowing says that no environment is idle, and none may start yet.
	ErrGrowing = errors.New("no further environment may start yet")
	// ErrClosed says that the pool was closed.
	ErrClosed = errors.New("closed")
)

// A Pool holds a function's execution environments: started when there is work
// and no idle one, reused most recently used first, ended when idle for long.
// It is safe for concurrent use.
type Pool struct {
	spec    Spec
	spawner *Spawner
	memory  *memoryWatch
	started atomic.Int64 // agents whose output is shown

	free chan struct{} // something became free since somebody last looked

	mu     sync.Mutex
	all    map[string]*Sandbox // by id, while the process lives
	warm   []*Sandbox          // idle ones, most recently used last
	slots  int                 // taken: environments that live or are being started
	closed bool
	ended  sync.WaitGroup // one for each slot
}

// NewPool makes one without environments. The spawner must live longer.
func NewPool(spec Spec, spawner *Spawner) *Pool {
	return &Pool{
		spec: spec, spawner: spawner, memory: newMemoryWatch(int64(spec.Memory) << 20),
		free: make(chan struct{}, 1), all: map[string]*Sandbox{},
	}
}

// Freed says that something may have become free since somebody last looked.
func (p *Pool) Freed() <-chan struct{} { return p.free }

// Acquire returns an environment for one invocation, a warm one if there is
// one. It never waits: ErrBusy when there are as many as may be, ErrGrowing when no other
// may start yet, ErrClosed after Close, or why the process could not be started.
func (p *Pool) Acquire() (*Sandbox, error) {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, ErrClosed
	case len(p.warm) > 0:
		s := p.warm[len(p.warm)-1]
		p.warm = p.warm[:len(p.warm)-1]
		s.idle.Stop()
		if s.frost != nil {
			s.frost.Stop()
		}
		if s.frozen {
			s.frozen = false
			s.proc.resume()
		}
		p.mu.Unlock()
		return s, nil
	case p.slots == p.spec.Most:
		p.mu.Unlock()
		return nil, ErrBusy
	case p.spec.Starts != nil && !p.spec.Starts():
		p.mu.Unlock()
		return nil, ErrGrowing
	}
	p.slots++
	p.ended.Add(1)
	p.mu.Unlock()
	s, err := p.start()
	if err != nil {
		p.vacate()
		return nil, err
	}
	return s, nil
}

// admit makes a sandbox known to the Runtime API, and to close, before its
// process can ask. It says no once the pool is closed.
func (p *Pool) admit(s *Sandbox) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.all[s.id] = s
	return true
}

// withdraw takes back what admit did, for a process that could not be started.
func (p *Pool) withdraw(s *Sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, s.id)
}

// bequeath keeps the slot of an environment that is about to be ended, for another
// in its place. It says no when its process has ended already, or the pool is closed.
func (p *Pool) bequeath(s *Sandbox) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.heirs = p.all[s.id] != nil && !p.closed
	return s.heirs
}

// Find returns the living sandbox with that id, or nil.
func (p *Pool) Find(id string) *Sandbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id]
}

// release takes an environment back after its invocation.
func (p *Pool) release(s *Sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[s.id] == nil || p.closed {
		return // it has ended, or is about to
	}
	p.warm = append(p.warm, s)
	if s.idle == nil {
		s.idle = time.AfterFunc(p.spec.IdleTimeout, func() { p.reap(s) })
	} else {
		s.idle.Reset(p.spec.IdleTimeout)
	}
	switch {
	case !p.spec.Freeze:
	case s.frost == nil:
		s.frost = time.AfterFunc(freezeAfter, func() { p.suspend(s) })
	default:
		s.frost.Reset(freezeAfter)
	}
	p.signal()
}

// freezeAfter is how long an environment has no work before its processes are stopped.
// One that gets the next invocation at once, as in a long map, is not worth it.
const freezeAfter = 2 * time.Millisecond

// suspend freezes an environment if it is idle.
func (p *Pool) suspend(s *Sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.frozen && !p.closed && slices.Contains(p.warm, s) {
		s.frozen = true
		s.proc.suspend()
	}
}

// reap ends an environment if it is idle.
func (p *Pool) reap(s *Sandbox) {
	p.mu.Lock()
	i := slices.Index(p.warm, s)
	if i >= 0 {
		p.warm = slices.Delete(p.warm, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		s.stop(stopIdle)
	}
}

// gone forgets an environment whose process has ended and frees its slot.
func (p *Pool) gone(s *Sandbox) {
	p.mu.Lock()
	delete(p.all, s.id)
	if i := slices.Index(p.warm, s); i >= 0 {
		p.warm = slices.Delete(p.warm, i, i+1)
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	if s.frost != nil {
		s.frost.Stop()
	}
	heirs := s.heirs
	p.mu.Unlock()
	if !heirs {
		p.vacate()
	}
}

func (p *Pool) vacate() {
	p.mu.Lock()
	p.slots--
	p.signal()
	p.mu.Unlock()
	p.ended.Done()
}

func (p *Pool) signal() {
	select {
	case p.free <- struct{}{}:
	default:
	}
}

// Close ends every environment and returns when all processes are gone. Called once.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	all := make([]*Sandbox, 0, len(p.all))
	for _, s := range p.all {
		all = append(all, s)
	}
	p.signal()
	p.mu.Unlock()
	for _, s := range all {
		s.stop(stopClose)
	}
	p.ended.Wait()
	p.memory.close()
}
