package objects

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// A Body is what becomes an object. Reading fails where it is not what was said of it.
type Body interface {
	io.Reader
	Size() int64 // bytes; -1: as many as come
	Sums() Sums  // of what has been read
}

// Sums are what is known of bytes.
type Sums struct {
	Size     int64
	MD5      []byte
	Checksum *Stored
}

// Look returns what is at a key.
func (d *Disk) Look(bucket, key string) (e Entry, err error) {
	err = d.View(bucket, func(b *bbolt.Bucket) error {
		e, err = Find(b, key)
		return err
	})
	return e, err
}

// An Opened object can be read. The reader closes it.
type Opened struct {
	Entry
	io.ReaderAt
	io.Closer
}

// Open opens the object at a key.
func (d *Disk) Open(bucket, key string) (*Opened, error) {
	for {
		var o Opened
		err := d.View(bucket, func(b *bbolt.Bucket) (err error) {
			if o.Entry, err = Find(b, key); err == nil && o.File == "" {
				o.ReaderAt = bytes.NewReader(bytes.Clone(b.Bucket(Contents).Get([]byte(key))))
				o.Closer = io.NopCloser(nil)
			}
			return err
		})
		if err != nil || o.File == "" {
			return &o, err
		}
		f, err := os.Open(d.path(o.File))
		if errors.Is(err, fs.ErrNotExist) {
			if now, gone := d.Look(bucket, key); gone != nil || now.File != o.File {
				continue // it was replaced, or deleted, between the two
			}
		}
		o.ReaderAt, o.Closer = f, f
		return &o, err
	}
}

// errNoRoom is why nothing more is stored.
var errNoRoom = errors.New("there is no room")

// Receive reads a body, into memory if that is little and else into a file, and fills in
// what it says of e. Nobody knows of the file before its entry is placed: who does not
// place it removes it.
func (d *Disk) Receive(e *Entry, body Body) (small []byte, err error) {
	e.Modified = d.clock.Stamp()
	size := int64(maxSmall)
	if body.Size() >= 0 {
		size = min(size, body.Size())
	}
	buffer := bytes.NewBuffer(make([]byte, 0, size+1))
	_, err = io.Copy(buffer, io.LimitReader(body, maxSmall+1))
	if err == nil && buffer.Len() > maxSmall {
		err = d.Store(e, io.MultiReader(buffer, body))
	}
	sums := body.Sums()
	if err == nil && d.room != nil && !d.room(sums.Size) {
		d.Remove(e.File)
		err = errNoRoom
	}
	if err != nil {
		return nil, err
	}
	e.Size, e.MD5, e.Checksum = sums.Size, sums.MD5, sums.Checksum
	if e.File != "" {
		return nil, nil
	}
	return buffer.Bytes(), nil
}

// Store writes a file.
func (d *Disk) Store(e *Entry, body io.Reader) error {
	name := rand.Text()
	file := strings.ToLower(name[:2]) + "/" + name
	path := d.path(file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		d.Remove(file)
		return err
	}
	e.File = file
	return nil
}

// Put stores an object where condition, which is given what is there or nil, has nothing
// against it.
func (d *Disk) Put(bucket, key string, e *Entry, small []byte, condition func(*Entry) error) error {
	err := d.Change(bucket, func(b *bbolt.Bucket, unused func(string)) error {
		there, err := Exists(Find(b, key))
		if err == nil {
			err = condition(there)
		}
		if err != nil {
			return err
		}
		if there != nil {
			unused(there.File)
		}
		return Place(b, key, e, small)
	})
	if err != nil {
		d.Remove(e.File)
	}
	return err
}

// Update changes the entry at a key.
func (d *Disk) Update(bucket, key string, change func(*Entry)) error {
	return d.Change(bucket, func(b *bbolt.Bucket, _ func(string)) error {
		e, err := Find(b, key)
		if err != nil {
			return err
		}
		change(&e)
		data, err := json.Marshal(&e)
		if err == nil {
			err = b.Bucket(Entries).Put([]byte(key), data)
		}
		return err
	})
}

// WouldPut says what [Disk.Put] would say now: of a bucket that is not there, or of an object that is.
func (d *Disk) WouldPut(bucket, key string, condition func(*Entry) error) error {
	there, err := Exists(d.Look(bucket, key))
	if there == nil && err == nil { // or the bucket is not
		err = d.Has(bucket)
	}
	if err == nil {
		err = condition(there)
	}
	return err
}

// Delete removes what is at a key where condition has nothing against it.
func (d *Disk) Delete(bucket, key string, condition func(*Entry) error) error {
	return d.Change(bucket, func(b *bbolt.Bucket, unused func(string)) error {
		there, err := Exists(Find(b, key))
		if err == nil {
			err = condition(there)
		}
		if err != nil || there == nil {
			return err
		}
		unused(there.File)
		return Drop(b, key)
	})
}

// A Deletion is one of many.
type Deletion struct {
	Key       string
	Condition func(*Entry) error
}

// DeleteMany removes objects at once, and says of each why it was not.
func (d *Disk) DeleteMany(bucket string, all []Deletion) ([]*Failure, error) {
	failed := make([]*Failure, len(all))
	err := d.Change(bucket, func(b *bbolt.Bucket, unused func(string)) error {
		for i, one := range all {
			there, err := Exists(Find(b, one.Key))
			if err != nil {
				return err
			}
			if err := one.Condition(there); err != nil {
				failed[i] = FailureOf(err)
				continue
			}
			if there == nil {
				continue
			}
			unused(there.File)
			if err := Drop(b, one.Key); err != nil {
				return err
			}
		}
		return nil
	})
	return failed, err
}

// CopyFile writes what a file holds.
func (d *Disk) CopyFile(w io.Writer, file string) error {
	f, err := os.Open(d.path(file))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	_, err = io.Copy(w, f)
	return err
}
