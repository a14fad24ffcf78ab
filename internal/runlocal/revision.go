package runlocal

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A revision has instances, and requests that wait for one.
type revision struct {
	server *Server
	spec   *spec

	mu        sync.Mutex
	instances []*instance // that listen, the leaving ones too
	starting  int
	waiting   []*waiter
	retired   bool
	gone      chan struct{} // closed when it is retired and has no instance
}

// A waiter is a request without an instance.
type waiter struct {
	got chan *instance // nil: the start of one has failed, or the revision is retired
}

var (
	errBusy    = errors.New("no instance was free in time")
	errRetired = errors.New("the revision is gone")
)

func (s *Server) newRevision(sp *spec) *revision {
	return &revision{server: s, spec: sp, gone: make(chan struct{})}
}

// acquire returns an instance that may take one more request, and counts it there.
func (r *revision) acquire(ctx context.Context) (*instance, error) {
	r.mu.Lock()
	if r.retired {
		r.mu.Unlock()
		return nil, errRetired
	}
	if i := r.free(); i != nil {
		r.give(i)
		r.mu.Unlock()
		return i, nil
	}
	w := &waiter{got: make(chan *instance, 1)}
	r.waiting = append(r.waiting, w)
	r.grow()
	r.mu.Unlock()
	patience := time.NewTimer(r.server.options.Wait)
	defer patience.Stop()
	for {
		select {
		case i := <-w.got:
			if i == nil {
				return nil, r.why()
			}
			return i, nil
		case <-patience.C:
			if r.expected(w) { // by an instance that is being started
				patience.Reset(r.server.options.Wait)
				continue
			}
			return nil, r.giveUp(w, errBusy)
		case <-ctx.Done():
			return nil, r.giveUp(w, context.Cause(ctx))
		}
	}
}

// why says why a request that waited gets no instance.
func (r *revision) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retired {
		return errRetired
	}
	return errStart
}

// expected reports whether a start that is under way will serve w.
func (r *revision) expected(w *waiter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.Index(r.waiting, w)
	return at < r.starting*r.spec.concurrency // also -1: it has been served just now
}

// giveUp takes w out of the queue. What it was given meanwhile is released.
func (r *revision) giveUp(w *waiter, why error) error {
	r.mu.Lock()
	if at := slices.Index(r.waiting, w); at >= 0 {
		r.waiting = slices.Delete(r.waiting, at, at+1)
	}
	r.mu.Unlock()
	select {
	case i := <-w.got:
		if i != nil {
			r.release(i)
		}
	default:
	}
	return why
}

// free returns an instance with room, or nil. r.mu is held.
func (r *revision) free() *instance {
	for _, i := range r.instances {
		if !i.leaving && !i.starved.Load() && i.busy < r.spec.concurrency {
			return i
		}
	}
	return nil
}

// give counts a request. r.mu is held.
func (r *revision) give(i *instance) {
	i.busy++
	if i.idle != nil {
		i.idle.Stop()
	}
}

// grow starts as many instances as there are requests for, and as may be. r.mu is held.
func (r *revision) grow() {
	for !r.retired && len(r.waiting) > r.starting*r.spec.concurrency && r.count()+r.starting < r.most() {
		r.starting++
		r.server.work.Go(r.start)
	}
}

// most is how many instances there may be.
func (r *revision) most() int {
	if n := r.server.options.Instances; n > 0 {
		return min(n, r.spec.most)
	}
	return r.spec.most
}

// count is how many instances are not on their way out. r.mu is held.
func (r *revision) count() (n int) {
	for _, i := range r.instances {
		if !i.leaving {
			n++
		}
	}
	return n
}

func (r *revision) start() {
	i, err := r.server.run(r.server.life, r.spec)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting--
	if err != nil {
		for range min(len(r.waiting), r.spec.concurrency) {
			r.waiting[0].got <- nil
			r.waiting = r.waiting[1:]
		}
		r.grow()
		r.settle()
		return
	}
	r.instances = append(r.instances, i)
	r.server.work.Go(func() { r.await(i) })
	if r.retired {
		r.dismiss(i)
		return
	}
	r.serve(i)
}

// serve gives an instance the requests that wait, or lets it be idle. r.mu is held.
func (r *revision) serve(i *instance) {
	for !i.leaving && i.busy < r.spec.concurrency && len(r.waiting) > 0 {
		r.give(i)
		r.waiting[0].got <- i
		r.waiting = r.waiting[1:]
	}
	if i.busy == 0 && !i.leaving {
		i.idle = time.AfterFunc(r.server.options.Idle, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if i.busy == 0 {
				r.dismiss(i)
			}
		})
	}
}

// release counts a request out: answered, lost, or out of time.
func (r *revision) release(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i.busy--
	r.serve(i)
}

// await notes the end of an instance.
func (r *revision) await(i *instance) {
	<-i.exited
	i.said(r.server.options.Output)
	i.transport.CloseIdleConnections()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server.ended(i)
	i.leaving = true
	if i.idle != nil {
		i.idle.Stop()
	}
	r.instances = slices.DeleteFunc(r.instances, func(other *instance) bool { return other == i })
	close(i.forgotten)
	r.grow()
	r.settle()
}

// dismiss sends SIGTERM. r.mu is held.
func (r *revision) dismiss(i *instance) {
	if i.leaving {
		return
	}
	i.leaving = true
	r.server.work.Go(func() { i.leave(r.server.options.Grace) })
}

// shun has an instance that takes no connection end.
func (r *revision) shun(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dismiss(i)
}

// settle says that a retired revision has no instance any more. r.mu is held.
func (r *revision) settle() {
	if r.retired && len(r.instances) == 0 && r.starting == 0 {
		select {
		case <-r.gone:
		default:
			close(r.gone)
		}
	}
}

// retire has all instances end; what waits must go elsewhere.
func (r *revision) retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retired = true
	for _, w := range r.waiting {
		w.got <- nil
	}
	r.waiting = nil
	for _, i := range r.instances {
		r.dismiss(i)
	}
	r.settle()
}

// crash kills one instance, if there is any.
func (r *revision) crash() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.instances); n > 0 {
		r.instances[rand.IntN(n)].kill() //nolint:gosec // any of them
	}
}

// kill ends all instances at once, and waits for that.
func (r *revision) kill() {
	r.retire()
	r.mu.Lock()
	for _, i := range r.instances {
		i.kill()
	}
	r.mu.Unlock()
	<-r.gone
}
