package mapreduce

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
)

// Ranges divides the keys by their order instead of by a hash: partition 0 has the keys below bounds[0], partition i those
// from bounds[i-1] on and below bounds[i], the last one the rest. So the results of a run are sorted as a whole, and the objects of
// [Job.RunTo] are, one after another. There is a partition more than there are bounds, and [Partitions] is not needed.
//
// [Job.Bounds] finds bounds by a sample of the inputs. Take your own where you know how the keys lie: a partition that has far more
// than others is slow, and reported. Bounds are of the job's type of keys and ascend; each mapper gets all of them, so let
// them be short.
//
// A run that goes on, see [Name], needs the bounds that it had.
func Ranges[K cmp.Ordered](bounds ...K) Option {
	keys := keysOf[K]()
	return func(c *config) error {
		if len(bounds) >= MaxPartitions {
			return fmt.Errorf("Ranges: %d bounds: at most %d", len(bounds), MaxPartitions-1)
		}
		r := &ranges{of: reflect.TypeFor[K]()}
		for i, k := range bounds {
			switch {
			case k != k: //nolint:gocritic // NaN alone is not itself
				return fmt.Errorf("Ranges: bound %d is not a number (NaN)", i)
			case i > 0 && bounds[i-1] >= k:
				return fmt.Errorf("Ranges: bound %d, %v, is not above the one before, %v: sort them, and name each once", i, k, bounds[i-1])
			}
			r.bounds = append(r.bounds, keys.append(nil, k))
		}
		c.ranges = r
		return nil
	}
}

// ranges are what [Ranges] says, as keys are encoded.
type ranges struct {
	of     reflect.Type // of the keys
	bounds [][]byte
}

// divide settles how many partitions there are, for a job whose keys are of a type.
func (c *config) divide(keys reflect.Type) error {
	switch {
	case c.ranges == nil:
		c.partitions = cmp.Or(c.partitions, DefaultPartitions)
		return nil
	case c.ranges.of != keys:
		return fmt.Errorf("mapreduce: Ranges of %v: the job's keys are of type %v", c.ranges.of, keys)
	case c.partitions > 0 && c.partitions != len(c.ranges.bounds)+1:
		return fmt.Errorf("mapreduce: Partitions(%d), and Ranges for %d: leave Partitions out", c.partitions, len(c.ranges.bounds)+1)
	}
	c.partitions = len(c.ranges.bounds) + 1
	return nil
}

// errBounds is what a mapper's agent says of bounds that no client makes.
var errBounds = errors.New("the bounds of partitions are not in order, or not as many as partitions: is client and agent the same version?")

// divider returns what tells the partition of an encoded key.
func divider(partitions int, bounds [][]byte) (func(key []byte) int, error) {
	if bounds == nil {
		return func(key []byte) int { return partition(key, partitions) }, nil
	}
	if len(bounds) != partitions-1 || !slices.IsSortedFunc(bounds, bytes.Compare) {
		return nil, errBounds
	}
	return func(key []byte) int {
		return sort.Search(len(bounds), func(i int) bool { return bytes.Compare(key, bounds[i]) < 0 })
	}, nil
}
