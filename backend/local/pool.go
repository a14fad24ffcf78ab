package local

import (
	"errors"
	"slices"
	"sync"
	"time"
)

var (
	errBusy   = errors.New("all environments are busy")
	errClosed = errors.New("closed")
)

// A pool holds a function's execution environments: started when there is work
// and no idle one, reused most recently used first, ended when idle for long.
type pool struct {
	max   int
	idle  time.Duration
	start func() (*sandbox, error) // admits a new sandbox and starts its process

	freed chan struct{} // something became free since somebody last looked

	mu     sync.Mutex
	all    map[string]*sandbox // by id, while the process lives
	warm   []*sandbox          // idle ones, most recently used last
	slots  int                 // taken: environments that live or are being started
	closed bool
	ended  sync.WaitGroup // one for each slot
}

func newPool(limit int, idle time.Duration, start func() (*sandbox, error)) *pool {
	return &pool{max: limit, idle: idle, start: start, freed: make(chan struct{}, 1), all: map[string]*sandbox{}}
}

// acquire returns an environment for one invocation, a warm one if there is
// one. It never waits: errBusy when there are as many as may be, errClosed
// after close, or why the process could not be started.
func (p *pool) acquire() (*sandbox, error) {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, errClosed
	case len(p.warm) > 0:
		s := p.warm[len(p.warm)-1]
		p.warm = p.warm[:len(p.warm)-1]
		s.idle.Stop()
		p.mu.Unlock()
		return s, nil
	case p.slots == p.max:
		p.mu.Unlock()
		return nil, errBusy
	}
	p.slots++
	p.ended.Add(1)
	p.mu.Unlock()
	s, err := p.start()
	if err != nil {
		p.free()
		return nil, err
	}
	return s, nil
}

// admit makes a sandbox known to the Runtime API, and to close, before its
// process can ask. It says no once the pool is closed.
func (p *pool) admit(s *sandbox) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.all[s.id] = s
	return true
}

// withdraw takes back what admit did, for a process that could not be started.
func (p *pool) withdraw(s *sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, s.id)
}

// find returns the living sandbox with that id, or nil.
func (p *pool) find(id string) *sandbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id]
}

// release takes an environment back after its invocation.
func (p *pool) release(s *sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[s.id] == nil || p.closed {
		return // it has ended, or is about to
	}
	p.warm = append(p.warm, s)
	if s.idle == nil {
		s.idle = time.AfterFunc(p.idle, func() { p.reap(s) })
	} else {
		s.idle.Reset(p.idle)
	}
	p.signal()
}

// reap ends an environment if it is idle.
func (p *pool) reap(s *sandbox) {
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
func (p *pool) gone(s *sandbox) {
	p.mu.Lock()
	delete(p.all, s.id)
	if i := slices.Index(p.warm, s); i >= 0 {
		p.warm = slices.Delete(p.warm, i, i+1)
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	p.mu.Unlock()
	p.free()
}

func (p *pool) free() {
	p.mu.Lock()
	p.slots--
	p.signal()
	p.mu.Unlock()
	p.ended.Done()
}

func (p *pool) signal() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// close ends every environment and returns when all processes are gone.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := make([]*sandbox, 0, len(p.all))
	for _, s := range p.all {
		all = append(all, s)
	}
	p.signal()
	p.mu.Unlock()
	for _, s := range all {
		s.stop(stopClose)
	}
	p.ended.Wait()
}
