package objects_test

import (
	"bytes"
	"crypto/md5" // what an entity tag is made of
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// A content is a body of a test's.
type content struct {
	io.Reader

	data string
	size int64
}

func (c *content) Size() int64 { return c.size }

func (c *content) Sums() objects.Sums {
	sum := md5.Sum([]byte(c.data))
	return objects.Sums{Size: int64(len(c.data)), MD5: sum[:]}
}

func body(data string) *content {
	return &content{strings.NewReader(data), data, int64(len(data))}
}

// disk opens one with a bucket called "bucket".
func disk(t *testing.T, room func(int64) bool) (*objects.Disk, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	d, err := objects.OpenDisk(dir, objects.Steady(), room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // some have closed it
	if err := d.Create("bucket"); err != nil {
		t.Fatal(err)
	}
	return d, dir
}

func put(d *objects.Disk, key string, b *content, condition func(*objects.Entry) error) error {
	var e objects.Entry
	small, err := d.Receive(&e, b)
	if err != nil {
		return err
	}
	return d.Put("bucket", key, &e, small, condition)
}

func always(*objects.Entry) error { return nil }

// once is the condition of what is to be created.
func once(there *objects.Entry) error {
	if there != nil {
		return objects.PreconditionFailed()
	}
	return nil
}

func read(t *testing.T, d *objects.Disk, key string) string {
	t.Helper()
	o, err := d.Open("bucket", key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	data, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// files counts those that are not in the index.
func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "objects"), func(_ string, f fs.DirEntry, err error) error {
		if err == nil && !f.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// large is more than the index keeps.
var large = strings.Repeat("0123456789", 2000)

func TestObjectsAreReplacedAndNothingRemains(t *testing.T) {
	d, dir := disk(t, nil)
	for i, data := range []string{large, "small", large + "x", "", large} {
		if err := put(d, "k", body(data), always); err != nil {
			t.Fatal(err)
		}
		if got := read(t, d, "k"); got != data {
			t.Errorf("%d: %d bytes, want %d", i, len(got), len(data))
		}
		want := 0
		if len(data) > 16<<10 {
			want = 1
		}
		if n := files(t, dir); n != want {
			t.Errorf("%d: %d files", i, n)
		}
	}
	if err := d.Delete("bucket", "k", always); err != nil || files(t, dir) != 0 {
		t.Errorf("deleted: %v, %d files", err, files(t, dir))
	}
	if err := d.Delete("bucket", "k", always); err != nil { // as if it had been there
		t.Error(err)
	}
}

// A condition is judged where the entry is made, and what was stored for a refused one is gone.
func TestARefusedObjectLeavesNothing(t *testing.T) {
	d, dir := disk(t, nil)
	if err := put(d, "k", body(large), once); err != nil {
		t.Fatal(err)
	}
	if err := put(d, "k", body(large+"other"), once); status(err) != 412 {
		t.Errorf("created twice: %v", err)
	}
	if read(t, d, "k") != large || files(t, dir) != 1 {
		t.Errorf("%d files", files(t, dir))
	}
	if err := d.WouldPut("bucket", "k", once); status(err) != 412 {
		t.Errorf("would be created twice: %v", err)
	}
	if err := d.WouldPut("bucket", "other", once); err != nil {
		t.Error(err)
	}
	if err := d.WouldPut("nowhere", "other", once); status(err) != 404 {
		t.Errorf("in no bucket: %v", err)
	}
	if err := d.Delete("bucket", "k", func(*objects.Entry) error { return objects.PreconditionFailed() }); status(err) != 412 {
		t.Errorf("deleted: %v", err)
	}
	failed, err := d.DeleteMany("bucket", []objects.Deletion{
		{Key: "missing", Condition: always}, {Key: "k", Condition: func(*objects.Entry) error { return objects.Denied("no") }}, {Key: "k", Condition: always},
	})
	if err != nil || failed[0] != nil || failed[1] == nil || failed[1].Status != 403 || failed[2] != nil || files(t, dir) != 0 {
		t.Errorf("%v, %v, %d files", failed, err, files(t, dir))
	}
}

var errCut = errors.New("cut")

func TestABodyThatIsCutLeavesNothing(t *testing.T) {
	d, dir := disk(t, nil)
	for _, data := range []string{"small", large} {
		cut := &content{io.MultiReader(strings.NewReader(data), errReader{}), data, -1}
		if err := put(d, "k", cut, always); !errors.Is(err, errCut) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
	if _, err := d.Look("bucket", "k"); status(err) != 404 || files(t, dir) != 0 {
		t.Errorf("%v, %d files", err, files(t, dir))
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errCut }

func TestWithoutRoomNothingIsStored(t *testing.T) {
	d, dir := disk(t, func(n int64) bool { return n < 10 })
	for data, ok := range map[string]bool{"small": true, "not so small": false, large: false} {
		if err := put(d, "k"+data[:1], body(data), always); (err == nil) != ok {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
	if files(t, dir) != 0 {
		t.Errorf("%d files", files(t, dir))
	}
}

// What a killed process left is removed with the next start; what is there stays, and nobody else has it open meanwhile.
func TestADirectoryIsSweptAndKept(t *testing.T) {
	d, dir := disk(t, nil)
	if err := put(d, "k", body(large), always); err != nil {
		t.Fatal(err)
	}
	var lost objects.Entry
	if _, err := d.Receive(&lost, body(large)); err != nil || files(t, dir) != 2 { // nobody places it
		t.Fatalf("%v, %d files", err, files(t, dir))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := objects.OpenDisk(dir, objects.Steady(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := files(t, dir); n != 1 || read(t, again, "k") != large {
		t.Errorf("%d files", n)
	}
	if err := again.DeleteBucket("bucket"); status(err) != 409 {
		t.Errorf("a bucket with something in it: %v", err)
	}
	if err := again.Create("bucket"); status(err) != 409 {
		t.Errorf("a bucket that is there: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.db"), bytes.Repeat([]byte("x"), 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.OpenDisk(dir, objects.Steady(), nil); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("what is no index: %v", err)
	}
}
