package mapreduce_test

import (
	"context"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/mapreduce"
)

// A tardy backend has every eighth answer, of work that is done, arrive a minute late.
type tardy struct {
	*inproc.Backend

	n *atomic.Int64
}

func (b tardy) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	late := b.n.Add(1)%8 == 0
	response, err := b.Backend.Invoke(ctx, r)
	time.Sleep(time.Second)
	if late {
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
		}
	}
	return response, err
}

// Of two attempts that have both stored their pieces one counts, and nothing of the other is left.
func TestHedgedCallsCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := lambdapool.New(tardy{inproc.New(), new(atomic.Int64)}, lambdapool.WithOwnedBackend(), lambdapool.WithWorkers(4),
			lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5, Quantile: 0.5}))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		texts := textsOf(1, 60, 100, 50)
		got := collect(t, 8, count.Run(t.Context(), pool, source(texts), mapreduce.Partitions(8),
			mapreduce.WithMap(lambdapool.ChunkSize(1)), mapreduce.WithReduce(lambdapool.ChunkSize(1))))
		if want := countHere(texts); !maps.Equal(got, want) {
			t.Errorf("%d counts, want %d", len(got), len(want))
		}
		if hedges := pool.Stats().Hedges; hedges == 0 {
			t.Error("no call was hedged: this test shows nothing")
		}
		if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}
