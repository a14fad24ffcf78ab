package nested

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// A Closer is an executor.
type Closer interface{ Close() error }

// Opened is an executor that was made for the calls of a function, and what these have cost so far.
type Opened struct {
	Closer

	Spent func() codec.Spent
}

// Inside is what an executor is made of for the calls of a function.
type Inside struct {
	Backend  driver.Backend
	Registry *registry.Registry
	Level    codec.Nested // of the calls
}

// Workers is how many the executor has. Where there is no room, or no depth, it sends nothing.
func (in Inside) Workers() int { return max(1, in.Level.Room) }

// A Frame stands for one invocation in an agent, for its functions. Make it with [Scope.Enter].
type Frame struct {
	level    *codec.Nested // nil: the client has sent none
	detached bool          // nobody waits for the request
	registry *registry.Registry

	mu     sync.Mutex
	opened Opened // its Closer is nil: no function has asked
	left   bool
}

type frameKey struct{}

// Enter gives the scope of a request's functions a frame. level is what the request says, and detached that nobody waits for it.
func (s *Scope) Enter(level *codec.Nested, detached bool, r *registry.Registry) *Frame {
	s.frame = &Frame{level: level, detached: detached, registry: r}
	return s.frame
}

// leaveGrace is how long an agent's answer waits for the calls of its functions to end. They are
// canceled, so that it takes no time, unless a callback of the program's does.
const leaveGrace = 100 * time.Millisecond

// Leave ends what the functions have called: their invocation has ended. It returns what that has cost. A nil frame is of no interest.
func (f *Frame) Leave() (spent codec.Spent) {
	if f == nil {
		return spent
	}
	f.mu.Lock()
	e := f.opened
	f.left = true
	f.mu.Unlock()
	if e.Closer == nil {
		return spent
	}
	over := make(chan struct{})
	go func() {
		_ = e.Close() // that callbacks still run is their program's
		close(over)
	}()
	patience := time.NewTimer(leaveGrace)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
	}
	return e.Spent()
}

// Executor returns the executor for the calls of the function with ctx. In an agent, open makes it,
// once for an invocation. The error is a *failure.Pool.
func Executor(ctx context.Context, open func(Inside) (Opened, error)) (any, error) {
	if ctx == nil {
		return nil, refused(errors.New("the context is nil"), hintContext)
	}
	m := From(ctx)
	f, _ := ctx.Value(frameKey{}).(*Frame)
	switch {
	case m != nil && m.Executor != nil:
		return m.Executor, nil
	case f == nil:
		return nil, refused(errors.New("the context is not that of a function which runs on a pool"), hintContext)
	}
	return f.open(ctx, open)
}

const hintContext = "pass the context that the function got; functions of detached runs on inproc have no executor"

func (f *Frame) open(ctx context.Context, open func(Inside) (Opened, error)) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.left:
		return nil, failure.NotRun(op, "", driver.ErrClosed, errors.New("the invocation of the function has ended"), "call before the function returns")
	case f.opened.Closer != nil:
		return f.opened.Closer, nil
	case f.detached:
		return nil, refused(errors.New("functions of detached runs cannot call: no client keeps workers for what they would call"),
			"have a client that waits call it, with Map or Call, or make two detached runs of it")
	}
	o, err := here()
	if err != nil {
		return nil, err
	}
	if f.level == nil {
		return nil, refused(errors.New("the client has kept no workers for calls of functions"),
			"import "+o.Import+" in the client's program too")
	}
	b, err := o.opened(ctx)
	if err != nil {
		kind := driver.ErrBadArguments
		if errors.Is(err, driver.ErrAccessDenied) {
			kind = driver.ErrAccessDenied
		}
		return nil, failure.NotRun(op, "", kind, err, "")
	}
	in := Inside{Backend: b, Registry: f.registry, Level: *f.level}
	in.Level.Depth++
	e, err := open(in)
	if err != nil {
		return nil, err
	}
	f.opened = e
	return e.Closer, nil
}

// op is what FromContext does, in errors.
const op = "executor from context"

func refused(err error, hint string) error {
	return failure.NotRun(op, "", driver.ErrBadArguments, err, hint)
}

// An Opener reaches, from a function, the deployment that the function runs in. Packages that
// programs import for it add one.
type Opener struct {
	Import   string // the package
	Variable string // of the environment, that is set where it serves
	Open     func(context.Context) (driver.Backend, error)

	mu      sync.Mutex
	backend driver.Backend // of the process, as long as it lives
}

// opened returns the backend, and opens it first if that has not succeeded before.
func (o *Opener) opened(ctx context.Context) (driver.Backend, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.backend == nil {
		b, err := o.Open(ctx)
		if err != nil {
			return nil, err
		}
		o.backend = b
	}
	return o.backend, nil
}

// The packages that programs import.
const (
	Lambda   = "github.com/lambdapool/lambdapool/backend/awslambda/nest"
	CloudRun = "github.com/lambdapool/lambdapool/backend/cloudrun/nest"
)

// The variables by which a function knows where it runs.
// Sources: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html and
// cloud.google.com/run/docs/container-contract, 2026-11.
const (
	LambdaVariable   = "AWS_LAMBDA_FUNCTION_NAME"
	CloudRunVariable = "K_SERVICE"
)

var openers []*Opener // written while the program starts only

// Link adds an opener, and returns it. It is for package-level variables.
func Link(o *Opener) *Opener {
	openers = append(openers, o)
	return o
}

// Linked reports whether the program has imported a package.
func Linked(path string) bool {
	for _, o := range openers {
		if o.Import == path {
			return true
		}
	}
	return false
}

// here returns the opener for where this process runs.
func here() (*Opener, error) {
	for _, o := range openers {
		if os.Getenv(o.Variable) != "" {
			return o, nil
		}
	}
	none := errors.New("the program has not linked what reaches its own deployment from a function")
	for variable, path := range map[string]string{LambdaVariable: Lambda, CloudRunVariable: CloudRun} {
		if os.Getenv(variable) != "" {
			return nil, refused(none, `add import _ "`+path+`" to the package of the functions, for agent and client`)
		}
	}
	return nil, refused(none, "functions can call on inproc, local, Lambda and Cloud Run only")
}
