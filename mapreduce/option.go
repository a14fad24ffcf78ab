package mapreduce

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/detached"
)

const (
	// DefaultPartitions is how many partitions a run has unless [Partitions] says otherwise.
	DefaultPartitions = 16

	// MaxPartitions is how many it can have: a mapper's reply names the size of each.
	MaxPartitions = 10_000

	// DefaultMemory is how many bytes of keys and values a mapper keeps unless [Memory] says otherwise.
	DefaultMemory = 16 << 20

	// DefaultBatch is how many inputs of a [Fold] are one call unless [Batch] says otherwise.
	DefaultBatch = 256
)

// An Option configures a run. A bad one is the error of the run, which then begins nothing.
type Option func(*config) error

type config struct {
	partitions int     // 0: not said
	ranges     *ranges // nil: keys are divided by a hash
	memory     int64
	batch      int
	name       string
	detached   bool // name is that of detached runs
	format     Format
	logger     *slog.Logger
	maps       []lambdapool.MapOption // of the first phase
	reduces    []lambdapool.MapOption // of the second
}

func settle(opts []Option) (*config, error) {
	c := &config{memory: DefaultMemory, batch: DefaultBatch, logger: slog.Default()}
	var failed []error
	for _, opt := range opts {
		if opt == nil {
			failed = append(failed, errors.New("an option is nil: leave it out"))
			continue
		}
		failed = append(failed, opt(c))
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("mapreduce: %w", err)
	}
	return c, nil
}

// Partitions sets into how many parts the keys are divided, from 1 to [MaxPartitions]; [DefaultPartitions] unless set.
// Each is one call of the reduce function, so it should be a few times the workers, and so many that what a
// partition holds fits: its results in a reply, and its pieces, where they are many, in the agent's temporary directory.
// Keys are divided by a hash; for an order across partitions there is [Ranges].
func Partitions(n int) Option {
	return func(c *config) error {
		if n < 1 || n > MaxPartitions {
			return fmt.Errorf("Partitions(%d): must be from 1 to %d", n, MaxPartitions)
		}
		c.partitions = n
		return nil
	}
}

// Memory bounds what one mapper keeps of keys and values, in bytes, estimated; [DefaultMemory] unless set. When it
// has more, that is sorted and stored. While that goes on it takes about three times as much. Several mappers may run in an
// agent at once: see [lambdapool.Parallel].
func Memory(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1<<10 {
			return fmt.Errorf("Memory(%d): at least 1024 bytes", bytes)
		}
		c.memory = bytes
		return nil
	}
}

// Batch sets how many inputs of a [Fold] are one call, from 1 to 10,000; [DefaultBatch] unless set. Their
// results are folded where they are made. 1 suits inputs that each take seconds. Jobs by key have no use for it.
func Batch(n int) Option {
	return func(c *config) error {
		if n < 1 || n > 10_000 {
			return fmt.Errorf("Batch(%d): must be from 1 to 10,000", n)
		}
		c.batch = n
		return nil
	}
}

// Name says what the run's objects are named after: they are below "mapreduce/NAME/". Give one to a run with a
// journal, and the same when it goes on: what a run with a name has stored remains when it fails, is left or is
// killed, until a run of that name ends well. Two runs of a name must not go on at the same time. Without it the
// name is random, and the run deletes what it has stored however it ends, if it can.
//
// A name is letters, digits, dots, dashes and underscores, up to 100 of them.
func Name(name string) Option {
	return func(c *config) error {
		c.name = name
		return checkName(fmt.Sprintf("Name(%q)", name), name)
	}
}

// checkName says why a run cannot have a name, which what is.
func checkName(what, name string) error {
	if len(name) > 100 || detached.CheckID(name) != nil {
		return fmt.Errorf("%s: must be 1 to 100 letters, digits, dots, dashes and underscores, and not dots alone", what)
	}
	return nil
}

// As sets how [Job.RunTo] writes results; [JSONLines] unless set. [Raw] is for reducers that return bytes or text.
func As(f Format) Option {
	return func(c *config) error {
		if f > Msgpack {
			return fmt.Errorf("As(%v): there are JSONLines, CSV, Raw and Msgpack", f)
		}
		c.format = f
		return nil
	}
}

// Logger sets where a run reports what fails nothing: partitions that are far larger than others, and
// objects that it could not delete. The default is slog.Default().
func Logger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("Logger: it is nil; use slog.New(slog.DiscardHandler) for silence")
		}
		c.logger = l
		return nil
	}
}

// With passes options on to the phases of the run, each of which is a stream of the pool: of mappers, of reducers.
// [lambdapool.Progress] reports of both, one after the other, by the name of their function. A
// [lambdapool.Budget] is the run's: what the first phase has spent, the second has no more.
// A journal gets both, under the names of their functions, and needs [Name].
// [lambdapool.ContinueOnError] and [lambdapool.TolerateFailures] change nothing: a run that lacks something ends with the first error.
func With(opts ...lambdapool.MapOption) Option {
	return func(c *config) error {
		c.maps, c.reduces = append(c.maps, opts...), append(c.reduces, opts...)
		return nil
	}
}

// WithMap is [With] for the mappers alone: [lambdapool.Total] is for them.
func WithMap(opts ...lambdapool.MapOption) Option {
	return func(c *config) error {
		c.maps = append(c.maps, opts...)
		return nil
	}
}

// WithReduce is [With] for the reducers alone.
func WithReduce(opts ...lambdapool.MapOption) Option {
	return func(c *config) error {
		c.reduces = append(c.reduces, opts...)
		return nil
	}
}

// explain says what the name of a run has to do with its journal.
func (c *config) explain(err error) error {
	if errors.Is(err, lambdapool.ErrJournal) && c.name == "" {
		return fmt.Errorf("mapreduce: a run with a journal needs a Name, the same when it goes on: %w", err)
	}
	return err
}
