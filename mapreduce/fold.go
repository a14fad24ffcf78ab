package mapreduce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/engine"
)

// A Fold is the small form, without keys: a function that makes a result of an input, and one that makes one result of
// two. It is immutable and safe for concurrent use.
type Fold[A, R any] struct {
	name   string
	mapper func(context.Context, A) (R, error)
	folder func(context.Context, R, R) (R, error)
	values valueCodec[R]

	folds *lambdapool.Func[foldTask[A], folded]
	joins *lambdapool.Func[joinTask, folded]
}

const (
	// inline is the largest result, in bytes, that goes by the client: a link would not be shorter.
	inline = 1 << 10

	// joinFan is how many results one call joins.
	joinFan = 32
)

// A foldTask is the argument of a Fold's first function.
type foldTask[A any] struct {
	First  int // position of the first of the inputs, from 0
	Inputs []A
	To     outlet
}

// A folded is a result: here, or in the store.
type folded struct {
	Value []byte
	Name  string // below the run's prefix; "": it is Value
	Size  int64
	Sum   uint32
}

// A joinTask is the argument of its second function.
type joinTask struct {
	Parts []part
	To    outlet
	Top   bool // of the tree: its result is the client's, however large
}

// A part is a result that is to be joined with others.
type part struct {
	Value  []byte
	Stored bool
	Piece  piece
}

// RegisterFold registers a Fold's functions in [lambdapool.DefaultRegistry], as name + "/fold" and "/join". Call it when the
// program starts, typically from a package-level var. folder must be associative; it gets results in the order of
// their inputs. Both may run twice for the same input. It panics on misuse, as [lambdapool.Register] does.
func RegisterFold[A, R any](name string, mapper func(context.Context, A) (R, error), folder func(ctx context.Context, a, b R) (R, error)) *Fold[A, R] {
	return RegisterFoldIn(lambdapool.DefaultRegistry, name, mapper, folder)
}

// RegisterFoldIn is [RegisterFold] for an explicit registry.
func RegisterFoldIn[A, R any](r *lambdapool.Registry, name string, mapper func(context.Context, A) (R, error), folder func(ctx context.Context, a, b R) (R, error)) *Fold[A, R] {
	values, err := valuesOf[R]()
	switch {
	case mapper == nil:
		err = errors.New("the mapper is nil")
	case folder == nil:
		err = errors.New("the folder is nil")
	}
	if err != nil {
		panic(misuse(name, err))
	}
	f := &Fold[A, R]{name: name, mapper: mapper, folder: folder, values: values}
	f.folds = lambdapool.RegisterIn(r, name+"/fold", f.runFold, lambdapool.Idempotent())
	f.joins = lambdapool.RegisterIn(r, name+"/join", f.runJoin, lambdapool.Idempotent())
	return f
}

// Name returns the registered name.
func (f *Fold[A, R]) Name() string { return f.name }

// runFold runs in an agent.
func (f *Fold[A, R]) runFold(ctx context.Context, t foldTask[A]) (folded, error) {
	var all R
	for i, input := range t.Inputs {
		r, err := f.mapper(ctx, input)
		if err == nil && i > 0 {
			r, err = f.folder(ctx, all, r)
		}
		if err != nil {
			return folded{}, fmt.Errorf("input %d: %w", t.First+i, err)
		}
		all = r
	}
	return f.put(ctx, &t.To, all, inline)
}

// runJoin runs in an agent.
func (f *Fold[A, R]) runJoin(ctx context.Context, t joinTask) (folded, error) {
	var all R
	for i, p := range t.Parts {
		r, err := f.get(ctx, p)
		if err == nil && i > 0 {
			r, err = f.folder(ctx, all, r)
		}
		if err != nil {
			return folded{}, err
		}
		all = r
	}
	most := inline
	if t.Top {
		most = maxValue
	}
	return f.put(ctx, &t.To, all, most)
}

// put stores a result of more than most bytes.
func (f *Fold[A, R]) put(ctx context.Context, to *outlet, r R, most int) (folded, error) {
	data, err := f.values.encode(&r)
	switch {
	case err != nil:
		return folded{}, fmt.Errorf("the result: %w", err)
	case len(data) <= most:
		return folded{Value: data}, nil
	}
	done := folded{Size: int64(len(data)), Sum: checksum(0, data)}
	done.Name, err = to.put(ctx, done.Size, func() io.Reader { return bytes.NewReader(data) })
	return done, err
}

// get is what put has stored.
func (f *Fold[A, R]) get(ctx context.Context, p part) (R, error) {
	if !p.Stored {
		return f.values.decode(p.Value)
	}
	var none R
	where := p.Piece.Where
	if where.Size < 0 || where.Size > maxValue {
		return none, fmt.Errorf("mapreduce: %v: %w: it claims to have %d bytes", where, ErrDamaged, where.Size)
	}
	body, err := where.Open(ctx)
	if err != nil {
		return none, err
	}
	defer func() { _ = body.Close() }() // it was read
	data := make([]byte, where.Size)
	if _, err := io.ReadFull(body, data); err != nil {
		return none, fmt.Errorf("mapreduce: %v: %w", where, err)
	}
	if checksum(0, data) != p.Piece.Sum {
		return none, fmt.Errorf("mapreduce: %v: %w: its checksum is another", where, ErrDamaged)
	}
	return f.values.decode(data)
}

// ErrNoInput is the error of a [Fold] over nothing: there is no result.
var ErrNoInput = errors.New("there is no input")

// Run makes one result of all inputs, in the agents: of [Batch] inputs in one call, and of these results in a tree of more
// calls. So results meet the client a batch at a time, and those above 1 KiB only by name: they are in the object store
// of pool's backend until the run ends, as those of a [Job] are.
//
// It blocks until all is done. The error is an item's, which is a batch and says which input it was; [ErrNoInput];
// [lambdapool.ErrInput]; or why nothing could begin. [Partitions], [Memory] and [As] mean nothing here.
func (f *Fold[A, R]) Run(ctx context.Context, pool *lambdapool.Executor, inputs iter.Seq2[A, error], opts ...Option) (R, error) {
	var none R
	cfg, err := settle(opts)
	if err != nil {
		return none, err
	}
	if inputs == nil {
		return none, fmt.Errorf("mapreduce: %s: the inputs are nil", f.name)
	}
	s, err := newSpace(pool, cfg)
	if err != nil {
		return none, err
	}
	well := false
	defer func() { s.clear(ctx, well) }()
	ctx = engine.WithPurse(ctx)
	var nodes []folded
	for leaf, err := range lambdapool.StreamFrom(ctx, pool, f.folds, batches(ctx, s, inputs, cfg.batch), cfg.maps...) {
		if err != nil {
			return none, cfg.explain(err)
		}
		nodes = append(nodes, leaf)
	}
	if len(nodes) == 0 {
		return none, fmt.Errorf("mapreduce: %s: %w", f.name, ErrNoInput)
	}
	top, err := f.join(ctx, pool, s, nodes, cfg)
	if err != nil {
		return none, err
	}
	well = true
	return f.values.decode(top.Value)
}

// batches cuts inputs into tasks.
func batches[A any](ctx context.Context, s *space, inputs iter.Seq2[A, error], size int) iter.Seq2[foldTask[A], error] {
	return func(yield func(foldTask[A], error) bool) {
		var t foldTask[A]
		send := func() bool {
			to, err := s.outlet(ctx)
			t.To = to
			ok := yield(t, err) && err == nil
			t = foldTask[A]{First: t.First + len(t.Inputs)}
			return ok
		}
		for input, err := range inputs {
			if err != nil {
				yield(t, err)
				return
			}
			if t.Inputs = append(t.Inputs, input); len(t.Inputs) == size && !send() {
				return
			}
		}
		if len(t.Inputs) > 0 {
			send()
		}
	}
}

// join makes one of nodes. All levels of the tree are one stream, whose journal knows each call by its place: a call is
// given to the pool when those below it have ended, which come before it.
func (f *Fold[A, R]) join(ctx context.Context, pool *lambdapool.Executor, s *space, nodes []folded, cfg *config) (folded, error) {
	if len(nodes) == 1 && nodes[0].Name == "" {
		return nodes[0], nil
	}
	levels := tree(len(nodes))
	results, over := make(chan folded, levels[0]), make(chan struct{})
	tasks := func(yield func(joinTask, error) bool) {
		below := nodes
		for _, calls := range levels {
			above := make([]folded, 0, calls)
			for i := range calls {
				t, err := s.joinTask(ctx, below[i*joinFan:min((i+1)*joinFan, len(below))])
				t.Top = calls == 1
				if !yield(t, err) || err != nil {
					return
				}
			}
			for range calls {
				select {
				case r := <-results:
					above = append(above, r)
				case <-over:
					return
				}
			}
			below = above
		}
	}
	defer close(over)
	var last folded
	for r, err := range lambdapool.StreamFrom(ctx, pool, f.joins, tasks, cfg.reduces...) {
		if err != nil {
			return last, cfg.explain(err)
		}
		last = r
		results <- r // there is room: no level has more calls than there are nodes, and the next one takes them all
	}
	return last, nil
}

// tree returns how many calls each level takes that joins n results; the last takes one.
func tree(n int) (levels []int) {
	for {
		n = (n + joinFan - 1) / joinFan
		if levels = append(levels, n); n == 1 {
			return levels
		}
	}
}

// joinTask is the one that joins nodes.
func (s *space) joinTask(ctx context.Context, nodes []folded) (t joinTask, err error) {
	if t.To, err = s.outlet(ctx); err != nil {
		return t, err
	}
	for _, n := range nodes {
		p, err := s.part(ctx, n)
		if err != nil {
			return t, err
		}
		t.Parts = append(t.Parts, p)
	}
	return t, nil
}

// part is a result that can be read.
func (s *space) part(ctx context.Context, n folded) (part, error) {
	if n.Name == "" {
		return part{Value: n.Value}, nil
	}
	where, err := s.split(ctx, n.Name, 0, n.Size, n.Size)
	delete(s.links, n.Name) // it is read once
	return part{Stored: true, Piece: piece{Where: where, Sum: n.Sum}}, err
}
