// Package tempdir makes directories that go with the process that made them. One that was killed cannot remove its own:
// the next process that makes one of the same kind does.
//
// Beside each directory lies a file, DIRECTORY.lock, which its owner has locked. The system gives the lock up when the owner
// ends, however it ends. A number of a process would say less: it is given again, and other containers count from one, too.
package tempdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// suffix is that of the file beside a directory.
const suffix = ".lock"

// A Dir is a directory of this process. Its methods may be called by one goroutine at a time.
type Dir struct {
	Path string
	lock *os.File
}

// Make removes what dead processes have left of this kind, and makes a directory for this one. Only its user may enter
// it. prefix is that of the name, and must be of one kind alone.
func Make(prefix string) (*Dir, error) {
	lock, err := os.CreateTemp("", prefix+"*"+suffix)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: strings.TrimSuffix(lock.Name(), suffix), lock: lock}
	if taken := take(lock); taken {
		sweep(filepath.Dir(lock.Name()), prefix)
	}
	if err := os.Mkdir(d.Path, 0o700); err != nil {
		return nil, errors.Join(err, d.Remove())
	}
	return d, nil
}

// Remove removes the directory. Doing so twice is harmless.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if d.lock == nil {
		return err
	}
	lock := d.lock
	d.lock = nil
	return errors.Join(err, os.Remove(lock.Name()), lock.Close()) // locked until nothing is left to be found
}

// sweep removes directories whose lock is free. What cannot be removed, such as another user's, stays.
func sweep(dir, prefix string) {
	locks, err := filepath.Glob(filepath.Join(dir, prefix+"*"+suffix))
	if err != nil {
		return
	}
	for _, path := range locks {
		abandoned(path)
	}
}

func abandoned(path string) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&fs.ModePerm != 0o600 {
		return // not one of ours
	}
	lock, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer func() { _ = lock.Close() }()
	if !take(lock) {
		return // its owner lives, or is just making it
	}
	if os.RemoveAll(strings.TrimSuffix(path, suffix)) == nil {
		_ = os.Remove(path)
	}
}
