package runs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
)

// The arguments of a run are kept beside it, many in one object, so that any client can send again what has failed.

// A pack is closed with so many bytes of arguments, or so many calls.
const (
	packBytes = 8 << 20
	packCalls = 10_000
)

// keepInput stores the arguments of the run. After a crash that is done again.
func (s *Submission) keepInput(args iter.Seq2[[]byte, error]) error {
	var items [][]byte
	first, size := 0, 0
	flush := func() error {
		pack := &codec.Request{Items: items, Compress: s.e.Ground().Payloads.Compress}
		_, opts := payload.Packing(pack)
		frame, err := codec.FrameRequest(pack, opts...)
		if err != nil {
			return s.failure(driver.ErrTooLarge, err, "")
		}
		key := detached.InputKey(s.m.ID, first)
		err = s.persist(func() error { return s.store.Put(s.ctx, key, frame.Reader(), frame.Size(), frame.Sum()) })
		if err != nil {
			return s.stored("keep the arguments", err)
		}
		first, size, items = first+len(items), 0, nil
		return nil
	}
	for data, err := range args {
		if err != nil {
			return &failure.Item{Index: first + len(items), Err: failure.Problem(err)}
		}
		if items, size = append(items, data), size+len(data); size >= packBytes || len(items) == packCalls {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(items) == 0 {
		return nil
	}
	return flush()
}

// Input returns the arguments of calls of the run, of which positions are ascending.
func (f *Follower) Input(ctx context.Context, positions []int) (args [][]byte, failed *failure.Pool) {
	const op = "retry run of"
	var pack [][]byte
	first := 0
	next := 0 // of positions
	for page, err := range objects(ctx, f.store, detached.InputPrefix(f.m.ID), "") {
		if err != nil {
			return nil, failure.Invoke(op, f.fn.Name(), payload.Failure("list the arguments", driver.OutcomeNotRun, err))
		}
		for i, o := range page.Objects {
			number, err := strconv.Atoi(strings.TrimPrefix(o.Key, detached.InputPrefix(f.m.ID)))
			if err != nil {
				continue // a newer version's
			}
			if i+1 < len(page.Objects) && next < len(positions) {
				if after, err := strconv.Atoi(strings.TrimPrefix(page.Objects[i+1].Key, detached.InputPrefix(f.m.ID))); err == nil && after <= positions[next] {
					continue // nothing of it is wanted
				}
			}
			if first = number; next == len(positions) {
				break
			}
			if pack, err = f.pack(ctx, o.Key); err != nil {
				return nil, failure.Invoke(op, f.fn.Name(), payload.Failure("read the arguments", driver.OutcomeNotRun, err))
			}
			for next < len(positions) && positions[next] < first+len(pack) && positions[next] >= first {
				args, next = append(args, pack[positions[next]-first]), next+1
			}
		}
	}
	if next < len(positions) {
		return nil, failure.NotRun(op, f.fn.Name(), ErrRunNotFound, fmt.Errorf("the arguments of call %d of run %s are not there", positions[next], f.m.ID),
			"an older version of lambdapool has started the run, or something has deleted them: start a new run")
	}
	return args, nil
}

// pack reads the arguments that are at key.
func (f *Follower) pack(ctx context.Context, key string) ([][]byte, error) {
	body, size, err := f.store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > codec.MaxStored {
		return nil, errors.New("they are larger than any that are kept")
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, err
	}
	request, err := codec.DecodeRequest(data)
	if err != nil {
		return nil, err
	}
	return request.Items, nil
}
