package local

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11)
const (
	maxZipped   = 50 << 20  // bytes, sent with the request
	maxUnzipped = 250 << 20 // bytes
)

// bootstrap is the program that an OS-only runtime starts.
const bootstrap = "bootstrap"

// A code is a zip, unpacked, for the versions that use it.
type code struct {
	sha256 string // base64, of the zip
	size   int64  // of the zip, bytes
	dir    string

	uses atomic.Int32
}

func (c *code) retain() { c.uses.Add(1) }

// A codeStore holds the code of all functions in one directory, which its
// reaper removes when this process ends without doing so.
type codeStore struct {
	limit  int64
	dir    string
	reaper *reaper
}

func newCodeStore(limit int64) (*codeStore, error) {
	dir, err := os.MkdirTemp("", "lambdapool-code-*") // 0700: code may hold secrets
	if err != nil {
		return nil, err
	}
	reaper, err := startReaper(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &codeStore{limit: limit, dir: dir, reaper: reaper}, nil
}

// close removes everything. No agent may be alive.
func (s *codeStore) close() error {
	err := os.RemoveAll(s.dir)
	s.reaper.dismiss()
	return err
}

// release ends one use of code, and removes it after the last.
func (s *codeStore) release(c *code) {
	if c.uses.Add(-1) == 0 {
		_ = os.RemoveAll(c.dir) // what stays is removed with the store
	}
}

// unpack checks a zip as Lambda does, and unpacks it. The caller owns one use.
func (s *codeStore) unpack(data []byte) (*code, *apiError) {
	if len(data) == 0 {
		return nil, errInvalidParameter("Uploaded file must be a non-empty zip")
	}
	if len(data) > maxZipped {
		return nil, &apiError{
			status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLargeException",
			message: "Zipped size must be smaller than " + strconv.Itoa(maxZipped) + " bytes",
		}
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errBadZip(err)
	}
	if refused := checkEntries(archive.File); refused != nil {
		return nil, refused
	}
	sum := sha256.Sum256(data)
	c := &code{sha256: base64.StdEncoding.EncodeToString(sum[:]), size: int64(len(data))}
	if c.dir, err = os.MkdirTemp(s.dir, "*"); err != nil {
		return nil, errNoSpace(err)
	}
	if refused := c.extract(archive.File); refused != nil {
		_ = os.RemoveAll(c.dir) // what stays is removed with the store
		return nil, refused
	}
	c.retain()
	return c, nil
}

// checkEntries looks at what the zip says about itself, before anything is written.
func checkEntries(files []*zip.File) *apiError {
	var size uint64
	var program *zip.File
	for _, f := range files {
		mode := f.Mode()
		switch {
		case strings.ContainsAny(f.Name, "\\\x00") || !filepath.IsLocal(f.Name):
			return errInvalidParameter(fmt.Sprintf("lambdapool: local: the zip has an entry %q: names must stay inside of the directory it is unpacked to", f.Name))
		case !mode.IsRegular() && !mode.IsDir():
			return errInvalidParameter(fmt.Sprintf("lambdapool: local: the zip has an entry %q that is neither a file nor a directory (%v)", f.Name, mode))
		case path.Clean(f.Name) == bootstrap && mode.IsRegular():
			program = f
		}
		if size += f.UncompressedSize64; size > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return errInvalidParameter("Unzipped size must be smaller than " + strconv.Itoa(maxUnzipped) + " bytes")
		}
	}
	switch {
	case program == nil:
		return errInvalidParameter("lambdapool: local: the zip has no file bootstrap at its root, which is the program to run (Lambda would find out at the first invocation)")
	case program.Mode()&0o111 == 0:
		return errInvalidParameter(fmt.Sprintf("lambdapool: local: bootstrap in the zip has mode %#o and is not executable (give it 0755; Lambda would find out at the first invocation)", program.Mode().Perm()))
	}
	return nil
}

// extract writes the files, whose names have been checked, and looks at the program.
func (c *code) extract(files []*zip.File) *apiError {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return errNoSpace(err)
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	for _, f := range files {
		name := path.Clean(f.Name)
		dir := path.Dir(name)
		if f.Mode().IsDir() {
			dir = name
		}
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return errBadZip(err)
		}
		if f.Mode().IsDir() {
			continue
		}
		content, err := f.Open()
		if err != nil {
			return errBadZip(err)
		}
		err = writeFile(root, name, f, content)
		if err = errors.Join(err, content.Close()); err != nil {
			if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrExist) {
				return errBadZip(err)
			}
			return errNoSpace(err)
		}
	}
	return c.checkProgram()
}

// writeFile writes one entry, of no more than it said.
func writeFile(root *os.Root, name string, f *zip.File, content io.Reader) error {
	lockForks()
	defer unlockForks()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(content, int64(f.UncompressedSize64)+1))
	if err == nil && uint64(n) != f.UncompressedSize64 {
		err = zip.ErrFormat
	}
	return errors.Join(err, out.Close())
}

func errBadZip(err error) *apiError {
	return errInvalidParameter("Could not unzip uploaded file. Please check your file, then try to upload again. (" + err.Error() + ")")
}

func errNoSpace(err error) *apiError {
	return &apiError{status: http.StatusInternalServerError, code: "ServiceException", message: "lambdapool: local: the code cannot be unpacked on this machine: " + err.Error()}
}
