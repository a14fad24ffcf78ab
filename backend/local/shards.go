package local

import (
	"fmt"
	"maps"
	"sync"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/service"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
	"github.com/lambdapool/lambdapool/internal/shards"
)

// WithShards gives a [Backend] n functions of the same program: NAME, NAME-1 and so on, 1 to 20. The Backend
// spreads its invocations over them as awslambda.WithShards does, and others may invoke each by its name at the
// Endpoint. One is the default.
//
// Use it with [WithScalingLaw], to see what shards are good for, or to test that a program does not care which one
// runs its calls. Each function has agents of its own; [WithConcurrency] bounds the invocations that run at
// once in all of them together, as an account does.
func WithShards(n int) Option {
	return func(c *config) error {
		if n < 1 || n > shards.Most {
			return fmt.Errorf("%d shards: must be 1 to %d", n, shards.Most)
		}
		c.shards = n
		return nil
	}
}

// WithScalingLaw has each function start environments as Lambda does: burst at once, and perSecond more in each
// second after that, never saved up beyond burst. A request that finds none idle, and may start none, is answered 429. On
// Lambda burst is 1,000 and perSecond 100; a machine of yours shows much the same with 3 and 0. With a perSecond of
// a few, shards are refused now and then, since each has to wait for a whole environment of its own.
//
// burst is 1 to 10,000, perSecond 0 to 10,000. It is for a [Backend], whose Limits then tell executors, and for a
// [Server], where the law holds for each function with all its versions. By default there is none: agents start as
// [WithConcurrency] allows.
func WithScalingLaw(burst int, perSecond float64) Option {
	return func(c *config) error {
		switch {
		case burst < 1 || burst > service.MaxConcurrency:
			return fmt.Errorf("scaling law with a burst of %d: must be 1 to %d", burst, service.MaxConcurrency)
		case !(perSecond >= 0 && perSecond <= service.MaxConcurrency):
			return fmt.Errorf("scaling law of %v more a second: must be 0 to %d", perSecond, service.MaxConcurrency)
		}
		c.law = service.ScalingLaw{Burst: burst, PerSecond: perSecond}
		return nil
	}
}

// functions makes one for each shard.
func (b *Backend) functions(spec sandbox.Spec, auth *wire.Authenticator) []*service.Function {
	n := b.cfg.shards
	fns := make([]*service.Function, n)
	account := service.NewAccount(b.cfg.concurrency, service.NewMachine(b.cfg.concurrency))
	for i := range fns {
		own := spec
		own.Name, own.Starts = shards.Name(b.cfg.name, i), b.cfg.law.Starts()
		own.Credentials = auth.Issue(role, own.Name)
		cfg := service.Config{Spec: own, Terms: b.cfg.events, Data: b.data}
		if n > 1 {
			cfg.Env = maps.Clone(spec.Env)
			cfg.Env[shards.Variable] = shards.Mark(i, n)
			cfg.Quota = account.Quota()
		}
		fns[i] = service.New(cfg, b.spawner)
	}
	return fns
}

// closeFunctions ends all environments, and returns when all processes are gone.
func (b *Backend) closeFunctions() {
	var closing sync.WaitGroup
	for _, fn := range b.fns {
		closing.Go(fn.Close)
	}
	closing.Wait()
}

// resolve returns the function that a name means.
func (b *Backend) resolve(id wire.FunctionID) (_ *service.Function, over func(), refused *wire.Refusal) {
	for _, fn := range b.fns {
		if found, over, refused := fn.Only(id); refused == nil {
			return found, over, nil
		}
	}
	return nil, nil, wire.NotFound(id.ARN())
}

// find returns the living sandbox with that id, or nil.
func (b *Backend) find(id string) *sandbox.Sandbox {
	for _, fn := range b.fns {
		if found := fn.Find(id); found != nil {
			return found
		}
	}
	return nil
}
