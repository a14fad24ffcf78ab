package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/runs"
)

// A RunInfo says what a detached run is. Times are those of the store's clock.
type RunInfo struct {
	ID        string
	Func      string // the registered name
	Shape     string // its arguments and result
	Signature string // the same, with struct types written out
	Calls     int
	ChunkSize int // calls of one invocation, at most
	Created   time.Time
	StartBy   time.Time // what has not begun then never will
	RecordBy  time.Time // until when results can be recorded: the links of its agents end then
	KeepUntil time.Time // until when it can be read, in a store that lasts as long; then it may be deleted
	RetryOf   string    // the run whose failed calls it has, see [Run.RetryFailed]; "": it retries none
	Ephemeral bool      // the store is this process's own: the run is gone when its backend closes, whatever KeepUntil says
}

func infoOf(m *detached.Manifest, s Store) RunInfo {
	return RunInfo{
		Ephemeral: payload.Ephemeral(s),
		ID:        m.ID, Func: m.Func, Shape: m.Shape, Signature: m.Signature, Calls: m.Items, ChunkSize: m.Chunk,
		RetryOf: m.RetryOf, Created: m.Created, StartBy: m.StartBy, RecordBy: m.RecordBy, KeepUntil: m.KeepUntil,
	}
}

// Runs lists the detached runs in the backend's store, in the order of their names,
// which for those that nobody named is that of their beginnings. A run that cannot be read is
// yielded with an error, and the others follow; any other error is the last.
func (e *Executor) Runs(ctx context.Context) iter.Seq2[RunInfo, error] {
	return func(yield func(RunInfo, error) bool) {
		s, err := e.runStore("list runs", "")
		if err != nil {
			yield(RunInfo{}, err)
			return
		}
		for m, failed := range runs.Manifests(ctx, s) {
			info, err := RunInfo{ID: m.ID}, error(nil)
			if failed != nil {
				err = (*PoolError)(failed)
			} else {
				info = infoOf(m, s)
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// DeleteRun deletes a detached run and everything that is recorded of it, cancellations
// included: requests that are still queued run, are lost, and leave their objects until the
// bucket's lifecycle rule removes them. It returns [ErrRunNotFound] where there is nothing to delete.
func (e *Executor) DeleteRun(ctx context.Context, id string) error {
	s, err := e.runStore("delete run", "")
	if err != nil {
		return err
	}
	if failed := runs.DeleteRun(ctx, s, id); failed != nil {
		return (*PoolError)(failed)
	}
	return nil
}

// CleanRuns deletes the runs whose retention is over, and yields each when it is gone.
// The clock is the store's.
func (e *Executor) CleanRuns(ctx context.Context) iter.Seq2[RunInfo, error] {
	return func(yield func(RunInfo, error) bool) {
		s, err := e.runStore("clean runs", "")
		if err != nil {
			yield(RunInfo{}, err)
			return
		}
		there, err := s.List(ctx, detached.IndexPrefix(), "")
		if err != nil {
			yield(RunInfo{}, runFailure("clean runs", "", payload.Failure("list", OutcomeNotRun, err)))
			return
		}
		for info, err := range e.Runs(ctx) {
			if err == nil && there.Time.Before(info.KeepUntil) {
				continue
			}
			if err == nil {
				err = e.DeleteRun(ctx, info.ID)
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// runStore returns the store that detached runs are recorded in.
func (e *Executor) runStore(op, name string) (Store, error) {
	if e.core.Ground().Payloads.Store != nil {
		return e.core.Ground().Payloads.Store, nil
	}
	hint := ""
	if e.core.Ground().Payloads.Option != "" {
		hint = "name one with " + e.core.Ground().Payloads.Option
	}
	return nil, callError(op, name, ErrStore, errors.New("detached runs are recorded in an object store, and the backend has none"), hint)
}

// mostRetries is how many runs may retry one.
const mostRetries = 1000

// RetryFailed starts a detached run of the calls that have failed so far, whatever failed them: an error of the
// function or of the pool, expired and canceled ones included. Calls that have not ended are left alone. Nothing of
// this run changes: its results stay as they are recorded. The new run is named as this one, with ".retry-1" behind
// it, or the next number; [Run.Position] says which call of it is which of this one. `lambdapool runs retry ID` does the
// same.
//
// It is as safe to repeat as a start with [RunName]: after a crash it goes on with the same calls, and when all of
// them were sent it returns that run. What has failed since begins another. A run of this kind can be retried, too.
//
// It reads all results that are recorded, and the arguments, which the client that started the run has stored beside
// it, in objects of up to 8 MiB and 10,000 calls. They are as they were encoded then: links in them, such as those of package splits, have a
// life of their own. It blocks until every call is queued. The deadlines of the new run count from now.
//
// The error is a [PoolError]: [ErrBadArguments] if nothing has failed, [ErrRunNotFound] where the arguments are not
// there, or what [MapDetached] returns.
func (r *Run[R]) RetryFailed(ctx context.Context) (*Run[R], error) {
	var failed []int
	for result := range r.Recorded(ctx) {
		switch {
		case result.Index < 0:
			return nil, result.Err
		case result.Err != nil:
			failed = append(failed, result.Index)
		}
	}
	if len(failed) == 0 {
		return nil, callError("retry run of", r.fn.Name(), ErrBadArguments, fmt.Errorf("no call of run %s has failed", r.m.ID), "calls that have not ended may yet: Run.State tells")
	}
	slices.Sort(failed)
	args, missing := r.f.Input(ctx, failed)
	if missing != nil {
		return nil, (*PoolError)(missing)
	}
	first := r.m.ID
	if r.m.RetryOf != "" {
		first = r.m.RetryOf
	}
	cfg := mapConfig{chunk: r.m.Chunk, progress: r.cfg.progress}
	cfg.detached = detachedConfig{failOnTimeout: r.cfg.detached.failOnTimeout, retry: func(c *runs.Config) { c.Retry, c.Positions = r.m, failed }}
	for n := 1; ; n++ {
		cfg.detached.name = fmt.Sprintf("%s.retry-%d", first, n)
		again, err := r.start(ctx, cfg, args)
		if n == mostRetries || !errors.Is(err, ErrRunExists) {
			return again, err
		}
	}
}

// start starts a run of the function with arguments that are encoded.
func (r *Run[R]) start(ctx context.Context, cfg mapConfig, args [][]byte) (*Run[R], error) {
	s, err := startingWith(ctx, r.e.Public().(*Executor), r.fn, cfg) //nolint:forcetypeassert // New has made it
	if err != nil {
		return nil, err
	}
	return startRun[R](s, len(args), func(yield func([]byte, error) bool) {
		for _, arg := range args {
			if !yield(arg, nil) {
				return
			}
		}
	})
}

// Position returns where call i is in the run that this one retries, see [Run.RetryFailed], or i if it retries none.
// Of a retry of a retry it is the position in the first run. It asks nobody.
func (r *Run[R]) Position(i int) int { return r.m.Position(i) }
