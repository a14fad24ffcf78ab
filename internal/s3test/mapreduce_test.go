package s3test_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/mapreduce"
)

var letters = mapreduce.Register("s3test.letters", func(_ context.Context, text string, emit func(string, int)) error {
	for letter := range strings.SplitSeq(text, "") {
		emit(letter, 1)
	}
	return nil
}, func(_ context.Context, _ string, counts iter.Seq[int]) (n int, err error) {
	for c := range counts {
		n += c
	}
	return n, nil
})

// Pieces go by forms and by links of the production backend, and nothing is left of them.
func TestMapReduce(t *testing.T) {
	inputs := func(yield func(string, error) bool) {
		for range 100 {
			if !yield(strings.Repeat("abcabd", 20), nil) {
				return
			}
		}
	}
	for name, opts := range map[string][]awslambda.BucketOption{
		"plain": nil, "encrypted, other prefix": {awslambda.SSES3(), awslambda.Prefix("team/a")}, "a link for each": {awslambda.SignEachLink()},
	} {
		e, err := lambdapool.New(open(t, secretKey, opts...))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for kv, err := range letters.Run(t.Context(), e, inputs, mapreduce.Partitions(3)) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got[kv.Key] += kv.Value
		}
		if len(got) != 4 || got["a"] != 4000 || got["b"] != 4000 || got["c"] != 2000 || got["d"] != 2000 {
			t.Errorf("%s: %v", name, got)
		}
		if left := keys(t); len(left) > 0 {
			t.Errorf("%s: remain %v", name, left)
		}
		written := 0
		for o, err := range letters.RunTo(t.Context(), e, inputs, "letters/", mapreduce.Partitions(3)) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			written += int(o.Records)
			if err := e.Store().Delete(t.Context(), o.Key); err != nil {
				t.Error(err)
			}
		}
		if left := keys(t); written != 4 || len(left) > 0 {
			t.Errorf("%s: %d records were written, remain %v", name, written, left)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
