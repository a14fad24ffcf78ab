package runlocal

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// What an image may hold here: a mistake, or malice, must not fill the machine.
const (
	maxImage = 2 << 30 // bytes, unpacked
	maxFiles = 200_000
)

// A tree is a directory that layers are unpacked into. Nothing that a layer says leads out of it: files are made through
// os.Root, and links whose target is elsewhere are refused.
type tree struct {
	root  *os.Root
	most  int64 // bytes that may be written in all
	left  int64 // bytes that may still be written
	read  int64 // bytes that may still be unpacked: what is skipped costs time, too
	files int
	plain bool // there is nothing below: whiteouts are files like others
}

// newTree begins in a directory that exists. most is how many bytes it may get.
func newTree(dir string, most int64) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{root: root, most: most, left: most, read: most + maxFiles<<10}, nil
}

func (t *tree) close() { _ = t.root.Close() }

var (
	errTooMuch = errors.New("it unpacks to more than the embedded Cloud Run allows")
	errOutside = errors.New("it leads out of the image")
)

// tooMuch is the error of an archive that is larger than may be.
func (t *tree) tooMuch() error {
	return fmt.Errorf("%w: %d MiB, and %d files", errTooMuch, t.most>>20, maxFiles)
}

// add unpacks a layer over those before.
func (t *tree) add(blob string, kind types.MediaType) error {
	file, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	var r io.Reader
	switch {
	case strings.HasSuffix(string(kind), "gzip"):
		z, err := gzip.NewReader(file)
		if err != nil {
			return err
		}
		defer func() { _ = z.Close() }() // it was only read
		r = z
	case strings.HasSuffix(string(kind), "zstd"):
		z, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	case strings.HasSuffix(string(kind), "tar"):
		r = file
	default:
		return fmt.Errorf("its media type %s is not known here", kind)
	}
	return t.unpack(r)
}

// unpack makes the files of an archive.
func (t *tree) unpack(r io.Reader) error {
	archive := tar.NewReader(&bounded{r, t})
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = t.entry(h, archive)
		}
		if err != nil {
			return err
		}
	}
}

// A bounded reader is what archives are read through.
type bounded struct {
	io.Reader

	tree *tree
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.tree.read -= int64(n); b.tree.read < 0 {
		return 0, b.tree.tooMuch()
	}
	return n, err
}

// entry makes one file of a layer.
func (t *tree) entry(h *tar.Header, content io.Reader) (err error) {
	if t.files++; t.files > maxFiles {
		return t.tooMuch()
	}
	name, err := local(h.Name)
	if err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	if name == "." {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%q: %w", h.Name, err)
		}
	}()
	if base, hidden := strings.CutPrefix(path.Base(name), ".wh."); hidden && !t.plain {
		return t.whiteout(path.Dir(name), base)
	}
	if err := t.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeDir { // a layer replaces what those before it have there
		if err := t.root.RemoveAll(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		err := t.root.Mkdir(name, 0o755)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	case tar.TypeReg:
		return t.write(name, h, content)
	case tar.TypeSymlink:
		to, err := t.inside(name, h.Linkname)
		if err != nil {
			return err
		}
		return t.root.Symlink(to, name)
	case tar.TypeLink:
		old, err := local(h.Linkname)
		if err != nil {
			return err
		}
		if stat, err := t.root.Lstat(old); err != nil || !stat.Mode().IsRegular() { // a symbolic link says something else elsewhere
			return errors.Join(err, errors.New("a hard link must be to a file"))
		}
		return t.root.Link(old, name)
	}
	return fmt.Errorf("files of the kind %q are not made here", h.Typeflag)
}

// local is a path of a layer, below the root. One that begins with "/" means the root, too.
func local(name string) (string, error) {
	name = strings.TrimLeft(name, "/")
	if name == "" {
		return ".", nil
	}
	if !filepath.IsLocal(name) {
		return "", errOutside
	}
	return path.Clean(name), nil
}

// inside is what a symbolic link at name says: relative, since the root is another one here. Its directory may be
// reached by a link, too: what counts is where it is.
func (t *tree) inside(name, target string) (string, error) {
	from, err := inRoot(t.root.Name(), path.Dir(name))
	if err == nil {
		from, err = filepath.Rel(t.root.Name(), from)
	}
	if err != nil {
		return "", err
	}
	at := path.Join(from, target)
	if path.IsAbs(target) {
		at = strings.TrimLeft(path.Clean(target), "/")
	}
	if at == "" {
		at = "."
	}
	if !filepath.IsLocal(at) {
		return "", errOutside
	}
	return filepath.Rel(from, at)
}

// write makes a file. Who runs the image may be another user, so everybody may read it; nobody becomes its owner by
// running it.
func (t *tree) write(name string, h *tar.Header, content io.Reader) (err error) {
	if h.Size > t.left {
		return t.tooMuch()
	}
	t.left -= h.Size
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	file, err := t.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.CopyN(file, content, h.Size)
	return err
}

// whiteout removes what a layer hides of those before it.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
func (t *tree) whiteout(dir, base string) error {
	if base != ".wh..opq" {
		return t.root.RemoveAll(path.Join(dir, base))
	}
	opened, err := t.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }() // it was only read
	names, err := opened.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.root.RemoveAll(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// inRoot is the file of an image that a path in it means, on this machine. It follows links, which stay inside. root
// has none.
func inRoot(root, name string) (string, error) {
	at, err := filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(path.Clean("/"+name))))
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(root, at); err != nil || !filepath.IsLocal(rel) {
		return "", errOutside
	}
	return at, nil
}
