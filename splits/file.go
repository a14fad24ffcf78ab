package splits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
)

// Files yields the splits of files that match patterns of [filepath.Glob]; a pattern without
// meta-characters is a file that has to exist. Folders are passed over. The functions open the files
// by their absolute path, so agents have to see them: those of goroutines and of the embedded Lambda
// on this machine do, those on Lambda do not. For these see [Upload].
//
// Files are looked at while the splits are taken. A pattern that matches nothing is an error that
// wraps fs.ErrNotExist. Errors do not end the source: the next file follows.
func Files(patterns []string, opts ...Option) iter.Seq2[Split, error] {
	c, err := settle(opts)
	if err != nil {
		return failing(err)
	}
	return cutAll(context.Background(), c, c.files(patterns))
}

// files yields the files that match.
func (c *cut) files(patterns []string) iter.Seq2[source, error] {
	return func(yield func(source, error) bool) {
		for _, pattern := range patterns {
			paths, err := filepath.Glob(pattern)
			if err == nil && len(paths) == 0 {
				err = fs.ErrNotExist
			}
			if err != nil {
				if !yield(source{}, fmt.Errorf("splits: %s: %w", pattern, err)) {
					return
				}
				continue
			}
			for _, path := range paths {
				if !c.match(filepath.ToSlash(path)) {
					continue
				}
				o, err := fileSource(path)
				if errors.Is(err, errFolder) {
					continue
				}
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

var errFolder = errors.New("a folder")

func fileSource(path string) (source, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return source{}, fmt.Errorf("splits: %w", err)
	}
	info, err := os.Stat(absolute)
	switch {
	case err != nil:
		return source{}, fmt.Errorf("splits: %w", err)
	case info.IsDir():
		return source{}, errFolder
	case !info.Mode().IsRegular():
		return source{}, fmt.Errorf("splits: %s: not a regular file, so its size is not known", path)
	}
	s := Split{Name: filepath.ToSlash(path), Path: absolute, Size: info.Size(), Version: fileVersion(info)}
	return source{whole: s, head: func(ctx context.Context) ([]byte, error) { return head(ctx, s) }}, nil
}

// head returns the first bytes of an object.
func head(ctx context.Context, s Split) ([]byte, error) {
	n := min(magicSize, s.Size)
	r := newRangeReader(ctx, s.Name, s.opener(), 0, n, n)
	defer func() { _ = r.Close() }() // never fails
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the object
	}
	return data, nil
}

func fileVersion(info fs.FileInfo) string { return strconv.FormatInt(info.ModTime().UnixNano(), 36) }

// A file is read by its path.
type file struct {
	path    string
	size    int64
	version string
}

func (f file) open(_ context.Context, from, to int64) (io.ReadCloser, error) {
	opened, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, final(fmt.Errorf("%w: do agents see this machine's files? if not, use Upload", err))
	}
	if err != nil {
		return nil, final(err)
	}
	info, err := opened.Stat()
	if err == nil && (info.Size() != f.size || fileVersion(info) != f.version) {
		err = ErrChanged
	}
	if err != nil {
		_ = opened.Close() // it was not written to
		return nil, final(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(opened, from, to-from), opened}, nil
}
