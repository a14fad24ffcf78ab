package interrupt

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

var nap = lambdapool.Register("nap", func(ctx context.Context, d time.Duration) (time.Duration, error) {
	select {
	case <-time.After(d):
		return d, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
})

// The first interrupt lets what runs end, the second abandons it, and after that the signals are free again.
func TestInterrupts(t *testing.T) {
	for _, twice := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := inproc.New()
			pool, err := lambdapool.New(b, lambdapool.WithWorkers(2), lambdapool.WithOwnedBackend())
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			signals := make(chan os.Signal, 2)
			var said bytes.Buffer
			var released atomic.Int64
			ctx, stop := watch(t.Context(), pool, &said, signals, func() { released.Add(1) })
			if Seen(ctx) || Seen(t.Context()) {
				t.Error("no interrupt has come")
			}
			began := time.Now()
			time.AfterFunc(500*time.Millisecond, func() { signals <- os.Interrupt })
			if twice {
				time.AfterFunc(700*time.Millisecond, func() { signals <- os.Interrupt })
			}
			values, err := lambdapool.Map(ctx, pool, nap, []time.Duration{time.Second, time.Second, time.Second}, lambdapool.ChunkSize(1), lambdapool.ContinueOnError())
			took := time.Since(began)
			if !errors.Is(err, lambdapool.ErrCanceled) || !Seen(ctx) {
				t.Errorf("%v", err)
			}
			want := "interrupted: 2 calls run and are waited for, 1 call that waits is canceled; interrupt again to abandon what runs\n"
			if twice {
				want += "abandoned: 2 calls may run on; a function that has begun on a cloud runs on, and costs, until it returns or its time is up\n"
				if took != 700*time.Millisecond || !errors.Is(err, ErrInterrupted) || !errors.Is(context.Cause(ctx), ErrInterrupted) {
					t.Errorf("%v, %v", took, err)
				}
				synctest.Wait()
				if released.Load() != 1 {
					t.Error("the signals are still taken")
				}
			} else if took != time.Second || values[0] != time.Second || values[2] != 0 {
				t.Errorf("%v after %v", values, took)
			}
			stop()
			synctest.Wait()
			if said.String() != want && !twice {
				t.Errorf("it said\n%swant\n%s", &said, want)
			}
			if released.Load() != 1 {
				t.Errorf("released %d times", released.Load())
			}
		})
	}
}

// Without an interrupt nothing happens, and stop gives the signals back.
func TestNoInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := lambdapool.New(inproc.New(), lambdapool.WithOwnedBackend())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		released := make(chan struct{})
		ctx, stop := watch(t.Context(), pool, nil, make(chan os.Signal), func() { close(released) })
		if _, err := lambdapool.Call(ctx, pool, nap, time.Second); err != nil {
			t.Error(err)
		}
		stop()
		<-released
		if Seen(ctx) || !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Error(context.Cause(ctx))
		}
	})
}
