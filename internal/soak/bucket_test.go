package soak_test

import (
	"bytes"
	"crypto/md5" // what S3 calls an ETag
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

const bucketName = "soak"

// A bucket is the one of an S3 store whose process may be killed at any moment: an object
// is a file that appears under its name when it is whole. It knows no versions and no
// delimiters, and keeps a list of its keys in memory.
type bucket struct {
	dir   string
	clock clock

	mu   sync.Mutex
	keys []string // sorted
	of   map[string]*gofakes3.Content

	quota int64 // bytes; 0: as many as there is room for
	used  int64
}

// A clock is this machine's, set wrong by so much.
type clock time.Duration

func (c clock) Now() time.Time { return time.Now().Add(time.Duration(c)).UTC() }

func (c clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// openBucket finds what an earlier process has stored in dir.
func openBucket(dir string, c clock) (*bucket, error) {
	b := &bucket{dir: dir, clock: c, of: map[string]*gofakes3.Content{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if strings.HasPrefix(entry.Name(), "=") {
			_ = os.Remove(path) // half of an object
			continue
		}
		key, err := url.PathUnescape(entry.Name())
		if err != nil {
			return nil, err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		b.of[key] = b.content(key, body, info.ModTime())
		b.keys = append(b.keys, key)
		b.used += int64(len(body))
	}
	slices.Sort(b.keys)
	return b, nil
}

func (b *bucket) content(key string, body []byte, at time.Time) *gofakes3.Content {
	sum := md5.Sum(body) // what S3 calls an ETag
	return &gofakes3.Content{
		Key: key, Size: int64(len(body)), ETag: gofakes3.FormatETag(sum[:]),
		LastModified: gofakes3.NewContentTime(at.Add(time.Duration(b.clock)).UTC()),
	}
}

// file is where an object is.
func objectFile(dir, key string) string { return filepath.Join(dir, url.PathEscape(key)) }

// errFull is what a store answers that has no room.
var errFull = gofakes3.ErrorMessage(gofakes3.ErrInternal, "there is no room")

func (b *bucket) PutObject(name, key string, _ map[string]string, r io.Reader, size int64, cond *gofakes3.PutConditions) (result gofakes3.PutObjectResult, err error) {
	if name != bucketName {
		return result, gofakes3.BucketNotFound(name)
	}
	body, err := gofakes3.ReadAll(r, size)
	if err != nil {
		return result, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.of[key]
	if cond != nil {
		if err := gofakes3.CheckPutConditions(cond, &gofakes3.ConditionalObjectInfo{Exists: old != nil}); err != nil {
			return result, err
		}
	}
	if b.quota > 0 && b.used+int64(len(body)) > b.quota {
		return result, errFull
	}
	temporary := filepath.Join(b.dir, "=half")
	err = os.WriteFile(temporary, body, 0o600)
	if err == nil {
		err = os.Rename(temporary, objectFile(b.dir, key))
	}
	if err != nil {
		return result, errors.Join(errFull, err)
	}
	b.of[key] = b.content(key, body, time.Now())
	b.used += int64(len(body))
	if old != nil {
		b.used -= old.Size
	} else {
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, i, key)
	}
	return result, nil
}

func (b *bucket) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if name != bucketName {
		return nil, gofakes3.BucketNotFound(name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list := gofakes3.NewObjectList()
	from := max(page.Marker, prefix.Prefix)
	i, _ := slices.BinarySearch(b.keys, from)
	for ; i < len(b.keys) && strings.HasPrefix(b.keys[i], prefix.Prefix); i++ {
		switch {
		case page.HasMarker && b.keys[i] == page.Marker:
		case page.MaxKeys > 0 && int64(len(list.Contents)) == page.MaxKeys:
			list.IsTruncated = true
			list.NextMarker = list.Contents[len(list.Contents)-1].Key
			return list, nil
		default:
			own := *b.of[b.keys[i]] // gofakes3 writes to it
			list.Add(&own)
		}
	}
	return list, nil
}

func (b *bucket) GetObject(name, key string, only *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	if name != bucketName {
		return nil, gofakes3.BucketNotFound(name)
	}
	body, err := os.ReadFile(objectFile(b.dir, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gofakes3.KeyNotFound(key)
	}
	if err != nil {
		return nil, err
	}
	part, err := only.Range(int64(len(body)))
	if err != nil {
		return nil, err
	}
	o := &gofakes3.Object{Name: key, Size: int64(len(body)), Range: part}
	sum := md5.Sum(body) // what S3 calls an ETag
	o.Hash = sum[:]
	if part != nil {
		body = body[part.Start : part.Start+part.Length]
	}
	o.Contents = io.NopCloser(bytes.NewReader(body))
	return o, nil
}

func (b *bucket) HeadObject(name, key string) (*gofakes3.Object, error) {
	return b.GetObject(name, key, nil)
}

func (b *bucket) DeleteObject(name, key string) (result gofakes3.ObjectDeleteResult, err error) {
	_, err = b.DeleteMulti(name, key)
	return result, err
}

func (b *bucket) DeleteMulti(name string, keys ...string) (result gofakes3.MultiDeleteResult, err error) {
	if name != bucketName {
		return result, gofakes3.BucketNotFound(name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		if old := b.of[key]; old != nil {
			if err := os.Remove(objectFile(b.dir, key)); err != nil {
				return result, err
			}
			i, _ := slices.BinarySearch(b.keys, key)
			b.keys = slices.Delete(b.keys, i, i+1)
			b.used -= old.Size
			delete(b.of, key)
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

func (b *bucket) BucketExists(name string) (bool, error) { return name == bucketName, nil }

func (b *bucket) ListBuckets() ([]gofakes3.BucketInfo, error) {
	return []gofakes3.BucketInfo{{Name: bucketName}}, nil
}

func (b *bucket) CreateBucket(string) error      { return gofakes3.ErrNotImplemented }
func (b *bucket) DeleteBucket(string) error      { return gofakes3.ErrNotImplemented }
func (b *bucket) ForceDeleteBucket(string) error { return gofakes3.ErrNotImplemented }

func (b *bucket) CopyObject(_, _, _, _ string, _ map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObjectResult{}, gofakes3.ErrNotImplemented
}

// allow sets how many bytes there is room for; 0: as many as the disk has.
func (b *bucket) allow(quota int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.quota = quota
}

// handler serves S3. It tells the bucket's time, and refuses links whose time is over.
func (b *bucket) handler() http.Handler {
	server := gofakes3.New(b, gofakes3.WithTimeSource(b.clock)).Server()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", b.clock.Now().Format(http.TimeFormat))
		if b.late(r) {
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return
		}
		server.ServeHTTP(w, r)
	})
}

// late reports whether a link or a form is too old, or signed in the future.
func (b *bucket) late(r *http.Request) bool {
	now := b.clock.Now()
	if query := r.URL.Query(); query.Has("X-Amz-Date") {
		at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
		life, lifeErr := time.ParseDuration(query.Get("X-Amz-Expires") + "s")
		return err != nil || lifeErr != nil || now.After(at.Add(life)) || at.After(now.Add(15*time.Minute))
	}
	if r.Method != http.MethodPost || r.URL.Query().Has("delete") {
		return false
	}
	if r.ParseMultipartForm(64<<20) != nil {
		return true
	}
	text, err := base64.StdEncoding.DecodeString(r.FormValue("policy"))
	var policy struct {
		Expiration time.Time `json:"expiration"`
	}
	return err != nil || json.Unmarshal(text, &policy) != nil || now.After(policy.Expiration)
}
