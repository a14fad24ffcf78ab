package mapreduce_test

import (
	"context"
	"log/slog"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/journal"
	"github.com/lambdapool/lambdapool/mapreduce"
)

// An unlucky backend loses every seventh answer, of work that is done, and is tardy besides.
type unlucky struct {
	tardy

	n *atomic.Int64
}

func (b unlucky) Invoke(ctx context.Context, r *lambdapool.Request) (*lambdapool.Response, error) {
	response, err := b.tardy.Invoke(ctx, r)
	if b.n.Add(1)%7 == 0 {
		return nil, &lambdapool.InvokeError{Outcome: lambdapool.OutcomeUnknown}
	}
	return response, err
}

// A run that ends at any time goes on with what is recorded, while calls are hedged, answers are lost and calls are tried again: each piece
// counts once, and nothing is left.
func TestARunGoesOnFromAnywhere(t *testing.T) {
	for after := 700 * time.Millisecond; after < 30*time.Second; after += 3100 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				pool, err := lambdapool.New(unlucky{tardy{inproc.New(), new(atomic.Int64)}, new(atomic.Int64)}, lambdapool.WithOwnedBackend(),
					lambdapool.WithWorkers(4), lambdapool.WithLogger(slog.New(slog.DiscardHandler)), lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 10}),
					lambdapool.WithHedging(lambdapool.Hedging{Budget: 1, MinSamples: 5, Quantile: 0.5}))
				if err != nil {
					t.Fatal(err)
				}
				defer pool.Close()
				texts := textsOf(1, 40, 100, 50)
				run := func(ctx context.Context) (got map[string]int, last error) {
					got = map[string]int{}
					for kv, err := range count.Run(ctx, pool, source(texts), mapreduce.Name("anywhere"), mapreduce.Partitions(8),
						mapreduce.With(journal.WithJournal(dir), lambdapool.ChunkSize(1))) {
						if last = err; err == nil {
							got[kv.Key] += kv.Value
						}
					}
					return got, last
				}
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				if _, err := run(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				got, err := run(t.Context())
				if want := countHere(texts); err != nil || !maps.Equal(got, want) {
					t.Errorf("%d counts, want %d; %v", len(got), len(want), err)
				}
				if left := leftBelow(t, pool, "mapreduce/"); len(left) > 0 {
					t.Errorf("left: %q", left)
				}
			})
		})
	}
}
