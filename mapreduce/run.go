package mapreduce

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/engine"
	"github.com/lambdapool/lambdapool/splits"
)

// A run is one of a job.
type run[A any, K cmp.Ordered, V, R any] struct {
	job    *Job[A, K, V, R]
	pool   *lambdapool.Executor
	cfg    *config
	space  *space
	filled filled
}

// begin checks what a run is made of.
func (j *Job[A, K, V, R]) begin(pool *lambdapool.Executor, inputs iter.Seq2[A, error], opts []Option) (*run[A, K, V, R], error) {
	cfg, err := settle(opts)
	if err == nil {
		err = cfg.divide(reflect.TypeFor[K]())
	}
	if err != nil {
		return nil, err
	}
	if inputs == nil {
		return nil, fmt.Errorf("mapreduce: %s: the inputs are nil", j.name)
	}
	s, err := newSpace(pool, cfg)
	if err != nil {
		return nil, err
	}
	return &run[A, K, V, R]{job: j, pool: pool, cfg: cfg, space: s, filled: newFilled(cfg.partitions)}, nil
}

// Run maps the inputs, reduces what comes of that, and yields the results: partition by partition, sorted by key within
// each. It pulls inputs lazily, on another goroutine; no result comes before all are mapped. Mappers read their inputs
// themselves where these are splits of package splits.
//
//	for kv, err := range count.Run(ctx, pool, inputs, mapreduce.Partitions(64)) { … }
//
// It needs the object store of pool's backend, where mappers leave what reducers take. Through the client go inputs,
// names and sizes, and the results: those of a partition at once. For results that are too large for that see [Job.RunTo].
//
// It blocks until the loop ends. An error is the last that is yielded: an item's, which is a [lambdapool.ItemError] and of the
// second phase says which partition it is; the source's, [lambdapool.ErrInput]; or why nothing could begin. Breaking out
// of the loop ends the run. However it ends, it deletes what it has stored, see [Name]. Each loop is a run of its own.
func (j *Job[A, K, V, R]) Run(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[A, error], opts ...Option) iter.Seq2[Pair[K, R], error] {
	return func(yield func(Pair[K, R], error) bool) {
		var none Pair[K, R]
		r, err := j.begin(pool, inputs, opts)
		if err != nil {
			yield(none, err)
			return
		}
		well := false
		defer func() { r.space.clear(ctx, well) }()
		ctx := engine.WithPurse(ctx)
		if err := r.mapAll(ctx, inputs); err != nil {
			yield(none, err)
			return
		}
		for result, err := range lambdapool.StreamFrom(ctx, pool, j.reduces, r.tasks(ctx), r.cfg.reduces...) {
			if err != nil {
				yield(none, r.filled.explain(err))
				return
			}
			for _, p := range result.Pairs {
				if !yield(p, nil) {
					return
				}
			}
		}
		well = true
	}
}

// An Object is what [Job.RunTo] has written of one partition.
type Object struct {
	Key       string
	Partition int
	Records   int64
	Size      int64 // bytes
}

// RunTo is [Job.Run] for results that stay in the store: agents write an object for each partition that has any, sorted by key,
// and the client sees their names. They are below prefix, which must end with a slash, as in
// "out/part-00003-of-00016.jsonl". What is there under these names is replaced; nothing else below prefix is touched, so
// let it be empty.
//
// Objects of a run that failed are whole, if they are there. They are not deleted.
func (j *Job[A, K, V, R]) RunTo(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[A, error], prefix string, opts ...Option) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		r, err := j.begin(pool, inputs, opts)
		if err == nil {
			err = r.takesObjects(prefix)
		}
		if err != nil {
			yield(Object{}, err)
			return
		}
		well := false
		defer func() { r.space.clear(ctx, well) }()
		ctx := engine.WithPurse(ctx)
		if err := r.mapAll(ctx, inputs); err != nil {
			yield(Object{}, err)
			return
		}
		parts := r.filled.partitions()
		for result, err := range lambdapool.StreamFrom(ctx, pool, j.writes, r.writing(ctx, prefix), r.cfg.reduces...) {
			if err != nil {
				yield(Object{}, r.filled.explain(err))
				return
			}
			o := r.object(prefix, parts[0], result)
			if parts = parts[1:]; !yield(o, nil) {
				return
			}
		}
		well = true
	}
}

// takesObjects says why results cannot be objects below prefix, of the format that is asked for.
func (r *run[A, K, V, R]) takesObjects(prefix string) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	return r.cfg.format.takes(reflect.TypeFor[R]())
}

// checkPrefix says why results cannot be objects below prefix.
func checkPrefix(prefix string) error {
	ours := strings.HasPrefix(prefix, root) || strings.HasPrefix(prefix, "runs/")
	if ours || !strings.HasSuffix(prefix, "/") || strings.HasPrefix(prefix, "/") {
		return fmt.Errorf("mapreduce: the prefix %q: must end with a slash, begin with none, and not be below %q or %q", prefix, root, "runs/")
	}
	return nil
}

// mapAll is the first phase. It notes what counts of what the mappers have stored.
func (r *run[A, K, V, R]) mapAll(ctx context.Context, inputs iter.Seq2[A, error]) error {
	for m, err := range lambdapool.StreamFrom(ctx, r.pool, r.job.maps, r.mapping(ctx, inputs), r.cfg.maps...) {
		if err != nil {
			return r.cfg.explain(err)
		}
		if err := r.fill(m); err != nil {
			return err
		}
	}
	r.tellSkew()
	return nil
}

// mapping are the tasks of the first phase.
func (r *run[A, K, V, R]) mapping(ctx context.Context, inputs iter.Seq2[A, error]) iter.Seq2[mapTask[A], error] {
	var bounds [][]byte
	if r.cfg.ranges != nil {
		bounds = r.cfg.ranges.bounds
	}
	return func(yield func(mapTask[A], error) bool) {
		for input, err := range inputs {
			var to outlet
			if err == nil {
				to, err = r.space.outlet(ctx)
			}
			if !yield(mapTask[A]{input, to, r.cfg.partitions, bounds, r.cfg.memory}, err) {
				return
			}
		}
	}
}

// fill notes what a mapper has stored.
func (r *run[A, K, V, R]) fill(m mapped) error {
	for _, o := range m.Objects {
		if err := r.filled.add(o); err != nil {
			return fmt.Errorf("mapreduce: %s: %w", r.job.name, err)
		}
	}
	return nil
}

func (r *run[A, K, V, R]) tellSkew() {
	if skew := r.filled.skew(); skew != "" {
		r.cfg.logger.Warn("mapreduce: "+skew, "job", r.job.name)
	}
}

// tasks are those of the second phase. Links are signed when they are taken.
func (r *run[A, K, V, R]) tasks(ctx context.Context) iter.Seq2[reduceTask, error] {
	return func(yield func(reduceTask, error) bool) {
		for _, p := range r.filled.partitions() {
			task, err := r.filled.task(p, func(name string, from, to, size int64) (splits.Split, error) {
				return r.space.split(ctx, name, from, to, size)
			})
			if !yield(task, err) || err != nil {
				return
			}
		}
	}
}

// writing are tasks whose results are objects below prefix.
func (r *run[A, K, V, R]) writing(ctx context.Context, prefix string) iter.Seq2[writeTask, error] {
	return func(yield func(writeTask, error) bool) {
		for task, err := range r.tasks(ctx) {
			var to driver.Link
			name := r.objectName(task.Partition)
			if err == nil {
				if to, err = r.space.store.LinkPut(ctx, prefix+name, r.space.life); err != nil {
					err = fmt.Errorf("mapreduce: sign a link to store %s: %w", prefix+name, err)
				}
			}
			if !yield(writeTask{task, to, name, r.cfg.format}, err) || err != nil {
				return
			}
		}
	}
}

// object is what a partition's reducer has written.
func (r *run[A, K, V, R]) object(prefix string, partition int, w written) Object {
	return Object{Key: prefix + r.objectName(partition), Partition: partition, Records: w.Records, Size: w.Size}
}

func (r *run[A, K, V, R]) objectName(partition int) string {
	return fmt.Sprintf("part-%05d-of-%05d%s", partition, r.cfg.partitions, r.cfg.format.extension())
}
