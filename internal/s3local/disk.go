package s3local

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what S3 calls an ETag
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A disk is a directory of objects. Each has an entry in an index under its key, and its
// content is in the index too, or, if it is not small, a file with a name of its own. The
// entry is made when the content is complete, and an object is there when its entry is:
// however the process ends, there is no half of one. Conditions are checked where the
// entry is made, one at a time.
type disk struct {
	dir   string
	index *bbolt.DB // of each bucket
	clock clock
}

// What the index has of a bucket.
var (
	entries  = []byte("entries")  // by key
	contents = []byte("contents") // of small objects, by key: apart, for lists to be fast
)

// maxSmall is what is not worth a file: making one takes longer than all else.
const maxSmall = 16 << 10

var _ gofakes3.Backend = (*disk)(nil)

// An entry of the index is JSON.
type entry struct {
	File     string            `json:"file,omitempty"` // below objects/; empty: the content is in the index
	Size     int64             `json:"size"`
	MD5      []byte            `json:"md5"`
	Modified time.Time         `json:"modified"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// lockTime is how long openDisk waits for another process, which may be ending.
const lockTime = 2 * time.Second

func openDisk(dir string, c clock) (*disk, error) {
	d := &disk{dir: dir, clock: c}
	if err := os.MkdirAll(d.path(""), 0o700); err != nil {
		return nil, err
	}
	var err error
	// What the process has written the kernel keeps, whoever kills it: waiting for the disk
	// would only help against a power failure, and take longer than all else here.
	d.index, err = bbolt.Open(filepath.Join(dir, "index.db"), 0o600, &bbolt.Options{
		Timeout: lockTime, NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("directory %s: another process has it open", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", dir, err)
	}
	if err := d.sweep(); err != nil {
		return nil, errors.Join(fmt.Errorf("directory %s: %w", dir, err), d.index.Close())
	}
	return d, nil
}

func (d *disk) close() error { return errors.Join(d.index.Sync(), d.index.Close()) }

func (d *disk) path(file string) string { return filepath.Join(d.dir, "objects", file) }

// sweep removes the files that no entry has: of objects that were being stored, or
// replaced, when the process was killed.
func (d *disk) sweep() error {
	known := map[string]bool{}
	err := d.index.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if b == nil || b.Bucket(entries) == nil || b.Bucket(contents) == nil {
				return fmt.Errorf("bucket %q is not as this version of lambdapool makes it: use another directory", name)
			}
			return b.Bucket(entries).ForEach(func(_, v []byte) error {
				e, err := decode(v)
				known[e.File] = true
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(d.path(""))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	return fs.WalkDir(root.FS(), ".", func(name string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() || known[name] {
			return err
		}
		return root.Remove(name)
	})
}

func decode(v []byte) (entry, error) {
	var e entry
	err := json.Unmarshal(v, &e)
	return e, err
}

// view reads a bucket's entries and contents.
func (d *disk) view(name string, read func(e, c *bbolt.Bucket) error) error {
	return d.index.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return gofakes3.BucketNotFound(name)
		}
		return read(b.Bucket(entries), b.Bucket(contents))
	})
}

// change changes a bucket. Others that do wait.
func (d *disk) change(name string, write func(e, c *bbolt.Bucket) error) error {
	return d.index.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return gofakes3.BucketNotFound(name)
		}
		return write(b.Bucket(entries), b.Bucket(contents))
	})
}

func (d *disk) ListBuckets() ([]gofakes3.BucketInfo, error) {
	var all []gofakes3.BucketInfo
	info, err := os.Stat(d.path(""))
	if err != nil {
		return nil, err
	}
	err = d.index.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			all = append(all, gofakes3.BucketInfo{Name: string(name), CreationDate: gofakes3.NewContentTime(info.ModTime())})
			return nil
		})
	})
	return all, err
}

func (d *disk) CreateBucket(name string) error {
	return d.index.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(name)) != nil {
			return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
		}
		b, err := tx.CreateBucket([]byte(name))
		for _, part := range [][]byte{entries, contents} {
			if err == nil {
				_, err = b.CreateBucket(part)
			}
		}
		return err
	})
}

func (d *disk) BucketExists(name string) (bool, error) {
	err := d.view(name, func(_, _ *bbolt.Bucket) error { return nil })
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchBucket) {
		return false, nil
	}
	return err == nil, err
}

func (d *disk) DeleteBucket(name string) error {
	return d.index.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return gofakes3.BucketNotFound(name)
		}
		if first, _ := b.Bucket(entries).Cursor().First(); first != nil {
			return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
		}
		return tx.DeleteBucket([]byte(name))
	})
}

func (d *disk) ForceDeleteBucket(name string) error {
	var keys []string
	err := d.view(name, func(e, _ *bbolt.Bucket) error {
		return e.ForEach(func(k, _ []byte) error {
			keys = append(keys, string(k))
			return nil
		})
	})
	if err != nil {
		return err
	}
	if _, err := d.DeleteMulti(name, keys...); err != nil {
		return err
	}
	return d.DeleteBucket(name)
}

func (d *disk) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	list := gofakes3.NewObjectList()
	err := d.view(name, func(all, _ *bbolt.Bucket) error {
		c := all.Cursor()
		k, v := c.Seek([]byte(max(prefix.Prefix, page.Marker)))
		if page.HasMarker && string(k) == page.Marker {
			k, v = c.Next()
		}
		var match gofakes3.PrefixMatch
		group, last, items := "", "", int64(0)
		for ; k != nil && bytes.HasPrefix(k, []byte(prefix.Prefix)); k, v = c.Next() {
			key := string(k)
			if !prefix.Match(key, &match) {
				continue
			}
			if match.CommonPrefix && match.MatchedPart == group {
				last = key // the next page begins after the whole group
				continue
			}
			if page.MaxKeys > 0 && items == page.MaxKeys {
				list.IsTruncated, list.NextMarker = true, last
				return nil
			}
			last = key
			items++
			if match.CommonPrefix {
				group = match.MatchedPart
				list.AddPrefix(group)
				continue
			}
			e, err := decode(v)
			if err != nil {
				return err
			}
			list.Add(&gofakes3.Content{
				Key: key, Size: e.Size, ETag: gofakes3.FormatETag(e.MD5), LastModified: gofakes3.NewContentTime(e.Modified),
			})
		}
		return nil
	})
	return list, err
}

// entry returns what is at a key, with its content if it is small.
func (d *disk) entry(bucket, key string) (e entry, small []byte, err error) {
	err = d.view(bucket, func(all, c *bbolt.Bucket) error {
		v := all.Get([]byte(key))
		if v == nil {
			return gofakes3.KeyNotFound(key)
		}
		if e, err = decode(v); err == nil && e.File == "" {
			small = bytes.Clone(c.Get([]byte(key)))
		}
		return err
	})
	return e, small, err
}

func (e *entry) object(key string) *gofakes3.Object {
	return &gofakes3.Object{
		Name: key, Size: e.Size, Hash: e.MD5, Metadata: maps.Clone(e.Metadata), Contents: io.NopCloser(strings.NewReader("")),
	}
}

func (d *disk) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	e, _, err := d.entry(bucket, key)
	if err != nil {
		return nil, err
	}
	return e.object(key), nil
}

func (d *disk) GetObject(bucket, key string, asked *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	for {
		e, small, err := d.entry(bucket, key)
		if err != nil {
			return nil, err
		}
		o := e.object(key)
		if o.Range, err = asked.Range(e.Size); err != nil {
			return nil, err
		}
		var content io.ReaderAt = bytes.NewReader(small)
		var end io.Closer = o.Contents // of nothing
		if e.File != "" {
			f, err := os.Open(d.path(e.File))
			if errors.Is(err, fs.ErrNotExist) {
				if now, _, gone := d.entry(bucket, key); gone != nil || now.File != e.File {
					continue // it was replaced, or deleted, between the two
				}
			}
			if err != nil {
				return nil, err
			}
			content, end = f, f
		}
		from, n := int64(0), e.Size
		if o.Range != nil {
			from, n = o.Range.Start, o.Range.Length
		}
		o.Contents = struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(content, from, n), end}
		return o, nil
	}
}

// receive reads a body of size bytes, into memory if that is little and else into a file,
// and returns an entry for it.
func (d *disk) receive(body io.Reader, size int64, metadata map[string]string) (e entry, small []byte, err error) {
	e = entry{Size: size, Modified: d.clock.Now().UTC().Truncate(time.Millisecond), Metadata: metadata}
	if size > maxSmall {
		e, err = d.store(e, body)
		return e, nil, err
	}
	small, err = io.ReadAll(io.LimitReader(body, maxSmall+1))
	if err == nil && int64(len(small)) != size {
		err = gofakes3.ErrIncompleteBody
	}
	sum := md5.Sum(small) //nolint:gosec // what S3 calls an ETag
	e.MD5 = sum[:]
	return e, small, err
}

// store writes a file.
func (d *disk) store(e entry, body io.Reader) (entry, error) {
	name := rand.Text()
	e.File = strings.ToLower(name[:2]) + "/" + name
	path := d.path(e.File)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return e, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return e, err
	}
	sum := md5.New() //nolint:gosec // what S3 calls an ETag
	n, err := io.Copy(io.MultiWriter(f, sum), body)
	if err == nil && n != e.Size {
		err = gofakes3.ErrIncompleteBody
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path) // what remains is swept
		return e, err       // as it is: gofakes3 knows its own errors only so
	}
	e.MD5 = sum.Sum(nil)
	return e, nil
}

func (d *disk) PutObject(
	bucket, key string, metadata map[string]string, body io.Reader, size int64, conditions *gofakes3.PutConditions,
) (result gofakes3.PutObjectResult, err error) {
	e, small, err := d.receive(body, size, metadata)
	if err != nil {
		return result, err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return result, err
	}
	unused := e.File
	defer func() {
		if unused != "" {
			_ = os.Remove(d.path(unused)) // what remains is swept
		}
	}()
	var replaced entry
	err = d.change(bucket, func(all, c *bbolt.Bucket) error {
		known := &gofakes3.ConditionalObjectInfo{}
		if v := all.Get([]byte(key)); v != nil {
			if replaced, err = decode(v); err != nil {
				return err
			}
			known.Exists, known.Hash = true, replaced.MD5
		}
		if conditions != nil {
			if err := gofakes3.CheckPutConditions(conditions, known); err != nil {
				return err
			}
		}
		if err := all.Put([]byte(key), data); err != nil {
			return err
		}
		if e.File != "" {
			return c.Delete([]byte(key))
		}
		return c.Put([]byte(key), small)
	})
	if err == nil {
		unused = replaced.File
	}
	return result, err
}

func (d *disk) DeleteObject(bucket, key string) (result gofakes3.ObjectDeleteResult, err error) {
	_, err = d.DeleteMulti(bucket, key)
	return result, err
}

func (d *disk) DeleteMulti(bucket string, keys ...string) (result gofakes3.MultiDeleteResult, err error) {
	var files []string
	err = d.change(bucket, func(all, c *bbolt.Bucket) error {
		for _, key := range keys {
			result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
			v := all.Get([]byte(key))
			if v == nil {
				continue
			}
			e, err := decode(v)
			if err != nil {
				return err
			}
			if e.File != "" {
				files = append(files, e.File)
			}
			if err := errors.Join(all.Delete([]byte(key)), c.Delete([]byte(key))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return gofakes3.MultiDeleteResult{}, err
	}
	for _, file := range files {
		_ = os.Remove(d.path(file)) // what remains is swept
	}
	return result, nil
}

func (d *disk) CopyObject(fromBucket, fromKey, bucket, key string, metadata map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(d, fromBucket, fromKey, bucket, key, metadata)
}
