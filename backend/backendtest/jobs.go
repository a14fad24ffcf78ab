package backendtest

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/mapreduce"
)

var (
	remainders = mapreduce.Register("backendtest.Remainders", func(_ context.Context, n int, emit func(int, int)) error {
		for i := range n {
			emit(i%7, i)
		}
		return nil
	}, sumOf)
	summed = mapreduce.RegisterFold("backendtest.Summed", func(_ context.Context, n int) ([]int, error) { return []int{n}, nil },
		func(_ context.Context, a, b []int) ([]int, error) { return append(a, b...), nil })
)

func sumOf(_ context.Context, _ int, values iter.Seq[int]) (sum int, err error) {
	for v := range values {
		sum += v
	}
	return sum, nil
}

// testJobs demands that functions can store by a store's forms and links, and read by them what others have stored: that is what
// package mapreduce is made of. A job has the results of a loop, and leaves nothing in the store. Where this fails and
// [RunStore] passes, agents do not reach the store.
func testJobs(t *testing.T, backend lambdapool.Backend) {
	e := executor(t, backend)
	const inputs = 200
	all := func(yield func(int, error) bool) {
		for n := range inputs {
			if !yield(n, nil) {
				return
			}
		}
	}
	if storeOf(backend) == nil {
		for _, err := range remainders.Run(short(t), e, all) {
			refuses(t, "a job by key", err)
		}
		_, err := summed.Run(short(t), e, all)
		refuses(t, "a fold", err)
		return
	}
	want := [7]int{}
	for n := range inputs {
		for i := range n {
			want[i%7] += i
		}
	}
	got := [7]int{}
	for kv, err := range remainders.Run(short(t), e, all, mapreduce.Partitions(3)) {
		if err != nil {
			t.Fatal(err)
		}
		got[kv.Key] += kv.Value
	}
	if got != want {
		t.Errorf("a job by key: %v, want %v", got, want)
	}
	numbers, err := summed.Run(short(t), e, all, mapreduce.Batch(3))
	if err != nil || len(numbers) != inputs || !slices.IsSorted(numbers) {
		t.Errorf("a fold: %v, %v", numbers, err)
	}
	if list, err := e.Store().List(short(t), "mapreduce/", ""); err != nil || len(list.Objects) > 0 {
		t.Errorf("in the store remain %v, %v", list.Objects, err)
	}
}
