package objects

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A Disk is a directory of objects. Each has an entry in an index under its key, and its
// content is in the index too, or, if it is not small, a file with a name of its own. The
// entry is made when the content is complete, and an object is there when its entry is:
// however the process ends, there is no half of one. Conditions are checked where the
// entry is made, one at a time.
type Disk struct {
	dir   string
	index *bbolt.DB // of each bucket
	clock Clock
	room  func(bytes int64) bool
}

// What the index has of a bucket. Those made by earlier versions have the first two.
var (
	Entries  = []byte("entries")  // by key
	Contents = []byte("contents") // of small objects, by key: apart, for lists to be fast
	Uploads  = []byte("uploads")  // in parts, by id
	Parts    = []byte("parts")    // of uploads, by id and number
	Settings = []byte("settings") // of the bucket, by name

	tables = [][]byte{Entries, Contents, Uploads, Parts, Settings}
)

// maxSmall is what is not worth a file: making one takes longer than all else.
const maxSmall = 16 << 10

// An Entry of the index is JSON.
type Entry struct {
	File     string            `json:"file,omitempty"` // below objects/; empty: the content is in the index
	Size     int64             `json:"size"`
	MD5      []byte            `json:"md5"`
	Modified time.Time         `json:"modified"`
	Metadata map[string]string `json:"metadata,omitempty"` // headers that are given back
	Tags     []Tag             `json:"tags,omitempty"`
	Checksum *Stored           `json:"checksum,omitempty"`
	Parts    []int64           `json:"parts,omitempty"` // sizes, of what was uploaded in parts

	Generation int64 `json:"generation,omitempty"` // of Google's: another for each that is stored
}

// A Tag says something of an object that can be changed without storing it again.
type Tag struct {
	Key   string `json:"k" xml:"Key"`
	Value string `json:"v" xml:"Value"`
}

// A Stored checksum is given back to who asks.
type Stored struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
	Composite bool   `json:"composite,omitempty"` // of those of the parts
}

// ETag is the entity tag, with quotes.
func (e *Entry) ETag() string {
	if len(e.Parts) > 0 {
		return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(e.MD5), len(e.Parts))
	}
	return `"` + hex.EncodeToString(e.MD5) + `"`
}

// ModifiedTime is what the header Last-Modified says.
func (e *Entry) ModifiedTime() string { return e.Modified.UTC().Format(http.TimeFormat) }

// lockTime is how long OpenDisk waits for another process, which may be ending.
const lockTime = 2 * time.Second

// OpenDisk opens a directory, which it makes if it does not exist. room says whether so many bytes may be
// stored; nil: always. It fails when another process has the directory open. The caller closes the Disk.
func OpenDisk(dir string, c Clock, room func(int64) bool) (*Disk, error) {
	d := &Disk{dir: dir, clock: c, room: room}
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
	if err = d.upgrade(); err == nil {
		err = d.sweep()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("directory %s: %w", dir, err), d.index.Close())
	}
	return d, nil
}

// Close frees the directory. What is in it stays.
func (d *Disk) Close() error { return errors.Join(d.index.Sync(), d.index.Close()) }

func (d *Disk) path(file string) string { return filepath.Join(d.dir, "objects", file) }

// upgrade adds what earlier versions did not have.
func (d *Disk) upgrade() error {
	return d.index.Update(func(tx *bbolt.Tx) error {
		var old []*bbolt.Bucket
		err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if b == nil || b.Bucket(Entries) == nil || b.Bucket(Contents) == nil {
				return fmt.Errorf("bucket %q is not as this version of lambdapool makes it: use another directory", name)
			}
			old = append(old, b)
			return nil
		})
		for _, b := range old {
			if err == nil {
				err = makeTables(b)
			}
		}
		return err
	})
}

func makeTables(b *bbolt.Bucket) error {
	for _, table := range tables {
		if _, err := b.CreateBucketIfNotExists(table); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the files that no entry has: of objects that were being stored, or
// replaced, when the process was killed.
func (d *Disk) sweep() error {
	known := map[string]bool{}
	note := func(_, v []byte) error {
		e, err := Decode[Entry](v)
		known[e.File] = true
		return err
	}
	err := d.index.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return errors.Join(b.Bucket(Entries).ForEach(note), b.Bucket(Parts).ForEach(note))
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

// Decode reads a value of the index.
func Decode[T any](v []byte) (T, error) {
	var t T
	err := json.Unmarshal(v, &t)
	return t, err
}

// View reads a bucket.
func (d *Disk) View(name string, read func(b *bbolt.Bucket) error) error {
	return d.index.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return NoSuchBucket(name)
		}
		return read(b)
	})
}

// Change changes a bucket. Others that do wait. The files that were replaced are removed when
// it is done; those that it says it kept, where it fails.
func (d *Disk) Change(name string, write func(b *bbolt.Bucket, unused func(file string)) error) error {
	var files []string
	err := d.index.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return NoSuchBucket(name)
		}
		return write(b, func(file string) { files = append(files, file) })
	})
	if err == nil {
		d.Remove(files...)
	}
	return err
}

// Remove removes files.
func (d *Disk) Remove(files ...string) {
	for _, file := range files {
		if file != "" {
			_ = os.Remove(d.path(file)) // what remains is swept
		}
	}
}

// Find returns the entry at a key.
func Find(b *bbolt.Bucket, key string) (Entry, error) {
	v := b.Bucket(Entries).Get([]byte(key))
	if v == nil {
		return Entry{}, NoSuchKey(key)
	}
	return Decode[Entry](v)
}

// Exists tells a missing key from other errors.
func Exists(e Entry, err error) (*Entry, error) {
	var f *Failure
	if errors.As(err, &f) && f.Status == http.StatusNotFound {
		return nil, nil //nolint:nilnil // it is not there, which is no error
	}
	return &e, err
}

// Place puts an entry, and its content if that is small.
func Place(b *bbolt.Bucket, key string, e *Entry, small []byte) error {
	data, err := json.Marshal(e)
	if err == nil {
		err = b.Bucket(Entries).Put([]byte(key), data)
	}
	switch {
	case err != nil:
		return err
	case e.File != "":
		return b.Bucket(Contents).Delete([]byte(key))
	}
	return b.Bucket(Contents).Put([]byte(key), small)
}

// Drop removes what is at a key.
func Drop(b *bbolt.Bucket, key string) error {
	return errors.Join(b.Bucket(Entries).Delete([]byte(key)), b.Bucket(Contents).Delete([]byte(key)))
}
