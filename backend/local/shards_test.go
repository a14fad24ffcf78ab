package local_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/apart"
)

// The whole suite, on three functions that stand for one.
// In its own process: the suite looks for goroutines that were left behind.
func TestShardsConform(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
		return open(t, local.WithShards(3), local.WithConcurrency(2), local.WithMemory(640), local.WithTimeout(8*time.Second))
	}, backendtest.Isolated(), backendtest.WithoutNested()) // this program does not import backend/awslambda/nest, whose tests run that suite
}

func TestShardOptions(t *testing.T) {
	for name, opt := range map[string]local.Option{
		"0 shards": local.WithShards(0), "21 shards": local.WithShards(21),
		"burst of 0": local.WithScalingLaw(0, 1), "burst of 10001": local.WithScalingLaw(10_001, 1), "-1 more a second": local.WithScalingLaw(1, -1),
	} {
		if _, err := local.New(opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := local.NewServer(local.WithShards(2)); err == nil || !strings.Contains(err.Error(), "WithShards") {
		t.Errorf("a server has no shards of its own: %v", err)
	}
	b := open(t, local.WithShards(3), local.WithScalingLaw(4, 2), local.WithConcurrency(5))
	if l := b.Limits(); l.Burst != 12 || l.Ramp != 6 || l.Workers != 5 {
		t.Errorf("limits %+v", l)
	}
}

// invocations sends so many at once, and counts those that were let in.
func invocations(t *testing.T, b lambdapool.Backend, n int) (ran, refused int) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			_, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte(`{"do":"sleep","n":1500}`)})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				ran++
			case errors.Is(err, lambdapool.ErrThrottled):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	return ran, refused
}

// With the law a cold function takes so many at once and no more; several take so many each.
func TestScalingLawIsPerFunction(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			t.Parallel()
			b := open(t, as("handler"), local.WithShards(shards), local.WithScalingLaw(2, 0), local.WithConcurrency(20))
			if ran, refused := invocations(t, b, 9); ran != 2*shards || refused != 9-2*shards {
				t.Errorf("%d ran and %d were refused, want %d and %d", ran, refused, 2*shards, 9-2*shards)
			}
			if ran, _ := invocations(t, b, 2*shards); ran != 2*shards {
				t.Errorf("%d of %d ran in environments that are there", ran, 2*shards)
			}
		})
	}
}

// A client that counts on a shard too many loses nothing.
func TestShardIsMissing(t *testing.T) {
	t.Parallel()
	b := open(t, local.WithShards(2), local.WithConcurrency(4))
	id, secret := b.Credentials()
	client, err := awslambda.New(t.Context(), b.FunctionName(), awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint(b.Endpoint()),
		awslambda.WithStaticCredentials(id, secret, ""), awslambda.WithShards(3), awslambda.WithWorkers(4), awslambda.WithFunctionTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	e, err := lambdapool.New(client, lambdapool.WithOwnedBackend())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var futures []*lambdapool.Future[any]
	for range 50 {
		futures = append(futures, e.Submit(ctx, "backendtest.EchoInt", 1))
	}
	if _, err := lambdapool.Collect(ctx, futures...); err != nil {
		t.Error(err)
	}
}
