package controlplane

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

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
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
	link   string // to the zip

	uses atomic.Int32
}

func (c *code) retain() { c.uses.Add(1) }

// A codeStore holds the code of all functions in one directory, which its
// reaper removes when this process ends without doing so.
type codeStore struct {
	limit  int64
	keep   *keep.Dir // of the zips
	dir    string
	reaper *sandbox.Reaper
	links  links
}

func newCodeStore(limit int64, keep *keep.Dir) (*codeStore, error) {
	dir, err := os.MkdirTemp("", "lambdapool-code-*") // 0700: code may hold secrets
	if err != nil {
		return nil, err
	}
	reaper, err := sandbox.StartReaper(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &codeStore{limit: limit, keep: keep, dir: dir, reaper: reaper}, nil
}

// close removes everything. No agent may be alive.
func (s *codeStore) close() error {
	err := os.RemoveAll(s.dir)
	s.reaper.Dismiss()
	return err
}

// release ends one use of code, and removes it after the last.
func (s *codeStore) release(c *code) {
	if c.uses.Add(-1) == 0 {
		_ = os.RemoveAll(c.dir) // what stays is removed with the store
		s.links.withdraw(c)
	}
}

// unpack checks a zip as Lambda does, and unpacks it. The caller owns one use.
func (s *codeStore) unpack(data []byte) (*code, *wire.Refusal) {
	if len(data) == 0 {
		return nil, wire.InvalidParameter("Uploaded file must be a non-empty zip")
	}
	if len(data) > maxZipped {
		return nil, &wire.Refusal{
			Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException",
			Message: "Zipped size must be smaller than " + strconv.Itoa(maxZipped) + " bytes",
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
		return nil, errNotUnpacked(err)
	}
	refused := c.extract(archive.File)
	if refused == nil {
		refused = keepCode(s.keep, c, data)
	}
	if refused == nil {
		if err := s.links.offer(c, data); err != nil {
			refused = errNotUnpacked(err)
		}
	}
	if refused != nil {
		_ = os.RemoveAll(c.dir) // what stays is removed with the store
		return nil, refused
	}
	c.retain()
	return c, nil
}

// checkEntries looks at what the zip says about itself, before anything is written.
func checkEntries(files []*zip.File) *wire.Refusal {
	var size uint64
	var program *zip.File
	for _, f := range files {
		mode := f.Mode()
		switch {
		case strings.ContainsAny(f.Name, "\\\x00") || !filepath.IsLocal(f.Name):
			return wire.InvalidParameter(fmt.Sprintf("lambdapool: local: the zip has an entry %q: names must stay inside of the directory it is unpacked to", f.Name))
		case !mode.IsRegular() && !mode.IsDir():
			return wire.InvalidParameter(fmt.Sprintf("lambdapool: local: the zip has an entry %q that is neither a file nor a directory (%v)", f.Name, mode))
		case path.Clean(f.Name) == bootstrap && mode.IsRegular():
			program = f
		}
		if size += f.UncompressedSize64; size > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return wire.InvalidParameter("Unzipped size must be smaller than " + strconv.Itoa(maxUnzipped) + " bytes")
		}
	}
	switch {
	case program == nil:
		return wire.InvalidParameter("lambdapool: local: the zip has no file bootstrap at its root, which is the program to run (Lambda would find out at the first invocation)")
	case program.Mode()&0o111 == 0:
		return wire.InvalidParameter(fmt.Sprintf("lambdapool: local: bootstrap in the zip has mode %#o and is not executable (give it 0755; Lambda would find out at the first invocation)", program.Mode().Perm()))
	}
	return nil
}

// extract writes the files, whose names have been checked, and looks at the program.
func (c *code) extract(files []*zip.File) *wire.Refusal {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return errNotUnpacked(err)
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
			return errNotUnpacked(err)
		}
	}
	return c.checkProgram()
}

// writeFile writes one entry, of no more than it said.
func writeFile(root *os.Root, name string, f *zip.File, content io.Reader) error {
	sandbox.LockForks()
	defer sandbox.UnlockForks()
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

func errBadZip(err error) *wire.Refusal {
	return wire.InvalidParameter("Could not unzip uploaded file. Please check your file, then try to upload again. (" + err.Error() + ")")
}

func errNotUnpacked(err error) *wire.Refusal {
	return wire.Failed("the code cannot be unpacked on this machine", err)
}
