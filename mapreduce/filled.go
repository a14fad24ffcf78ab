package mapreduce

import (
	"errors"
	"fmt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/splits"
)

// A partition is skewed if it is so many times as large as the mean, and not small: nobody waits for that.
const (
	skewed      = 4
	skewedBytes = 16 << 20
)

// filled is what the mappers have stored that counts, in the order of the inputs.
type filled struct {
	objects []layout
	bytes   []int64 // of each partition
	total   int64
}

// A layout is an object, by where in it the pieces end.
type layout struct {
	name string
	ends []int64
	sums []uint32
}

func newFilled(partitions int) filled { return filled{bytes: make([]int64, partitions)} }

// add takes note of an object. The first says how many partitions there are where that is not known.
func (f *filled) add(o object) error {
	if f.bytes == nil && len(o.Sizes) <= MaxPartitions {
		f.bytes = make([]int64, len(o.Sizes))
	}
	if len(o.Sizes) != len(f.bytes) || len(o.Sums) != len(f.bytes) {
		return fmt.Errorf("a mapper stored %d partitions instead of %d", len(o.Sizes), len(f.bytes))
	}
	s := layout{name: o.Name, ends: o.Sizes, sums: o.Sums}
	end := int64(0)
	for p, size := range o.Sizes {
		if size < 0 {
			return fmt.Errorf("a mapper stored %d bytes of partition %d", size, p)
		}
		f.bytes[p] += size
		f.total += size
		end += size
		s.ends[p] = end
	}
	f.objects = append(f.objects, s)
	return nil
}

// partitions returns those that hold anything.
func (f *filled) partitions() []int {
	var all []int
	for p, size := range f.bytes {
		if size > 0 {
			all = append(all, p)
		}
	}
	return all
}

// task makes the task of partition p. split signs what it reads.
func (f *filled) task(p int, split func(name string, from, to, size int64) (splits.Split, error)) (reduceTask, error) {
	t := reduceTask{Partition: p}
	for i := range f.objects {
		o := &f.objects[i]
		from := int64(0)
		if p > 0 {
			from = o.ends[p-1]
		}
		if from == o.ends[p] {
			continue
		}
		s, err := split(o.name, from, o.ends[p], o.ends[len(o.ends)-1])
		if err != nil {
			return t, err
		}
		t.Pieces = append(t.Pieces, piece{Where: s, Sum: o.sums[p]})
	}
	return t, nil
}

// skew describes the largest partition if it is far larger than others, or returns "".
func (f *filled) skew() string {
	if len(f.objects) == 0 {
		return ""
	}
	largest := 0
	for p, size := range f.bytes {
		if size > f.bytes[largest] {
			largest = p
		}
	}
	if size := f.bytes[largest]; size < skewedBytes || size < skewed*(f.total/int64(len(f.bytes))) {
		return ""
	}
	return "skewed keys: " + f.describe(largest) + "; Combine values, or split the keys that have most of them"
}

func (f *filled) describe(p int) string {
	return fmt.Sprintf("partition %d of %d has %d bytes, the mean is %d", p, len(f.bytes), f.bytes[p], f.total/int64(len(f.bytes)))
}

// explain says of which partition an error of the second phase is.
func (f *filled) explain(err error) error {
	var item *lambdapool.ItemError
	parts := f.partitions()
	if !errors.As(err, &item) || item.Index < 0 || item.Index >= len(parts) {
		return err
	}
	return fmt.Errorf("mapreduce: %s: %w", f.describe(parts[item.Index]), err)
}
