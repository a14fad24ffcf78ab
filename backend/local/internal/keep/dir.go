package keep

import (
	"errors"
	"os"
	"path/filepath"
)

// A Dir keeps files that are whole or not there, whenever this process is killed. They
// are not forced to the disk: a power failure may take the last of them. It is safe for
// concurrent use.
type Dir struct {
	path string
	lock *os.File // nil: it was not taken
}

// Open makes the directory if there is none.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return &Dir{path: path}, nil
}

// Make makes directories in it, where there are none.
func (d *Dir) Make(names ...string) error {
	for _, name := range names {
		if err := os.MkdirAll(d.Path(name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Path returns where a file of the directory is.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// unfinished is the pattern of files that are not whole yet.
const unfinished = "new-*"

// Create makes a file that is not whole yet, to be filled and then renamed to what it is.
func (d *Dir) Create() (*os.File, error) { return os.CreateTemp(d.path, unfinished) } // 0600

// Write makes a file of the parts that is whole as soon as it is there.
func (d *Dir) Write(name string, parts ...[]byte) error {
	file, err := d.Create()
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err == nil {
			_, err = file.Write(part)
		}
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), d.Path(name))
	}
	if err != nil {
		_ = os.Remove(file.Name()) // it is no use to anybody
	}
	return err
}

// DropUnfinished removes what a process that was killed has left.
func (d *Dir) DropUnfinished() error {
	left, err := filepath.Glob(d.Path(unfinished))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// lockName is the file that is held by the process that has taken the directory.
const lockName = "lock"

// Lock takes the directory: one process at a time may, until it unlocks it or ends.
func (d *Dir) Lock() (err error) {
	d.lock, err = lockFile(d.Path(lockName))
	return err
}

// Unlock lets another process take the directory. A nil one needs none.
func (d *Dir) Unlock() error {
	if d == nil || d.lock == nil {
		return nil
	}
	return unlockFile(d.lock)
}
