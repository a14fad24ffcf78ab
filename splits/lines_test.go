package splits_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/splits"
)

// cut makes the splits of a file that holds data.
func cut(t *testing.T, name string, data []byte, opts ...splits.Option) []splits.Split {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	parts, err := splits.Collect(splits.Files([]string{path}, opts...))
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func linesOf(t *testing.T, parts []splits.Split) []string {
	t.Helper()
	var all []string
	for _, s := range parts {
		for line, err := range s.Lines(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(line))
		}
	}
	return all
}

// The lines of all splits are the lines of the file, once each and in order, whatever the file
// and the splits are.
func TestLinesOfAllSplitsAreTheFiles(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 150 {
		var file []byte
		var want []string
		for range random.IntN(30) {
			line := strings.Repeat("x\ry", random.IntN(2)) + strings.Repeat("a", random.IntN(1<<random.IntN(10)))
			if random.IntN(200) == 0 {
				line = strings.Repeat("long ", 120_000) // more than the buffer, and than what is asked for beyond a split
			}
			want = append(want, line)
			file = append(file, line...)
			file = append(file, []string{"\n", "\r\n"}[random.IntN(2)]...)
		}
		if random.IntN(2) == 0 && len(want) > 0 { // the last line has no end
			file = append(file, "last"...)
			want = append(want, "last")
		}
		size := int64(1 + random.IntN(len(file)+2))
		parts := cut(t, "file.txt", file, splits.Size(max(size, int64(len(file)/200)+1)))
		if got := linesOf(t, parts); !slices.Equal(got, want) {
			t.Fatalf("%d bytes in splits of %d: %d lines, want %d\n%.300q\n%.300q", len(file), size, len(got), len(want), got, want)
		}
		var whole []byte
		for _, s := range parts {
			whole = append(whole, readAll(t, s)...)
		}
		if !bytes.Equal(whole, file) {
			t.Fatalf("%d bytes in splits of %d: the bytes of all splits are others", len(file), size)
		}
	}
}

func TestEdgesOfLines(t *testing.T) {
	for _, tt := range []struct {
		file string
		size int64
		want [][]string // of each split
	}{
		{"", 4, [][]string{nil}},
		{"ab\ncd\n", 3, [][]string{{"ab"}, {"cd"}}}, // a line begins with the second split
		{"ab\ncd\n", 2, [][]string{{"ab"}, {"cd"}, nil}},
		{"abcdef\nx", 4, [][]string{{"abcdef"}, {"x"}}},
		{"abcdefgh", 3, [][]string{{"abcdefgh"}, nil, nil}}, // a line longer than its split
		{"a\r\nb", 2, [][]string{{"a"}, {"b"}}},             // cut between CR and LF
		{"\n\n\n", 1, [][]string{{""}, {""}, {""}}},
		{"a\rb\r", 10, [][]string{{"a\rb\r"}}},
	} {
		parts := cut(t, "f", []byte(tt.file), splits.Size(tt.size))
		if len(parts) != len(tt.want) {
			t.Errorf("%q: %d splits, want %d", tt.file, len(parts), len(tt.want))
			continue
		}
		for i, s := range parts {
			if got := linesOf(t, []splits.Split{s}); !slices.Equal(got, tt.want[i]) {
				t.Errorf("%q, split %d: %q, want %q", tt.file, i, got, tt.want[i])
			}
		}
	}
}

func TestALineMayBeTooLong(t *testing.T) {
	parts := cut(t, "f", make([]byte, splits.LongestRecord+1), splits.Whole())
	if err := last(parts[0].Lines(t.Context())); !errors.Is(err, splits.ErrTooLong) {
		t.Errorf("%v", err)
	}
}

// last returns the last error that a reader of records yields, or nil.
func last[T any](seq iter.Seq2[T, error]) (failed error) {
	for _, err := range seq {
		failed = err
	}
	return failed
}

// values collects what a reader of records yields, errors as text.
func values[T any](seq iter.Seq2[T, error]) []string {
	var all []string
	for v, err := range seq {
		if err != nil {
			_, said, _ := strings.Cut(err.Error(), ": ")
			all = append(all, "error "+said)
			continue
		}
		all = append(all, fmt.Sprint(v))
	}
	return all
}

func TestJSONLines(t *testing.T) {
	type point struct{ X, Y int }
	parts := cut(t, "points", []byte(`{"X":1,"Y":2}`+"\n\n"+`{"X":"no"}`+"\r\n"+`{"X":3}`), splits.Size(14))
	var got []string
	for _, s := range parts {
		got = append(got, values(splits.JSONLines[point](t.Context(), s))...)
	}
	if len(got) != 3 || got[0] != "{1 2}" || got[2] != "{3 0}" ||
		!strings.Contains(got[1], "byte 15: json: cannot unmarshal string") {
		t.Errorf("%q", got)
	}
}

func TestCSV(t *testing.T) {
	table := []byte("a,b\n1,\"x\ny\"\n2,z\n")
	parts := cut(t, "t.csv", table, splits.Size(4))
	if len(parts) != 1 { // a quoted field may hold a newline
		t.Fatalf("%d splits", len(parts))
	}
	if got, want := values(parts[0].CSV(t.Context(), 0)), []string{"[a b]", "[1 x\ny]", "[2 z]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	plain := []byte("a\tb\n1\t\"x\"\n2\tz\n3\n")
	var got []string
	for _, s := range cut(t, "t.tsv", plain, splits.Size(5), splits.PlainLines()) {
		got = append(got, values(s.CSV(t.Context(), '\t'))...)
	}
	if want := []string{"[a b]", "[1 x]", "[2 z]", "[3]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	half := cut(t, "t.txt", plain, splits.Size(9))[1] // cut by its name: nobody promised that it may be
	if err := last(half.CSV(t.Context(), 0)); !errors.Is(err, splits.ErrPartial) {
		t.Errorf("%v", err)
	}
	if err := last(cut(t, "bad.csv", []byte("a,\"b\nc"))[0].CSV(t.Context(), 0)); err == nil || !strings.Contains(err.Error(), "bad.csv") {
		t.Errorf("%v", err)
	}
}

func TestLinesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	parts := cut(t, "f", bytes.Repeat([]byte("line\n"), 200_000), splits.Whole())
	n, ended := 0, false
	for _, err := range parts[0].Lines(ctx) {
		if err != nil {
			ended = errors.Is(err, context.Canceled)
		}
		if n++; n == 10 {
			cancel()
		}
	}
	if !ended || n == 200_000 {
		t.Errorf("%d lines, ended by its context: %v", n, ended)
	}
}
