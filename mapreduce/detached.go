package mapreduce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/detached"
)

// Start begins a run for which nobody waits: the mappers are a detached run of that name, see [lambdapool.MapDetached], and the
// program may end as soon as Start has returned. [Job.Attach] goes on with it, in this program or another one.
//
// Mapping survives the program. Reducing begins when somebody attaches after all inputs are mapped, since agents have no right to
// start anything; it is a detached run too, called name + ".reduce", and survives the program that began it. `lambdapool runs` lists,
// shows and cancels each of them, and deletes the second with the first, as [Delete] does. Pieces belong to the first one: they are deleted with it, by a lifecycle rule for
// "runs/", or by the Attach that has all results.
//
// It takes all inputs in before it sends one, and blocks until the platform has queued all calls. Started again under the same name, with the
// same inputs and options, it sends what is not sent yet.
//
// [Partitions], [Memory] and [Logger] apply, and [With] and [WithMap] with options of detached runs, such as
// [lambdapool.Retention]. The name is one that [Name] takes. The error is a [lambdapool.PoolError] or an
// [lambdapool.ItemError] of MapDetached, [lambdapool.ErrInput], or says which option is wrong.
func (j *Job[A, K, V, R]) Start(ctx context.Context, pool *lambdapool.Executor, name string, inputs iter.Seq2[A, error], opts ...Option) error {
	if err := checkName(fmt.Sprintf("mapreduce: %s: the name %q", j.name, name), name); err != nil {
		return err
	}
	r, err := j.begin(pool, inputs, append(slices.Clip(opts), named(name)))
	if err != nil {
		return err
	}
	var tasks []mapTask[A]
	for task, err := range r.mapping(ctx, inputs) {
		if err != nil {
			return fmt.Errorf("mapreduce: %s: %w: %w", j.name, lambdapool.ErrInput, err)
		}
		tasks = append(tasks, task)
	}
	sent, err := lambdapool.MapDetached(ctx, pool, j.maps, tasks, append(r.cfg.maps, lambdapool.RunName(name))...)
	if err != nil {
		return err
	}
	return sent.Close()
}

// named makes a run the detached one of that name.
func named(name string) Option {
	return func(c *config) error {
		if c.name != "" {
			return fmt.Errorf("Name(%q): a detached run has a name already, %q", c.name, name)
		}
		c.name, c.detached = name, true
		return nil
	}
}

// Attach goes on with the run that [Job.Start] has begun under that name: it waits until all inputs are mapped, starts the reducers unless
// somebody else has, waits for them, and yields the results as [Job.Run] does. Several clients may attach at once, and again later:
// all get the same. Breaking out of the loop, or the end of ctx, leaves the run alone.
//
// What is recorded is final, as of any detached run. An input or a partition that failed ends each Attach with its
// error, and the runs are to be deleted before a new Start, by [Delete]. When it has yielded everything it deletes the pieces;
// results stay for as long as the runs do.
//
// [As] and [Logger] apply. [With] takes [lambdapool.Progress] and [lambdapool.FailOnTimeout]; [WithReduce] also takes what
// [lambdapool.MapDetached] does, such as [lambdapool.StartWithin], for who starts the reducers. The error is one of
// [lambdapool.Attach], as [lambdapool.ErrRunNotFound], or an item's.
//
// It keeps some hundred bytes for each piece, of which there is one for each input and partition, until the reducers are started.
func (j *Job[A, K, V, R]) Attach(ctx context.Context, pool *lambdapool.Executor, name string, opts ...Option) iter.Seq2[Pair[K, R], error] {
	return func(yield func(Pair[K, R], error) bool) {
		var none Pair[K, R]
		r, err := j.attach(ctx, pool, name, opts)
		if err != nil {
			yield(none, err)
			return
		}
		for result, err := range goOn(ctx, r, j.reduces, r.tasks(ctx)) {
			if err != nil {
				yield(none, err)
				return
			}
			for _, p := range result.Pairs {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// AttachTo is [Job.Attach] for results that stay in the store, as those of [Job.RunTo] do. Who attaches first says whether the reducers
// write objects, where and as what: another wish gets [lambdapool.ErrRunExists].
func (j *Job[A, K, V, R]) AttachTo(ctx context.Context, pool *lambdapool.Executor, name, prefix string, opts ...Option) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		err := checkPrefix(prefix) // before the first phase is waited for
		var r *run[A, K, V, R]
		if err == nil {
			r, err = j.attach(ctx, pool, name, opts)
		}
		if err == nil {
			err = r.takesObjects(prefix)
		}
		if err != nil {
			yield(Object{}, err)
			return
		}
		parts := r.filled.partitions()
		for result, err := range goOn(ctx, r, j.writes, r.writing(ctx, prefix)) {
			if err != nil {
				yield(Object{}, err)
				return
			}
			o := r.object(prefix, parts[0], result)
			if parts = parts[1:]; !yield(o, nil) {
				return
			}
		}
	}
}

// attach waits for the first phase of a detached run, and notes what the mappers have stored.
func (j *Job[A, K, V, R]) attach(ctx context.Context, pool *lambdapool.Executor, name string, opts []Option) (*run[A, K, V, R], error) {
	if err := checkName(fmt.Sprintf("mapreduce: %s: the name %q", j.name, name), name); err != nil {
		return nil, err
	}
	cfg, err := settle(append(slices.Clip(opts), named(name)))
	if err != nil {
		return nil, err
	}
	if cfg.partitions != 0 || cfg.ranges != nil || cfg.memory != DefaultMemory || cfg.batch != DefaultBatch {
		return nil, fmt.Errorf("mapreduce: %s: run %s has begun: Partitions, Ranges, Memory and Batch do not apply any more", j.name, name)
	}
	s, err := newSpace(pool, cfg)
	if err != nil {
		return nil, err
	}
	r := &run[A, K, V, R]{job: j, pool: pool, cfg: cfg, space: s}
	mapping, err := lambdapool.Attach(ctx, pool, j.maps, name, cfg.maps...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = mapping.Close() }() // it returns nil
	for result := range mapping.InOrder(ctx) {
		if result.Err != nil {
			return nil, result.Err
		}
		if err := r.fill(result.Value); err != nil {
			return nil, err
		}
	}
	r.cfg.partitions = len(r.filled.bytes)
	r.tellSkew()
	return r, nil
}

// goOn has the second phase of a detached run go on, or begin, and yields what comes of it, in the order of the partitions. When that is all it
// deletes the pieces.
func goOn[A any, K cmp.Ordered, V, R, T, O any](ctx context.Context, r *run[A, K, V, R], fn *lambdapool.Func[T, O], tasks iter.Seq2[T, error]) iter.Seq2[O, error] {
	return func(yield func(O, error) bool) {
		var none O
		var all []T
		for task, err := range tasks {
			if err != nil {
				yield(none, err)
				return
			}
			all = append(all, task)
		}
		reducers, err := startReducers(ctx, r.pool, fn, all, append(r.cfg.reduces, lambdapool.RunName(r.cfg.name+detached.Reducing)))
		if err != nil {
			yield(none, err)
			return
		}
		defer func() { _ = reducers.Close() }() // it returns nil
		for result := range reducers.InOrder(ctx) {
			if result.Err != nil {
				yield(none, r.filled.explain(result.Err))
				return
			}
			if !yield(result.Value, nil) {
				return
			}
		}
		r.space.clear(ctx, true)
	}
}

// sendingPause is how often a client looks whether another one has sent the reducers.
const sendingPause = time.Second

// startReducers sends the second phase, unless that is done. It waits while another client is at it: if that is killed, this one goes on.
func startReducers[T, O any](ctx context.Context, pool *lambdapool.Executor, fn *lambdapool.Func[T, O], tasks []T, opts []lambdapool.MapOption) (*lambdapool.Run[O], error) {
	for {
		run, err := lambdapool.MapDetached(ctx, pool, fn, tasks, opts...)
		if !errors.Is(err, detached.ErrSending) {
			return run, err
		}
		select {
		case <-time.After(sendingPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Delete deletes the detached run that [Job.Start] has begun under that name, with its second phase and its pieces. It needs no job. Objects that
// [Job.AttachTo] has yielded stay. Calls that are queued or run are not stopped by that, and their results are lost.
//
// The error is [lambdapool.ErrRunNotFound] where there is no such run, and [lambdapool.ErrBadArguments] where the run is of something else than a job.
// What was interrupted can be done again.
func Delete(ctx context.Context, pool *lambdapool.Executor, name string) error {
	if err := checkName(fmt.Sprintf("mapreduce: the name %q", name), name); err != nil {
		return err
	}
	if _, err := storeOf(pool); err != nil {
		return err
	}
	first, err := functionOf(ctx, pool, name)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(first, detached.MapPhase) {
		return fmt.Errorf("mapreduce: run %s calls %s, which is of no job: %w", name, first, lambdapool.ErrBadArguments)
	}
	second, err := functionOf(ctx, pool, name+detached.Reducing)
	if err != nil && !errors.Is(err, lambdapool.ErrRunNotFound) {
		return err
	}
	if detached.Continues(first, second) { // before the first one, by which it is found
		if err := pool.DeleteRun(ctx, name+detached.Reducing); err != nil && !errors.Is(err, lambdapool.ErrRunNotFound) {
			return err
		}
	}
	return pool.DeleteRun(ctx, name)
}

// functionOf returns what a run calls.
func functionOf(ctx context.Context, pool *lambdapool.Executor, id string) (string, error) {
	run, err := pool.AttachEncoded(ctx, id)
	if err != nil {
		return "", err
	}
	defer func() { _ = run.Close() }() // it returns nil
	return run.Info().Func, nil
}
