package runlocal

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// A layer is entries of a tar: of each its name, and what it is: "file TEXT", "exec TEXT", "dir", "-> TARGET", "= TARGET"
// for a hard link, or "fifo".
type layer [][2]string

func (l layer) tar(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range l {
		kind, arg, _ := strings.Cut(e[1], " ")
		h := &tar.Header{Name: e[0], Mode: 0o4600, Typeflag: map[string]byte{"file": tar.TypeReg, "exec": tar.TypeReg, "dir": tar.TypeDir, "->": tar.TypeSymlink, "=": tar.TypeLink, "fifo": tar.TypeFifo}[kind]}
		switch kind {
		case "file", "exec":
			if h.Size = int64(len(arg)); kind == "exec" {
				h.Mode = 0o4700
			}
		case "->", "=":
			h.Linkname = arg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(arg)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const plainLayer = "application/vnd.oci.image.layer.v1.tar"

// spread unpacks layers, one after the other.
func spread(t *testing.T, change func(*tree), layers ...layer) (string, error) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	tree, err := newTree(root, maxImage)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	change(tree)
	blob := filepath.Join(dir, "blob")
	for _, l := range layers {
		if err := os.WriteFile(blob, l.tar(t), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tree.add(blob, plainLayer); err != nil {
			return root, err
		}
	}
	return root, nil
}

// seen lists the files below root, with what is in them.
func seen(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			found[name] = "-> " + to
			return err
		}
		data, err := os.ReadFile(path)
		info, _ := d.Info()
		found[name] = info.Mode().String() + " " + string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLayersMakeATree(t *testing.T) {
	t.Parallel()
	root, err := spread(
		t, func(*tree) {},
		layer{
			{"usr", "dir"},
			{"usr/bin/", "dir"},
			{"bin", "-> usr/bin"},
			{"bin/tool", "exec x"},
			{"./usr/bin/other", "= usr/bin/tool"},
			{"/etc/absolute", "file a"},
			{"etc/link", "-> /usr/bin/tool"},
			{"bin/up", "-> ../../etc/absolute"},
			{"gone/a", "file a"},
			{"emptied/b", "file b"},
			{"b/c", "file was in a directory"},
		},
		layer{
			{".wh.gone", "file "},
			{"emptied/.wh..wh..opq", "file "},
			{"emptied/new", "file n"},
			{"nowhere/.wh..wh..opq", "file "},
			{"b", "file now a file"},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"bin": "-> usr/bin", "usr/bin/tool": "-rwxr-xr-x x", "usr/bin/other": "-rwxr-xr-x x", "etc/absolute": "-rw-r--r-- a",
		"etc/link": "-> ../usr/bin/tool", "usr/bin/up": "-> ../../etc/absolute", "emptied/new": "-rw-r--r-- n", "b": "-rw-r--r-- now a file",
	}
	if got := seen(t, root); !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if at, err := inRoot(root, "/etc/link"); err != nil || at != filepath.Join(root, "usr/bin/tool") {
		t.Errorf("%q, %v", at, err)
	}
}

// What would be made or read outside of the image's directory is refused, whatever way it takes.
func TestNoLayerLeadsOutOfItsImage(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]layer{
		"a path":                              {{"../out", "file x"}},
		"a path that comes back":              {{"a/../../root/out", "file x"}},
		"a link":                              {{"l", "-> ../out"}},
		"a link, then a file":                 {{"l", "-> .."}, {"l/out", "file x"}},
		"a link in a directory":               {{"d/l", "-> ../../out"}},
		"a link by way of a shorter one":      {{"p/q/r", "-> ../.."}, {"p/q/r/l", "-> ../../../out"}},
		"a hard link":                         {{"l", "= ../out"}},
		"a hard link to a link":               {{"p/q/l", "-> ../../etc"}, {"l", "= p/q/l"}},
		"a hard link to nothing":              {{"l", "= missing"}},
		"a whiteout":                          {{"../.wh.out", "file "}},
		"a whiteout of all that is above":     {{"../.wh..wh..opq", "file "}},
		"a device, or something else that is": {{"f", "fifo"}},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := spread(t, func(*tree) {}, l)
			if err == nil {
				t.Errorf("unpacked: %q", seen(t, root))
			}
			names, _ := os.ReadDir(filepath.Dir(root))
			if len(names) != 2 { // root and blob
				t.Errorf("beside the image there is %v", names)
			}
		})
	}
}

func TestImagesThatAreTooLargeAreRefused(t *testing.T) {
	t.Parallel()
	files := layer{{"a", "file " + strings.Repeat("x", 1000)}, {"b", "file " + strings.Repeat("x", 1000)}}
	for name, change := range map[string]func(*tree){
		"bytes":                func(t *tree) { t.left = 1999 },
		"files":                func(t *tree) { t.files = maxFiles - 1 },
		"bytes that are tar's": func(t *tree) { t.read = 2048 },
	} {
		if _, err := spread(t, change, files); !errors.Is(err, errTooMuch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if root, err := spread(t, func(t *tree) { t.left, t.files = 2000, maxFiles-2 }, files); err != nil {
		t.Errorf("%v: %v", slices.Sorted(maps.Keys(seen(t, root))), err)
	}
}

func TestLayersAreCompressedAsTheySay(t *testing.T) {
	t.Parallel()
	data := layer{{"a", "file x"}}.tar(t)
	var zipped, packed bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(data)
	_ = z.Close()
	s, _ := zstd.NewWriter(&packed)
	_, _ = s.Write(data)
	_ = s.Close()
	for _, test := range []struct {
		kind string
		data []byte
		ok   bool
	}{
		{plainLayer, data, true},
		{plainLayer + "+gzip", zipped.Bytes(), true},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", zipped.Bytes(), true},
		{plainLayer + "+zstd", packed.Bytes(), true},
		{plainLayer + "+gzip", data, false},
		{plainLayer, zipped.Bytes(), false},
		{plainLayer + "+zstd", packed.Bytes()[:20], false},
		{"application/vnd.oci.image.layer.v1.tar+lzma", data, false},
	} {
		dir := t.TempDir()
		blob := filepath.Join(dir, "blob")
		if err := os.WriteFile(blob, test.data, 0o600); err != nil {
			t.Fatal(err)
		}
		tree, err := newTree(dir, maxImage)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.add(blob, types.MediaType(test.kind)); (err == nil) != test.ok {
			t.Errorf("%s of %d bytes: %v", test.kind, len(test.data), err)
		}
		tree.close()
	}
}

func TestWhatBecomesAnotherKindOfFileIsReplaced(t *testing.T) {
	t.Parallel()
	root, err := spread(t, func(*tree) {}, layer{{"a/b", "file x"}}, layer{{"a", "-> c"}, {"c", "file y"}})
	if got := seen(t, root); err != nil || got["a"] != "-> c" || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
	if root, err = spread(t, func(*tree) {}, layer{{"a", "file x"}}, layer{{"a/b", "file y"}}); err == nil {
		t.Errorf("a file has become a directory by what lies below it: %q", seen(t, root))
	}
}
