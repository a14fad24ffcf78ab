package lambdapool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
)

// heldBackend answers only when the context ends.
type heldBackend struct{}

func (heldBackend) Limits() lambdapool.Limits { return lambdapool.Limits{Workers: 1} }
func (heldBackend) Invoke(ctx context.Context, _ *lambdapool.Request) (*lambdapool.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Nothing of a run that has ended is in the queue, whether or not anything else is sent.
func TestEndedRunsLeaveNothingBehind(t *testing.T) {
	registry := lambdapool.NewRegistry()
	take := lambdapool.RegisterIn(registry, "take", func(context.Context, []byte) (int, error) { return 0, nil })
	synctest.Test(t, func(t *testing.T) {
		e, err := lambdapool.New(&heldBackend{}, lambdapool.WithRegistry(registry))
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := lambdapool.Map(ctx, e, take, make([][]byte, 100), lambdapool.ChunkSize(3)); !errors.Is(err, lambdapool.ErrTimeout) {
				t.Error(err)
			}
			cancel()
		}
		synctest.Wait()
		if kept := e.Kept(); len(kept) > 0 {
			t.Errorf("it holds %v", kept)
		}
	})
}
