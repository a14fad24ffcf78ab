package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/journal"
)

// texts are results as a consumer sees them, with all that an error has to tell.
func texts(results []lambdapool.Result[int]) []string {
	slices.SortFunc(results, func(a, b lambdapool.Result[int]) int { return a.Index - b.Index })
	all := make([]string, len(results))
	for i, r := range results {
		all[i] = fmt.Sprintf("%d %d %v %t", r.Index, r.Value, r.Err, errors.Is(r.Err, errUnlucky))
		var function *lambdapool.FunctionError
		if errors.As(r.Err, &function) {
			all[i] += fmt.Sprintf(" %+v", function)
		}
	}
	return all
}

func TestTheSecondRunGivesWhatTheFirstDid(t *testing.T) {
	e, dir := pool(t), t.TempDir()
	run := func() []string {
		return texts(slices.Collect(lambdapool.StreamUnordered(t.Context(), e, square, slices.Values(upTo(500)),
			journal.WithJournal(dir), lambdapool.ContinueOnError(), lambdapool.ChunkSize(7))))
	}
	first := run()
	if n := executions.Load(); n != 500 {
		t.Fatalf("%d executions, want 500", n)
	}
	if diff := cmp.Diff(first, run()); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
	if n := executions.Load(); n != 500 {
		t.Errorf("%d executions after the second run, want 500", n)
	}
}

// Whatever stops a run, what it delivered is not run again.
func TestARunGoesOn(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(ctx context.Context, e *lambdapool.Executor, opt lambdapool.MapOption) (got int)
	}{
		{"after break", func(ctx context.Context, e *lambdapool.Executor, opt lambdapool.MapOption) (got int) {
			for _, err := range lambdapool.Stream(ctx, e, stretch, slices.Values(upTo(100)), opt, lambdapool.Window(10)) {
				if got++; got == 30 || err != nil {
					break
				}
			}
			return got
		}},
		{"after its context ended", func(ctx context.Context, e *lambdapool.Executor, opt lambdapool.MapOption) (got int) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			for r := range lambdapool.StreamUnordered(ctx, e, stretch, slices.Values(upTo(100)), opt, lambdapool.Window(10)) {
				if r.Err != nil {
					break
				}
				if got++; got == 30 {
					cancel()
				}
			}
			return got
		}},
		{"with more items", func(ctx context.Context, e *lambdapool.Executor, opt lambdapool.MapOption) int {
			results, err := lambdapool.Map(ctx, e, stretch, upTo(30), opt)
			if err != nil {
				return 0
			}
			return len(results)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, dir := pool(t), t.TempDir()
			got := test.run(t.Context(), e, journal.WithJournal(dir))
			if got < 30 {
				t.Fatalf("%d results, want 30", got)
			}
			executions.Store(0)
			var last lambdapool.Snapshot
			results, err := lambdapool.Map(t.Context(), e, stretch, upTo(100), journal.WithJournal(dir),
				lambdapool.Progress(func(s lambdapool.Snapshot) { last = s }))
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range results {
				if len(s) != i {
					t.Errorf("item %d is %q", i, s)
				}
			}
			if n := int(executions.Load()); n > 100-got || last.Skipped != 100-n || last.Done != 100 {
				t.Errorf("%d executions after %d results; %d skipped of %d", n, got, last.Skipped, last.Done)
			}
		})
	}
}

// Each refusal says what to do, and leaves the file as it is.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir, file string)
		input  []int
		opts   []journal.Option
		want   error
		says   []string
		spoilt bool // only StartOver helps

		foreign bool // nothing of ours, which StartOver leaves alone
	}{
		{name: "another argument", input: []int{0, 1, 2, 33, 4}, says: []string{"item 3 was recorded with other arguments", "start over"}},
		{name: "an item more in front", input: []int{9, 0, 1, 2, 3, 4}, says: []string{"item 0 was"}},
		{name: "fewer items", input: []int{0, 1, 2}, says: []string{"item 3 is recorded", "has only 3"}},
		{name: "no items", input: []int{}, says: []string{"item 0 is recorded", "has only 0"}},
		{name: "in use", want: journal.ErrLocked, says: []string{"another name"}, damage: func(t *testing.T, dir, _ string) {
			f, _ := lambdapool.DefaultRegistry.Lookup("test/cube")
			log, err := journal.Open(dir, "test/cube", lambdapool.JournalRun{Fingerprint: f.Fingerprint()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
		}},
		{name: "a newer format", want: journal.ErrNewer, says: []string{"2, and this program knows up to 1", "update the program"}, spoilt: true, damage: func(t *testing.T, _, file string) {
			edit(t, file, "run", []byte("format"), []byte{2})
		}},
		{name: "a function of another shape", want: journal.ErrOtherFunction, says: []string{"test/cube func(int) int", "start over"}, spoilt: true, damage: func(t *testing.T, _, file string) {
			edit(t, file, "run", []byte("fingerprint"), make([]byte, 8))
		}},
		{name: "a database of something else", want: journal.ErrCorrupt, says: []string{"bbolt database of something else", "move it away"}, foreign: true, damage: func(t *testing.T, _, file string) {
			rename(t, file)
		}},
		{name: "no database", want: journal.ErrCorrupt, says: []string{"invalid", "start over"}, spoilt: true, damage: func(t *testing.T, _, file string) {
			overwrite(t, file, 0, []byte(strings.Repeat("no database ", 1000)))
		}},
		{name: "a small file of something else", want: journal.ErrCorrupt, says: []string{"invalid", "start over"}, spoilt: true, damage: func(t *testing.T, _, file string) {
			if err := os.WriteFile(file, []byte("dear diary"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a bit of a result flipped", want: journal.ErrCorrupt, says: []string{"checksum"}, spoilt: true, damage: func(t *testing.T, _, file string) {
			flip(t, file)
		}},
		{name: "a file cut short", want: journal.ErrCorrupt, says: []string{"start over"}, spoilt: true, damage: func(t *testing.T, _, file string) {
			if err := os.Truncate(file, int64(5*os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
			overwrite(t, file, int64(2*os.Getpagesize()), make([]byte, 3*os.Getpagesize()))
		}},
		{name: "no name", opts: []journal.Option{journal.Name("")}, says: []string{"the name is empty"}},
		{name: "a long name", opts: []journal.Option{journal.Name(strings.Repeat("ä", 40))}, says: []string{"240 bytes, 200 are allowed"}},
		{name: "no option", opts: []journal.Option{nil}, says: []string{"option is nil"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, dir := pool(t), filepath.Join(t.TempDir(), "runs")
			file := journal.File(dir, "test/cube")
			run := func(input []int, opts ...journal.Option) error {
				_, err := lambdapool.Map(t.Context(), e, cube, input, journal.WithJournal(dir, opts...))
				return err
			}
			if err := run(upTo(5)); err != nil {
				t.Fatal(err)
			}
			if test.damage != nil {
				test.damage(t, dir, file)
			}
			if test.input == nil {
				test.input = upTo(5)
			}
			before := read(t, file)
			err := run(test.input, test.opts...)
			if err == nil {
				t.Fatal("no error")
			}
			if !errors.Is(err, lambdapool.ErrJournal) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("the error %v does not match %v", err, test.want)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error %v does not say %q", err, part)
				}
			}
			if !bytes.Equal(before, read(t, file)) {
				t.Error("the file was changed")
			}
			if errors.Is(test.want, journal.ErrLocked) {
				return
			}
			if test.foreign {
				if err := run(upTo(5), journal.StartOver()); !errors.Is(err, journal.ErrCorrupt) || !bytes.Equal(before, read(t, file)) {
					t.Errorf("starting over: %v; want the file to stay as it was", err)
				}
				return
			}
			if test.spoilt {
				if err := run(upTo(5), journal.StartOver()); err != nil {
					t.Errorf("starting over: %v", err)
				}
			}
			var last lambdapool.Snapshot
			if _, err := lambdapool.Map(t.Context(), e, cube, upTo(5), journal.WithJournal(dir),
				lambdapool.Progress(func(s lambdapool.Snapshot) { last = s })); err != nil || last.Skipped != 5 {
				t.Errorf("after it %d items are skipped, want 5: %v", last.Skipped, err)
			}
		})
	}
}

func TestNoDirectory(t *testing.T) {
	e := pool(t)
	file := filepath.Join(t.TempDir(), "file")
	overwrite(t, file, 0, []byte("a file"))
	for dir, says := range map[string]string{"": "the directory is empty", file: "not a directory", "/proc/1": "/proc/1"} {
		_, err := lambdapool.Map(t.Context(), e, cube, upTo(2), journal.WithJournal(dir))
		if !errors.Is(err, lambdapool.ErrJournal) || !strings.Contains(err.Error(), says) {
			t.Errorf("in %q: %v", dir, err)
		}
	}
}

// A file that was cut short when it was made has nothing to lose.
func TestAFileCutShortWhenItWasMade(t *testing.T) {
	for _, size := range []int64{0, 1, 4096, 3 * 4096} {
		e, dir := pool(t), t.TempDir()
		file := journal.File(dir, "test/cube")
		if _, err := lambdapool.Map(t.Context(), e, cube, []int{}, journal.WithJournal(dir)); err != nil {
			t.Fatal(err)
		}
		fresh := read(t, file)[:4*os.Getpagesize()]
		if err := os.WriteFile(file, fresh[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := lambdapool.Map(t.Context(), e, cube, upTo(3), journal.WithJournal(dir)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestRetryFailed(t *testing.T) {
	e, dir := pool(t), t.TempDir()
	run := func(opts ...journal.Option) error {
		_, err := lambdapool.Map(t.Context(), e, moody, upTo(10), journal.WithJournal(dir, opts...), lambdapool.ContinueOnError())
		return err
	}
	first := run()
	if again := run(); first == nil || again == nil || first.Error() != again.Error() {
		t.Errorf("first %v, again %v", first, again)
	}
	if err := run(journal.RetryFailed()); err != nil {
		t.Error(err)
	}
	if err := run(); err != nil {
		t.Errorf("the new values do not count: %v", err)
	}
	if n := executions.Load(); n != 12 {
		t.Errorf("%d executions, want 12", n)
	}
}

// Runs of several names share a directory, whatever is in the names.
func TestNames(t *testing.T) {
	e, dir := pool(t), t.TempDir()
	for i, name := range []string{"a", "../b", ".", "A b", "ä"} {
		if _, err := lambdapool.Map(t.Context(), e, cube, upTo(i+1), journal.WithJournal(dir, journal.Name(name))); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	want := []string{"%2E.%2Fb.journal", "%2E.journal", "%C3%A4.journal", "A%20b.journal", "a.journal"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func overwrite(t *testing.T, file string, at int64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// update changes the database in file.
func update(t *testing.T, file string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, file, bucket string, key, value []byte) {
	t.Helper()
	update(t, file, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(key, value) })
}

// flip changes the last bit of the first record.
func flip(t *testing.T, file string) {
	t.Helper()
	update(t, file, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("items"))
		key, value := b.Cursor().First()
		value = slices.Clone(value)
		value[len(value)-1] ^= 1
		return b.Put(slices.Clone(key), value)
	})
}

// rename makes the database that of something else.
func rename(t *testing.T, file string) {
	t.Helper()
	update(t, file, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("something else"))
		return errors.Join(err, tx.DeleteBucket([]byte("run")), tx.DeleteBucket([]byte("items")))
	})
}

// Calls that run inline, and lists of arguments, are recorded too.
func TestInlineStarMap(t *testing.T) {
	b := inproc.New()
	e, err := lambdapool.New(b, lambdapool.WithWorkers(0))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 2 {
		got, err := lambdapool.StarMap(t.Context(), e, "test/cube", [][]any{{2}, {3}}, journal.WithJournal(dir))
		if diff := cmp.Diff([]any{8, 27}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if n := e.Stats().Submitted; n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	if err := errors.Join(e.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

// A run whose source failed goes on where it was once the source is whole again.
func TestASourceThatFailed(t *testing.T) {
	e, dir := pool(t), t.TempDir()
	run := func(n int, failure error) (values []int, err error) {
		source := func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			if failure != nil {
				yield(0, failure)
			}
		}
		for v, err := range lambdapool.StreamFrom(t.Context(), e, square, source, journal.WithJournal(dir)) {
			if err != nil {
				return values, err
			}
			values = append(values, v)
		}
		return values, nil
	}
	if values, err := run(4, os.ErrDeadlineExceeded); len(values) != 4 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v, %v", values, err)
	}
	if values, err := run(3, os.ErrDeadlineExceeded); len(values) != 3 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("failed earlier than before, which is no other input: %v, %v", values, err)
	}
	if values, err := run(10, nil); len(values) != 10 || err != nil {
		t.Errorf("%v, %v", values, err)
	}
	if n := executions.Load(); n != 10 {
		t.Errorf("%d executions, want 10", n)
	}
}
