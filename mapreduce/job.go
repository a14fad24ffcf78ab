package mapreduce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// A Mapper makes of an input any number of keys and values. emit takes one of each; it keeps nothing that the mapper may
// change later, but where values are combined: then a value is the job's. emit is for the goroutine that the mapper runs
// on. What it fails with ends ctx, and the call.
type Mapper[A any, K cmp.Ordered, V any] func(ctx context.Context, input A, emit func(K, V)) error

// A Reducer makes a result of a key and all of its values. The values can be read once, from the first on; those of
// one input's mapper come before those of later inputs. They need not be read to their end.
type Reducer[K cmp.Ordered, V, R any] func(ctx context.Context, key K, values iter.Seq[V]) (R, error)

// A Pair is a key and its result.
type Pair[K cmp.Ordered, R any] struct {
	Key   K `json:"key"`
	Value R `json:"value"`
}

// A Job is a mapper and a reducer that are registered. It is immutable and safe for concurrent use.
type Job[A any, K cmp.Ordered, V, R any] struct {
	name    string
	mapper  Mapper[A, K, V]
	reducer Reducer[K, V, R]
	combine func(V, V) V // nil: none
	keys    keyCodec[K]
	values  valueCodec[V]

	samples *lambdapool.Func[sampleTask[A], sampled[K]]
	maps    *lambdapool.Func[mapTask[A], mapped]
	reduces *lambdapool.Func[reduceTask, reduced[K, R]]
	writes  *lambdapool.Func[writeTask, written]
}

// A JobOption says something about a job when it is registered.
type JobOption[V any] func(*jobConfig[V])

type jobConfig[V any] struct {
	combine func(V, V) V
	err     error
}

// Combine joins two values of a key into one where they meet, in the mapper's agent and before the reducer, so
// that less travels: a sum for counts. f must be associative, it may change its arguments, and the reducer must
// be content with values of which some were combined, none, or all.
func Combine[V any](f func(V, V) V) JobOption[V] {
	return func(c *jobConfig[V]) {
		if f == nil {
			c.err = errors.New("Combine: the function is nil")
		}
		c.combine = f
	}
}

// Register registers a job's functions in [lambdapool.DefaultRegistry], as name + "/map", "/reduce", "/write" and "/sample". Call it
// when the program starts, typically from a package-level var, so that client and agent have them alike.
//
// All of them are idempotent to the pool: mapper and reducer may run twice for the same input, and what they
// return counts once.
//
// It panics on misuse, as [lambdapool.Register] does: an empty or taken name, a nil function, a type that cannot travel.
func Register[A any, K cmp.Ordered, V, R any](name string, mapper Mapper[A, K, V], reducer Reducer[K, V, R], opts ...JobOption[V]) *Job[A, K, V, R] {
	return RegisterIn(lambdapool.DefaultRegistry, name, mapper, reducer, opts...)
}

// RegisterIn is [Register] for an explicit registry.
func RegisterIn[A any, K cmp.Ordered, V, R any](r *lambdapool.Registry, name string, mapper Mapper[A, K, V], reducer Reducer[K, V, R], opts ...JobOption[V]) *Job[A, K, V, R] {
	var cfg jobConfig[V]
	for _, opt := range opts {
		if opt == nil {
			panic(misuse(name, errors.New("an option is nil: leave it out")))
		}
		opt(&cfg)
	}
	values, err := valuesOf[V]()
	switch {
	case mapper == nil:
		err = errors.New("the mapper is nil")
	case reducer == nil:
		err = errors.New("the reducer is nil")
	case err == nil:
		err = cfg.err
	}
	if err != nil {
		panic(misuse(name, err))
	}
	j := &Job[A, K, V, R]{name: name, mapper: mapper, reducer: reducer, combine: cfg.combine, keys: keysOf[K](), values: values}
	j.samples = lambdapool.RegisterIn(r, name+"/sample", j.runSample, lambdapool.Idempotent())
	j.maps = lambdapool.RegisterIn(r, name+detached.MapPhase, j.runMap, lambdapool.Idempotent())
	j.reduces = lambdapool.RegisterIn(r, name+detached.ReducePhase, j.runReduce, lambdapool.Idempotent())
	j.writes = lambdapool.RegisterIn(r, name+detached.WritePhase, j.runWrite, lambdapool.Idempotent())
	return j
}

func misuse(name string, err error) string {
	return fmt.Sprintf("mapreduce: register %q: %v", name, err)
}

// Name returns the registered name.
func (j *Job[A, K, V, R]) Name() string { return j.name }
