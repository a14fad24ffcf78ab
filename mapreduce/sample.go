package mapreduce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/lambdapool/lambdapool"
)

const (
	// sampledInputs is how many inputs a sample is of.
	sampledInputs = 16

	// looked is at how many keys of an input a sample looks: a mapper that has emitted them is ended.
	looked = 20_000

	// taken is how many of these it takes.
	taken = 1_000
)

// A sampleTask is the argument of a job's sample function.
type sampleTask[A any] struct{ Input A }

// A sampled is what it returns: some of the keys that the mapper emitted.
type sampled[K cmp.Ordered] struct {
	Keys   []K
	Looked int // at so many
}

// Bounds samples the keys of inputs, and returns bounds for [Ranges] that divide them into so many partitions of about as many
// values each, from 1 to [MaxPartitions]. There are fewer where a few keys have most of the values, and none where there is no
// key.
//
//	bounds, err := sorted.Bounds(ctx, pool, inputs, 64)
//	for o, err := range sorted.RunTo(ctx, pool, inputs, "sorted/", mapreduce.Ranges(bounds...)) { … }
//
// It takes all inputs from their source and runs the mapper on up to 16 of them, chosen at random: each for its first 20,000
// keys, then its context ends. So it is cheap, and a mapper must emit from early on. An input that is
// itself sorted is judged by its beginning; with few of such inputs, name the bounds yourself. The same inputs have the same
// bounds, each time.
//
// It blocks until the sample is there. An error is the source's, [lambdapool.ErrInput], or that of a mapper, a [lambdapool.ItemError].
// opts are those of the sample's run, which needs no object store.
func (j *Job[A, K, V, R]) Bounds(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[A, error], partitions int, opts ...lambdapool.MapOption) ([]K, error) {
	switch {
	case pool == nil:
		return nil, errNoPool
	case partitions < 1 || partitions > MaxPartitions:
		return nil, fmt.Errorf("mapreduce: %s: bounds for %d partitions: must be from 1 to %d", j.name, partitions, MaxPartitions)
	case inputs == nil:
		return nil, fmt.Errorf("mapreduce: %s: the inputs are nil", j.name)
	}
	tasks, err := someOf(inputs)
	if err != nil {
		return nil, fmt.Errorf("mapreduce: %s: bounds: %w: %w", j.name, lambdapool.ErrInput, err)
	}
	samples, err := lambdapool.Map(ctx, pool, j.samples, tasks, opts...)
	if err != nil {
		return nil, err
	}
	return quantiles(samples, partitions), nil
}

// someOf returns up to sampledInputs tasks, each of the inputs with the same chance.
func someOf[A any](inputs iter.Seq2[A, error]) ([]sampleTask[A], error) {
	r := newReservoir[sampleTask[A]](sampledInputs)
	for input, err := range inputs {
		if err != nil {
			return nil, err
		}
		r.add(sampleTask[A]{input})
	}
	return r.taken, nil
}

// quantiles returns the keys that divide the samples, each of which stands for as many keys as it looked at.
func quantiles[K cmp.Ordered](samples []sampled[K], partitions int) []K {
	type weighed struct {
		key    K
		weight float64
	}
	var all []weighed
	total := 0.0
	for _, s := range samples {
		for _, k := range s.Keys {
			all = append(all, weighed{k, float64(s.Looked) / float64(len(s.Keys))})
		}
		total += float64(s.Looked)
	}
	slices.SortFunc(all, func(a, b weighed) int { return cmp.Compare(a.key, b.key) })
	bounds, below, next := []K{}, 0.0, 1 // next: the partition that begins where below is its share
	for i, w := range all {
		fresh := i > 0 && all[i-1].key != w.key // only there a partition can begin
		if fresh && next < partitions && below >= total*float64(next)/float64(partitions) {
			bounds = append(bounds, w.key)
			next = int(below/total*float64(partitions)) + 1 // a key that has several shares takes their partitions away
		}
		below += w.weight
	}
	return bounds
}

// errEnough ends a mapper whose keys were looked at.
var errEnough = errors.New("mapreduce: the sample has enough keys")

// runSample runs in an agent.
func (j *Job[A, K, V, R]) runSample(ctx context.Context, t sampleTask[A]) (sampled[K], error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := newReservoir[K](taken)
	err := j.mapper(ctx, t.Input, func(k K, _ V) {
		switch {
		case keys.seen == looked:
			cancel(errEnough)
		case k == k: //nolint:gocritic // a run refuses NaN, which alone is not itself
			keys.add(k)
		}
	})
	if err != nil && !errors.Is(context.Cause(ctx), errEnough) {
		return sampled[K]{}, err
	}
	return sampled[K]{keys.taken, keys.seen}, nil
}

// A reservoir keeps a few of what it is given, each with the same chance: Vitter's algorithm R. The same things give the same choice.
type reservoir[T any] struct {
	random *rand.Rand
	most   int
	seen   int
	taken  []T
}

func newReservoir[T any](most int) *reservoir[T] {
	return &reservoir[T]{random: rand.New(rand.NewPCG(1, 2)), most: most} //nolint:gosec // no secret
}

func (r *reservoir[T]) add(x T) {
	r.seen++
	if len(r.taken) < r.most {
		r.taken = append(r.taken, x)
	} else if i := r.random.IntN(r.seen); i < r.most {
		r.taken[i] = x
	}
}
