package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// What a store has in its directory.
const (
	secretFile = "store.json" // a keptSecret
	objectsDir = "objects"
)

// A keptSecret makes links valid in the next process that were signed in this one.
type keptSecret struct {
	Secret []byte `json:"secret"` // that they are signed with
}

// restoreSecret takes the secret of the process before this one, if there was one.
func (s *Store) restoreSecret() error {
	path := s.keep.Path(secretFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var kept keptSecret
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return fmt.Errorf("%s: %w (remove the directory to begin anew)", path, err)
	}
	if len(kept.Secret) == len(s.secret) {
		s.secret = kept.Secret
	}
	return nil
}

// keepSecret writes down what the next process needs.
func (s *Store) keepSecret() error {
	text, err := json.Marshal(keptSecret{s.secret}) //nolint:gosec // for the store's own directory, which only its user reads
	if err != nil {
		return err
	}
	return s.keep.Write(secretFile, text)
}

// An object on disk is its key's length, its key and its bytes, in a file that is named
// after the key's hash: keys are whatever agents choose, and no paths.

// maxKey is the longest key, as on S3.
const maxKey = 1024

// objectPath is where it is below the directory.
func objectPath(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(objectsDir, hex.EncodeToString(sum[:]))
}

func objectHeader(key string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(key))), key...)
}

// place gives an object its name on disk, if the store has one.
func (s *Store) place(key string, o *object) error {
	if s.keep == nil {
		return nil
	}
	path := s.keep.Path(objectPath(key))
	var err error
	if o.file != nil {
		err = os.Rename(o.file.Name(), path) //nolint:gosec // a hash below the store's directory
	} else {
		err = s.keep.Write(objectPath(key), objectHeader(key), o.data)
	}
	if err != nil {
		return err
	}
	return os.Chtimes(path, o.modified, o.modified)
}

// remove takes an object's file away.
func (s *Store) remove(key string) error {
	if s.keep == nil {
		return nil
	}
	return os.Remove(s.keep.Path(objectPath(key)))
}

// load finds the objects that another process has left.
func (s *Store) load() error {
	files, err := os.ReadDir(s.keep.Path(objectsDir))
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(s.keep.Path(objectsDir), file.Name())
		key, o, err := loadObject(path)
		if err != nil {
			return fmt.Errorf("data: object %s: %w (remove the file, and the object is gone)", path, err)
		}
		s.objects[key] = o
		s.used += o.size
	}
	return nil
}

var errNoObject = errors.New("it is no object of a store")

func loadObject(path string) (key string, _ *object, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	keep := false
	defer func() {
		if !keep {
			err = errors.Join(err, file.Close())
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return "", nil, err
	}
	r := bufio.NewReader(file)
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", nil, errors.Join(errNoObject, err)
	}
	name := make([]byte, binary.BigEndian.Uint16(length[:]))
	if len(name) > maxKey {
		return "", nil, errNoObject
	}
	if _, err := io.ReadFull(r, name); err != nil {
		return "", nil, errors.Join(errNoObject, err)
	}
	header := int64(len(length) + len(name))
	o := &object{uses: 1, size: info.Size() - header, modified: info.ModTime(), offset: header}
	if o.size > inMemory {
		o.file, keep = file, true
		return string(name), o, nil
	}
	var data bytes.Buffer
	if _, err := io.Copy(&data, r); err != nil {
		return "", nil, err
	}
	o.data = data.Bytes()
	return string(name), o, nil
}
