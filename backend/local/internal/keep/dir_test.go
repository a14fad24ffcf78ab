package keep_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
)

func open(t *testing.T, path string) *keep.Dir {
	t.Helper()
	d, err := keep.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// names lists a directory.
func names(t *testing.T, path string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "made", "by Open")
	d := open(t, path)
	if err := d.Make("a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := d.Make("a"); err != nil {
		t.Errorf("what is there already: %v", err)
	}
	for _, parts := range [][]string{{"one"}, {"t", "", "wo"}, {}} {
		var data [][]byte
		for _, p := range parts {
			data = append(data, []byte(p))
		}
		if err := d.Write("a/file", data...); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(d.Path("a/file"))
		if want := bytes.Join(data, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if got := names(t, path); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v are there, want a and b", got)
	}
}

// A write that fails changes nothing and leaves nothing.
func TestWriteThatFails(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := open(t, path)
	if err := d.Make("taken/by a directory"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"no such directory/file", "taken"} {
		if err := d.Write(name, []byte("x")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := names(t, path); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("%v are there, want what was", got)
	}
}

// Whoever reads meets a whole file, whoever else writes it.
func TestWriteIsWhole(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	whole := func(c byte) []byte { return bytes.Repeat([]byte{c}, 1<<16) }
	var writers sync.WaitGroup
	for c := range byte(4) {
		writers.Go(func() {
			for range 20 {
				if err := d.Write("file", whole(c)[:1<<15], whole(c)[1<<15:]); err != nil {
					t.Error(err)
				}
				data, err := os.ReadFile(d.Path("file"))
				if err != nil || len(data) != 1<<16 || !bytes.Equal(data, whole(data[0])) {
					t.Errorf("%d bytes of several: %v", len(data), err)
				}
			}
		})
	}
	writers.Wait()
}

func TestDropUnfinished(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := open(t, path)
	file, err := d.Create()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := file.Stat(); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Write("file", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := d.DropUnfinished(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"file"}) {
		t.Errorf("%v are there, want file", got)
	}
}

func TestOpenWhereNothingCanBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := keep.Open(path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}
