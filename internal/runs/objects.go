package runs

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

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/detached"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/payload"
	"github.com/lambdapool/lambdapool/internal/registry"
)

// What a manifest and the other errors of runs are told by.
var (
	ErrRunNotFound = errors.New("run not found")
	ErrRunExists   = errors.New("run exists")
)

// smallObject bounds what is read of a manifest and the like, in bytes.
const smallObject = 16 << 20

// putObject stores body at key.
func putObject(ctx context.Context, s driver.Store, key string, body []byte) error {
	return s.Put(ctx, key, bytes.NewReader(body), int64(len(body)), sha256.Sum256(body))
}

// createObject stores body at key and reports whether nothing was there.
func createObject(ctx context.Context, s driver.Store, key string, body []byte) (bool, error) {
	err := s.Create(ctx, key, bytes.NewReader(body), int64(len(body)), sha256.Sum256(body))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// readObject returns what is at key.
func readObject(ctx context.Context, s driver.Store, key string) ([]byte, error) {
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
func objects(ctx context.Context, s driver.Store, prefix, after string) iter.Seq2[driver.Listing, error] {
	return func(yield func(driver.Listing, error) bool) {
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
func listRun(ctx context.Context, s driver.Store, v *detached.View, from int) (now time.Time, err error) {
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

// ReadManifest reads that of the run id.
func ReadManifest(ctx context.Context, s driver.Store, id string) (*detached.Manifest, *failure.Pool) {
	if err := detached.CheckID(id); err != nil {
		return nil, failure.NotRun("attach", "", driver.ErrBadArguments, err, "")
	}
	body, err := readObject(ctx, s, detached.IndexKey(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failure.NotRun("attach", "", ErrRunNotFound, fmt.Errorf("there is no run %s", id),
			"`lambdapool runs` lists them; was it deleted, or is it in another bucket or below another prefix?")
	}
	if err != nil {
		return nil, failure.Invoke("attach", "", payload.Failure("read the manifest of "+id, driver.OutcomeNotRun, err))
	}
	m, err := detached.DecodeManifest(body, id)
	if err != nil {
		return nil, failure.NotRun("attach", "", driver.ErrDecode, fmt.Errorf("run %s: %w", id, err), "use the version of lambdapool that made it, or a newer one")
	}
	return m, nil
}

// Fits refuses a function that is not the one which the run calls.
func Fits(m *detached.Manifest, f *registry.Function) *failure.Pool {
	var err error
	switch {
	case f.Name() != m.Func:
		err = fmt.Errorf("run %s is of %s, not of %s", m.ID, m.Func, f.Name())
	case f.Fingerprint() != m.Fingerprint:
		theirs, mine := m.Shape, f.Shape()
		if theirs == mine {
			theirs, mine = m.Signature, f.Signature()
		}
		err = fmt.Errorf("%s: client %s, run %s", f.Name(), mine, theirs)
	default:
		return nil
	}
	return failure.NotRun("attach", f.Name(), driver.ErrVersionMismatch, err, "attach with the program that started the run")
}

// Manifests yields those of the runs in a store, in the order of their names. Of one that cannot be read
// it yields the ID, and why; a failure without an ID is the last.
func Manifests(ctx context.Context, s driver.Store) iter.Seq2[*detached.Manifest, *failure.Pool] {
	return func(yield func(*detached.Manifest, *failure.Pool) bool) {
		for page, err := range objects(ctx, s, detached.IndexPrefix(), "") {
			if err != nil {
				yield(&detached.Manifest{}, failure.Invoke("list runs", "", payload.Failure("list", driver.OutcomeNotRun, err)))
				return
			}
			for _, o := range page.Objects {
				id, ok := detached.IndexID(o.Key)
				if !ok {
					continue
				}
				m, failed := ReadManifest(ctx, s, id)
				switch {
				case failed != nil && errors.Is(failed, ErrRunNotFound): // deleted meanwhile
					continue
				case failed != nil:
					m = &detached.Manifest{ID: id}
				}
				if !yield(m, failed) {
					return
				}
			}
		}
	}
}

// DeleteRun deletes all of the run id, or what an interrupted deletion has left of it.
func DeleteRun(ctx context.Context, s driver.Store, id string) *failure.Pool {
	const op = "delete run"
	if err := detached.CheckID(id); err != nil {
		return failure.NotRun(op, "", driver.ErrBadArguments, err, "")
	}
	there, err := s.List(ctx, detached.IndexKey(id), "")
	found := err == nil && len(there.Objects) > 0 && there.Objects[0].Key == detached.IndexKey(id)
	if err == nil && !found {
		there, err = s.List(ctx, detached.RunPrefix(id), "")
		found = len(there.Objects) > 0
	}
	if err == nil && !found {
		return failure.NotRun(op, "", ErrRunNotFound, fmt.Errorf("there is no run %s", id), "")
	}
	if err == nil {
		err = deleteAll(ctx, s, id)
	}
	if err != nil {
		return failure.Invoke(op, "", payload.Failure("delete "+id, driver.OutcomeNotRun, err))
	}
	return nil
}

// deleteAll deletes the manifest last: what is interrupted can be done again.
func deleteAll(ctx context.Context, s driver.Store, id string) error {
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
