package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A startHook is what OnStart was given, and where.
type startHook struct {
	where registry.Place
	run   func(context.Context) error
}

// startHooks are those of the program.
var startHooks struct {
	sync.Mutex

	all []startHook
}

// OnStart has hook called once in each agent process, before the first of its calls: to load a model, to open a
// connection, to check what the functions need. Call it when the program starts, from init or before [Main]. Several
// are called in the order in which they were given. The client's process calls none of them, but on backend/inproc,
// whose agent it is: there they are called once for each backend. A process that takes over from one that has died
// calls them again.
//
// Other calls of the process wait meanwhile, and the time counts as theirs. ctx is that of the invocation which needed
// the agent: it ends before the platform would kill the process. Do not keep it.
//
// If hook returns an error, panics, ends its goroutine or does not return before ctx ends, no function runs: the calls
// fail at once with lambdapool.ErrAgentStart, which says where hook was given and what went wrong. They are not tried
// again, since most such errors would only repeat themselves; what another try may help, hook should try itself. The
// process lives on, and its next invocation has the hooks called again, from the one that failed.
//
// Use it where an error at the start is to be told by itself. For what only some functions need, sync.OnceValues
// (see the package documentation) costs nothing where it is not used. It is safe for concurrent use, and panics if
// hook is nil.
func OnStart(hook func(ctx context.Context) error) {
	where := registry.Caller(2)
	if hook == nil {
		panic(fmt.Sprintf("lambdapool: OnStart at %v: the function is nil", where))
	}
	startHooks.Lock()
	defer startHooks.Unlock()
	startHooks.all = append(startHooks.all, startHook{where, hook})
}

// A starter calls the hooks of an agent. Its zero value has called none.
type starter struct {
	mu    sync.Mutex
	done  int           // hooks that have succeeded
	going chan struct{} // closed when those that are being called have returned; nil: none are
	err   error         // of the last one
}

// over reports whether every hook has succeeded.
func (s *starter) over() bool {
	startHooks.Lock()
	n := len(startHooks.all)
	startHooks.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.going == nil && s.done == n
}

// start has every hook called that has not succeeded, and waits for that, until ctx ends.
func (s *starter) start(ctx context.Context) *codec.Error {
	startHooks.Lock()
	hooks := startHooks.all // only ever appended to
	startHooks.Unlock()
	s.mu.Lock()
	going := s.going
	if going == nil {
		going = make(chan struct{})
		s.going = going
		go s.call(ctx, hooks)
	}
	s.mu.Unlock()
	var err error
	select {
	case <-going:
		s.mu.Lock()
		err = s.err
		s.mu.Unlock()
	case <-ctx.Done():
		err = errors.New("an OnStart function has not returned in time")
	}
	if err == nil {
		return nil
	}
	return &codec.Error{Kind: codec.KindStart, Message: clip(err.Error(), maxMessage), Hint: "no function ran; the agent's next invocation tries again"}
}

// call calls the hooks that have not succeeded.
func (s *starter) call(ctx context.Context, hooks []startHook) {
	s.mu.Lock()
	done := s.done
	s.mu.Unlock()
	var err error
	for ; done < len(hooks); done++ {
		hook := hooks[done]
		var said error
		if fault := contain.Do("OnStart", nil, func() { said = hook.run(ctx) }); fault != nil {
			said = fault
		}
		if said != nil {
			err = fmt.Errorf("OnStart at %v: %w", hook.where, contain.Tame(said))
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.err = done, err
	close(s.going)
	s.going = nil
}
