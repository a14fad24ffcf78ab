package s3local_test

import (
	"crypto/md5"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// A directory that an earlier version has written is served as it is.
func TestDirectoryOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := strings.Repeat("large", 10_000)
	db, err := bbolt.Open(filepath.Join(dir, "index.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(entries, contents *bbolt.Bucket, key, body, file string) error {
		sum := md5.Sum([]byte(body))
		v, err := json.Marshal(map[string]any{
			"size": len(body), "md5": sum[:], "modified": "2026-11-20T12:00:00Z", "file": file,
			"metadata": map[string]string{"Content-Type": "text/x", "X-Amz-Meta-Some": "v", "X-Amz-Date": "x", "Last-Modified": "y"},
		})
		if file == "" {
			err = errors.Join(err, contents.Put([]byte(key), []byte(body)))
		}
		return errors.Join(err, entries.Put([]byte(key), v))
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil {
			return err
		}
		entries, err := b.CreateBucket([]byte("entries"))
		if err != nil {
			return err
		}
		contents, err := b.CreateBucket([]byte("contents"))
		return errors.Join(err, put(entries, contents, "small", "small", ""), put(entries, contents, "large", large, "ab/large"))
	})
	if err := errors.Join(err, db.Close(), os.MkdirAll(filepath.Join(dir, "objects", "ab"), 0o700),
		os.WriteFile(filepath.Join(dir, "objects", "ab", "large"), []byte(large), 0o600)); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	for key, want := range map[string]string{"small": "small", "large": large} {
		got := s.do(t, call{method: http.MethodGet, path: "/" + key, header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
		if got.body != want || got.header.Get("Content-Type") != "text/x" || got.header.Get("X-Amz-Meta-Some") != "v" ||
			got.header.Get("X-Amz-Checksum-Type") != "" || got.header.Get("Last-Modified") != "Fri, 20 Nov 2026 12:00:00 GMT" || got.header.Get("X-Amz-Date") != "" {
			t.Errorf("%s: %d %.50s %v", key, got.status, got.body, got.header)
		}
	}
	if got := s.keys(t); got != "large small" {
		t.Error(got)
	}
	if got := s.do(t, call{method: http.MethodPut, path: "/copy", header: map[string]string{"x-amz-copy-source": bucket + "/large"}}); got.status != http.StatusOK {
		t.Error(got)
	}
	if err := s.put(t.Context(), "large", "new"); err != nil {
		t.Error(err)
	}
	if n := files(t, dir); n != 1 || s.get(t, "copy") != large {
		t.Errorf("%d files", n)
	}
}
