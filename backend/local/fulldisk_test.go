package local_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// A crammed is a backend on whose disk there is room for so many more objects of the client's.
type crammed struct {
	*local.Backend

	room atomic.Int64
}

func (c *crammed) Store() lambdapool.Store { return &crammedStore{c.Backend.Store(), &c.room} }

type crammedStore struct {
	lambdapool.Store

	room *atomic.Int64
}

// full is what the store says where there is no space.
func (s *crammedStore) full() error {
	if s.room.Add(-1) >= 0 {
		return nil
	}
	return &lambdapool.InvokeError{Kind: lambdapool.ErrStore, Err: syscall.ENOSPC, Permanent: true, Hint: "free space on the disk"}
}

func (s *crammedStore) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	if err := s.full(); err != nil {
		return err
	}
	return s.Store.Create(ctx, key, body, size, sum)
}

func (s *crammedStore) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	if err := s.full(); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, body, size, sum)
}

// A detached run that the disk has no room for says so at once, whichever of its objects it is. Started again
// when there is room it goes on, and runs each call once.
func TestDetachedRunOnAFullDisk(t *testing.T) {
	t.Parallel()
	const calls = 12
	args := make([]int, calls)
	for i := range args {
		args[i] = i
	}
	for _, room := range []int64{0, 1, 2} { // before the manifest, after it, after what says that it is being sent
		t.Run(fmt.Sprintf("room for %d", room), func(t *testing.T) {
			t.Parallel()
			b := &crammed{Backend: must(local.New(local.WithConcurrency(1), local.WithLogOutput(io.Discard), local.WithData(t.TempDir())))}
			e := must(lambdapool.New(b))
			b.room.Store(room)
			run, err := lambdapool.MapDetached(t.Context(), e, repeated, args, lambdapool.RunName("r"), lambdapool.ChunkSize(3))
			var pool *lambdapool.PoolError
			switch {
			case run != nil || !errors.As(err, &pool) || !errors.Is(pool.Kind, lambdapool.ErrStore) || !errors.Is(err, syscall.ENOSPC):
				t.Error(err)
			case !strings.Contains(err.Error(), "free space"):
				t.Errorf("no way out: %v", err)
			}
			b.room.Store(1 << 20)
			run, err = lambdapool.MapDetached(t.Context(), e, repeated, args, lambdapool.RunName("r"), lambdapool.ChunkSize(3))
			if err != nil {
				t.Fatalf("with room for all: %v", err)
			}
			results, err := run.Wait(t.Context())
			if err != nil {
				t.Errorf("with room for all: %v", err)
			}
			for i, result := range results {
				if len(result) != args[i] {
					t.Errorf("call %d: %d bytes, want %d", i, len(result), args[i])
				}
			}
			if state := must(run.State(t.Context())); state.Succeeded != calls || state.Deliveries != calls/3 {
				t.Errorf("state %+v", state)
			}
			if err := errors.Join(run.Close(), e.Close(), b.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}
