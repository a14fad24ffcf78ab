package splits

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// A Bucket is where [Stored] finds objects. Every driver.Store is one. For another bucket than the backend's own there are
// awslambda.OpenInputs (S3), cloudrun.OpenInputs (Google Cloud Storage) and backend.OpenInputs (either, by URL). The client's
// rights are what counts: agents need none.
//
// The methods are those of driver.Store, and as there they are safe for concurrent use.
type Bucket interface {
	// List returns a page of the objects whose keys begin with prefix, in the order of their keys, from the first key after after.
	List(ctx context.Context, prefix, after string) (driver.Listing, error)

	// LinkGet returns a link to GET the object at key, good for life, or for as long as it can be.
	LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error)
}

// Stored yields the splits of the objects whose keys begin with prefix, in the order of their keys.
// It lists a page at a time while the splits are taken, so a bucket of any size costs no memory. It
// signs a link for each object, and another one where the splits of an object are taken over more than
// half of a link's life.
//
// The store is a backend's, as its Store method returns it: for AWS Lambda a bucket, and keys are
// below its prefix. Or it is any bucket that the client may read, see [Bucket]. ctx is for the requests. An error
// of listing ends the source; one that is of an object does not.
func Stored(ctx context.Context, store Bucket, prefix string, opts ...Option) iter.Seq2[Split, error] {
	c, err := settle(opts)
	switch {
	case err != nil:
		return failing(err)
	case store == nil:
		return failing(errors.New("splits: Stored: the store is nil: does the backend have one?"))
	}
	return cutAll(ctx, c, c.stored(ctx, store, prefix))
}

func (c *cut) stored(ctx context.Context, store Bucket, prefix string) iter.Seq2[source, error] {
	return func(yield func(source, error) bool) {
		after := ""
		for {
			list, err := store.List(ctx, prefix, after)
			if err != nil {
				yield(source{}, fmt.Errorf("splits: %s: %w", prefix, err))
				return
			}
			for _, o := range list.Objects {
				after = o.Key
				if !c.match(o.Key) {
					continue
				}
				if !yield(storedSource(ctx, store, o)) {
					return
				}
			}
			if !list.More || len(list.Objects) == 0 {
				return
			}
		}
	}
}

// storedSource signs the link to an object.
func storedSource(ctx context.Context, store Bucket, o driver.Object) (source, error) {
	sign := func(ctx context.Context) (driver.Link, error) { return store.LinkGet(ctx, o.Key, LinkLife) }
	link, err := sign(ctx)
	if err != nil {
		return source{}, fmt.Errorf("splits: %s: %w", o.Key, err)
	}
	s := Split{Name: o.Key, Link: link, Size: o.Size, Version: o.ETag}
	return source{
		whole: s, sign: sign, signed: time.Now(),
		head: func(ctx context.Context) ([]byte, error) { return head(ctx, s) },
	}, nil
}

// Upload is [Files] for agents that do not see this machine's files: each file is stored before its
// first split is yielded, below prefix, at a key that says what is in it. A file that is there
// already is not sent again. So the same inputs are stored once, however often a program runs.
//
// Whoever uploads takes away: list and delete what is below prefix, or have a lifecycle rule of the
// bucket do it. A file has to fit into the store's largest object.
func Upload(ctx context.Context, store driver.Store, prefix string, patterns []string, opts ...Option) iter.Seq2[Split, error] {
	c, err := settle(opts)
	switch {
	case err != nil:
		return failing(err)
	case store == nil:
		return failing(errors.New("splits: Upload: the store is nil: does the backend have one?"))
	}
	return cutAll(ctx, c, func(yield func(source, error) bool) {
		for o, err := range c.files(patterns) {
			if err == nil {
				o, err = upload(ctx, store, prefix, o.whole)
			}
			if !yield(o, err) {
				return
			}
		}
	})
}

// upload stores a file and returns the object.
func upload(ctx context.Context, store driver.Store, prefix string, f Split) (source, error) {
	opened, err := os.Open(f.Path)
	if err != nil {
		return source{}, fmt.Errorf("splits: %w", err)
	}
	defer func() { _ = opened.Close() }() // it is only read
	hash := sha256.New()
	size, err := io.Copy(hash, opened)
	if err == nil {
		_, err = opened.Seek(0, io.SeekStart)
	}
	if err != nil {
		return source{}, fmt.Errorf("splits: %w", err)
	}
	var sum [sha256.Size]byte
	hash.Sum(sum[:0])
	// The name stays readable, and tells how the file is compressed.
	key := path.Join(prefix, hex.EncodeToString(sum[:8]), filepath.Base(f.Path))
	if err := store.Create(ctx, key, opened, size, sum); err != nil && !errors.Is(err, fs.ErrExist) {
		return source{}, fmt.Errorf("splits: %s: %w", f.Name, err)
	}
	return storedSource(ctx, store, driver.Object{Key: key, Size: size})
}
