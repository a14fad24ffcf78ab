package lambdapool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/lambdapool/lambdapool/internal/detached"
)

// smallObject bounds what is read of a manifest and the like, in bytes.
const smallObject = 16 << 20

// putObject stores body at key.
func putObject(ctx context.Context, s Store, key string, body []byte) error {
	return s.Put(ctx, key, bytes.NewReader(body), int64(len(body)), sha256.Sum256(body))
}

// createObject stores body at key and reports whether nothing was there.
func createObject(ctx context.Context, s Store, key string, body []byte) (bool, error) {
	err := s.Create(ctx, key, bytes.NewReader(body), int64(len(body)), sha256.Sum256(body))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// readObject returns what is at key.
func readObject(ctx context.Context, s Store, key string) ([]byte, error) {
	body, size, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > smallObject {
		return nil, fmt.Errorf("%s has %d bytes, which is more than is expected", key, size)
	}
	return io.ReadAll(io.LimitReader(body, smallObject))
}

// objects lists what begins with prefix, page by page, from after on. It yields the
// store's clock with each page.
func objects(ctx context.Context, s Store, prefix, after string) iter.Seq2[Listing, error] {
	return func(yield func(Listing, error) bool) {
		for {
			page, err := s.List(ctx, prefix, after)
			if !yield(page, err) || err != nil || !page.More || len(page.Objects) == 0 {
				return
			}
			after = page.Objects[len(page.Objects)-1].Key
		}
	}
}

// listRun brings v up to date, from a chunk on, and returns the store's time.
func listRun(ctx context.Context, s Store, v *detached.View, from int) (now time.Time, err error) {
	v.Begin()
	after := ""
	if from > 0 {
		after = detached.ChunkPrefix(v.Manifest.ID, from)
	}
	for page, err := range objects(ctx, s, detached.RunPrefix(v.Manifest.ID), after) {
		if err != nil {
			return now, err
		}
		if now.IsZero() {
			now = page.Time // of the first page: what ends meanwhile ends after it
		}
		for _, o := range page.Objects {
			v.Add(o.Key, o.Size, o.Modified)
		}
	}
	return now, nil
}

// manifest reads that of the run id.
func (e *Executor) manifest(ctx context.Context, s Store, id string) (*detached.Manifest, error) {
	if err := detached.CheckID(id); err != nil {
		return nil, callError("attach", "", ErrBadArguments, err, "")
	}
	body, err := readObject(ctx, s, detached.IndexKey(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, callError("attach", "", ErrRunNotFound, fmt.Errorf("there is no run %s", id),
			"`lambdapool runs` lists them; was it deleted, or is it in another bucket or below another prefix?")
	}
	if err != nil {
		return nil, runFailure("attach", "", storeFailure("read the manifest of "+id, OutcomeNotRun, err))
	}
	m, err := detached.DecodeManifest(body, id)
	if err != nil {
		return nil, callError("attach", "", ErrDecode, fmt.Errorf("run %s: %w", id, err), "use the version of lambdapool that made it, or a newer one")
	}
	return m, nil
}

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
	KeepUntil time.Time // until when it can be read; then it may be deleted
}

func infoOf(m *detached.Manifest) RunInfo {
	return RunInfo{
		ID: m.ID, Func: m.Func, Shape: m.Shape, Signature: m.Signature, Calls: m.Items, ChunkSize: m.Chunk,
		Created: m.Created, StartBy: m.StartBy, RecordBy: m.RecordBy, KeepUntil: m.KeepUntil,
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
		for page, err := range objects(ctx, s, detached.IndexPrefix(), "") {
			if err != nil {
				yield(RunInfo{}, runFailure("list runs", "", storeFailure("list", OutcomeNotRun, err)))
				return
			}
			for _, o := range page.Objects {
				id, ok := detached.IndexID(o.Key)
				if !ok {
					continue
				}
				m, err := e.manifest(ctx, s, id)
				info := RunInfo{ID: id}
				if err == nil {
					info = infoOf(m)
				}
				if errors.Is(err, ErrRunNotFound) {
					continue // deleted meanwhile
				}
				if !yield(info, err) {
					return
				}
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
	if err := detached.CheckID(id); err != nil {
		return callError("delete run", "", ErrBadArguments, err, "")
	}
	there, err := s.List(ctx, detached.IndexKey(id), "")
	found := err == nil && len(there.Objects) > 0 && there.Objects[0].Key == detached.IndexKey(id)
	if err == nil && !found {
		there, err = s.List(ctx, detached.RunPrefix(id), "") // what an interrupted deletion has left
		found = len(there.Objects) > 0
	}
	if err == nil && !found {
		return callError("delete run", "", ErrRunNotFound, fmt.Errorf("there is no run %s", id), "")
	}
	if err == nil {
		err = deleteRun(ctx, s, id)
	}
	if err != nil {
		return runFailure("delete run", "", storeFailure("delete "+id, OutcomeNotRun, err))
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
			yield(RunInfo{}, runFailure("clean runs", "", storeFailure("list", OutcomeNotRun, err)))
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

// deleteRun deletes all of a run, the manifest last: what is interrupted can be done again.
func deleteRun(ctx context.Context, s Store, id string) error {
	for {
		page, err := s.List(ctx, detached.RunPrefix(id), "")
		if err != nil {
			return err
		}
		if len(page.Objects) == 0 {
			return s.Delete(ctx, detached.IndexKey(id))
		}
		keys := make([]string, len(page.Objects))
		for i, o := range page.Objects {
			keys[i] = o.Key
		}
		if err := s.Delete(ctx, keys...); err != nil {
			return err
		}
	}
}
