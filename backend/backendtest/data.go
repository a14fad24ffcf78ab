package backendtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/share"
	"github.com/lambdapool/lambdapool/splits"
)

// dataKey is the prefix of what the cases store of their own.
const dataKey = "backendtest/data/"

// A lookup asks for what a shared value has at At.
type lookup struct {
	Table share.Value[map[string]int]
	At    string
}

// A found is the answer, and which process has given it.
type found struct {
	Value, Process int
}

var (
	linesOf = lambdapool.Register("backendtest.Lines", readLines)
	lookUp  = lambdapool.Register("backendtest.LookUp", func(ctx context.Context, l lookup) (found, error) {
		table, err := l.Table.Get(ctx)
		return found{table[l.At], os.Getpid()}, err
	})
)

// readLines returns a split's lines. A changed object is a registered error, so that the suite can tell it.
func readLines(ctx context.Context, s splits.Split) (lines []string, err error) {
	for line, err := range s.Lines(ctx) {
		if errors.Is(err, splits.ErrChanged) {
			return nil, fmt.Errorf("%w: %w", errChanged, err)
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(line))
	}
	return lines, nil
}

var errChanged = errors.New("the input has changed")

func init() { lambdapool.RegisterError("backendtest.ErrChanged", errChanged) }

// storeOf returns the backend's store, or nil where there is none.
func storeOf(b lambdapool.Backend) lambdapool.Store {
	if storer, ok := b.(lambdapool.Storer); ok {
		return storer.Store()
	}
	return nil
}

// testStore demands that a backend has a store, unless [WithoutStore] says that it has none: then the cases that need one
// check what users are told instead. A backend whose configuration lacks its store would pass them otherwise.
func (s *suite) testStore(t *testing.T, b lambdapool.Backend) {
	switch has := storeOf(b) != nil; {
	case has && s.storeless:
		t.Error("the backend has a store: leave WithoutStore out")
	case !has && !s.storeless:
		t.Error("the backend has no store: open it with one, or say that it never has one by backendtest.WithoutStore")
	}
}

// refuses checks an error of what needs a store: it says that, and names an option that makes one.
func refuses(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "store") {
		t.Errorf("%s without a store: %v, want an error that says what is missing", what, err)
	}
}

// store puts an object, until t ends.
func store(t *testing.T, s lambdapool.Store, key, data string) {
	t.Helper()
	if err := s.Put(short(t), key, strings.NewReader(data), int64(len(data)), sha256.Sum256([]byte(data))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Delete(context.Background(), key); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
}

// testSplits demands that functions can read parts of objects by links: inputs that are larger than a program. The lines of all
// splits are those of the objects, each once and in order, compressed objects too. An object that was replaced after it was
// listed is an error, never a mixture. Where this fails and [RunStore] passes, agents do not reach the store.
func testSplits(t *testing.T, b lambdapool.Backend) {
	s, e := storeOf(b), executor(t, b)
	if s == nil {
		_, err := splits.Collect(splits.Stored(short(t), e.Store(), dataKey))
		refuses(t, "splits.Stored", err)
		return
	}
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint("line ", i, strings.Repeat(" x", i%13)))
	}
	text := strings.Join(want, "\n")
	store(t, s, dataKey+"1.txt", text)
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, err := z.Write([]byte(text))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	store(t, s, dataKey+"2.gz", small.String())
	var got []string
	n := 0
	for lines, err := range lambdapool.StreamFrom(short(t), e, linesOf, splits.Stored(short(t), s, dataKey, splits.Size(300))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, lines...)
		n++
	}
	if !slices.Equal(got, slices.Concat(want, want)) || n < 10 {
		t.Errorf("%d splits have %d lines: %.200q; want those of two objects, %d", n, len(got), got, 2*len(want))
	}
	parts, err := splits.Collect(splits.Stored(short(t), s, dataKey, splits.Match("*.txt"), splits.Size(300)))
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d splits, %v", len(parts), err)
	}
	if parts[0].Version != "" { // else the store does not tell versions apart
		store(t, s, dataKey+"1.txt", strings.ToUpper(text))
		if _, err := lambdapool.Call(short(t), e, linesOf, parts[1]); !errors.Is(err, errChanged) {
			t.Errorf("a part of an object that was replaced: %v, want that it has changed", err)
		}
	}
	works(t, e)
}

// testShared demands that functions can load a value that was stored once for all of them. All agents have the same, and one
// that was deleted is an error.
func testShared(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	table := map[string]int{}
	for i := range 1000 {
		table[fmt.Sprint("key ", i)] = i
	}
	value, err := share.Put(short(t), e, table)
	if storeOf(b) == nil {
		refuses(t, "share.Put", err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	args := make([]lookup, 100)
	for i := range args {
		args[i] = lookup{value, fmt.Sprint("key ", 7*i)}
	}
	answers, err := lambdapool.Map(short(t), e, lookUp, args)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if a.Value != 7*i {
			t.Errorf("%s is %d in process %d", args[i].At, a.Value, a.Process)
		}
	}
	other, err := share.Put(short(t), e, map[string]int{"key 0": 1})
	if err == nil {
		err = share.Delete(short(t), e, value, other)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lambdapool.Call(short(t), e, lookUp, lookup{other, "key 0"}); err == nil {
		t.Error("a value that was deleted, and that no agent had loaded, is there")
	}
	works(t, e)
}
