package splits_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/splits"
)

func readAll(t *testing.T, s splits.Split) []byte {
	t.Helper()
	body, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(parts []splits.Split) []string {
	var all []string
	for _, s := range parts {
		all = append(all, s.String())
	}
	return all
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCompressedObjectsAreOneSplit(t *testing.T) {
	text := []byte(strings.Repeat("a line\n", 1000))
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	for name, data := range map[string][]byte{
		"a.gz": gzipped(t, text), "a.zst": encoder.EncodeAll(text, nil), "gzip": gzipped(t, text), "zstd": encoder.EncodeAll(text, nil),
		"two.gz": append(gzipped(t, text[:700]), gzipped(t, text[700:])...),
	} {
		parts := cut(t, name, data, splits.Size(10))
		if len(parts) != 1 || parts[0].Compression == splits.None {
			t.Errorf("%s: %d splits, %v", name, len(parts), parts[0].Compression)
			continue
		}
		if got := linesOf(t, parts); len(got) != 1000 || got[999] != "a line" {
			t.Errorf("%s: %d lines", name, len(got))
		}
		if err := last(cut(t, name, data[:len(data)/2])[0].Lines(t.Context())); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), name) {
			t.Errorf("half of %s: %v", name, err)
		}
	}
}

// Stored objects are read by links, on goroutines as on Lambda.
func TestStored(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	put := func(key, data string) {
		if err := b.Store().Put(t.Context(), key, strings.NewReader(data), int64(len(data)), sha256.Sum256([]byte(data))); err != nil {
			t.Fatal(err)
		}
	}
	put("in/a.txt", "one\ntwo\nthree\n")
	put("in/b.log", "four\n")
	put("other", "no")
	parts, err := splits.Collect(splits.Stored(t.Context(), b.Store(), "in/", splits.Size(7)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(parts), []string{"in/a.txt[0:7]", "in/a.txt[7:14]", "in/b.log[0:5]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	r := lambdapool.NewRegistry()
	lines := lambdapool.RegisterIn(r, "lines", func(ctx context.Context, s splits.Split) (string, error) {
		var all []string
		for line, err := range s.Lines(ctx) {
			if err != nil {
				return "", err
			}
			all = append(all, string(line))
		}
		return strings.Join(all, " "), nil
	})
	pool, err := lambdapool.New(b, lambdapool.WithRegistry(r))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	got, err := lambdapool.Map(t.Context(), pool, lines, parts)
	if want := []string{"one two", "three", "four"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}

	put("in/a.txt", "ONE\nTWO\nTHREE\n") // of the same size
	if _, err := parts[1].Open(t.Context()); !errors.Is(err, splits.ErrChanged) {
		t.Errorf("a replaced object: %v", err)
	}
	if err := b.Store().Delete(t.Context(), "in/a.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := parts[1].Open(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a deleted object: %v", err)
	}

	for opt, want := range map[string][]string{"*.log": {"in/b.log[0:5]"}, "in/*": {"in/a.txt[0:8]", "in/b.log[0:5]"}} {
		put("in/a.txt", "12345678")
		parts, err := splits.Collect(splits.Stored(t.Context(), b.Store(), "in/", splits.Match(opt)))
		if got := names(parts); err != nil || !slices.Equal(got, want) {
			t.Errorf("Match(%q): %q, %v", opt, got, err)
		}
	}
	parts, err = splits.Collect(splits.Stored(t.Context(), b.Store(), "in/", splits.Size(1), splits.AtMost(3)))
	if err != nil || len(parts) != 3 {
		t.Errorf("AtMost(3): %q, %v", names(parts), err)
	}
}

func TestUpload(t *testing.T) {
	b := inproc.New()
	defer b.Close()
	path := filepath.Join(t.TempDir(), "in.txt")
	if err := os.WriteFile(path, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		parts, err := splits.Collect(splits.Upload(t.Context(), b.Store(), "inputs", []string{path}, splits.Size(2)))
		if err != nil || len(parts) != 2 || parts[0].Path != "" {
			t.Fatalf("%+v, %v", parts, err)
		}
		if got := linesOf(t, parts); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%q", got)
		}
	}
	list, err := b.Store().List(t.Context(), "inputs/", "")
	if err != nil || len(list.Objects) != 1 || !strings.HasSuffix(list.Objects[0].Key, "/in.txt") {
		t.Errorf("%+v, %v", list, err)
	}
}

// A server as it should not be: connections break, it is busy now and then.
type shaky struct {
	data     []byte
	requests int
	breaks   bool
	headers  http.Header
}

func (s *shaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests++
	maps.Copy(w.Header(), s.headers)
	if s.breaks && r.Method == http.MethodGet {
		switch s.requests % 3 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 1: // some of it, then nothing
			w = &short{ResponseWriter: w, left: 1000}
			defer panic(http.ErrAbortHandler)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
}

type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p[:min(len(p), s.left)])
	s.left -= n
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	s.ResponseWriter.(http.Flusher).Flush() //nolint:forcetypeassert // a server's is one
	return n, err
}

func (s *shaky) serve(t *testing.T) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(splits.CloseIdle)
	return server.URL
}

func TestABrokenConnectionIsTakenUp(t *testing.T) {
	s := &shaky{data: []byte(strings.Repeat("a line\n", 1000)), breaks: true, headers: http.Header{"Etag": {`"1"`}}}
	parts, err := splits.Collect(splits.URLs(t.Context(), []string{s.serve(t) + "/file.txt"}, splits.Size(3000)))
	if err != nil {
		t.Fatal(err)
	}
	if got := linesOf(t, parts); len(got) != 1000 {
		t.Errorf("%d lines of %q", len(got), names(parts))
	}
	if s.requests < 10 {
		t.Errorf("%d requests: nothing broke", s.requests)
	}
}

func TestServers(t *testing.T) {
	text := []byte("one\ntwo\nthree\n")
	t.Run("changed between splits", func(t *testing.T) {
		s := &shaky{data: text, headers: http.Header{"Etag": {`"1"`}}}
		parts, err := splits.Collect(splits.URLs(t.Context(), []string{s.serve(t)}, splits.Size(5)))
		if err != nil {
			t.Fatal(err)
		}
		s.headers = http.Header{"Etag": {`"2"`}}
		for _, part := range parts {
			if _, err := part.Open(t.Context()); !errors.Is(err, splits.ErrChanged) {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("shortened, without a version", func(t *testing.T) {
		s := &shaky{data: text}
		parts, err := splits.Collect(splits.URLs(t.Context(), []string{s.serve(t)}, splits.Size(5)))
		if err != nil {
			t.Fatal(err)
		}
		s.data = text[:8]
		for _, part := range parts {
			if _, err := part.Open(t.Context()); !errors.Is(err, splits.ErrChanged) {
				t.Errorf("%v: %v", part, err)
			}
		}
	})
	t.Run("no ranges", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }))
		t.Cleanup(server.Close)
		t.Cleanup(splits.CloseIdle)
		_, err := splits.Collect(splits.URLs(t.Context(), []string{server.URL}, splits.Size(5)))
		if !errors.Is(err, splits.ErrNoRanges) {
			t.Errorf("%v", err)
		}
		parts, err := splits.Collect(splits.URLs(t.Context(), []string{server.URL}, splits.Whole()))
		if err != nil {
			t.Fatal(err)
		}
		if got := linesOf(t, parts); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("a redirect, and a secret", func(t *testing.T) {
		s := &shaky{data: text}
		to := s.serve(t)
		server := httptest.NewServer(http.RedirectHandler(to+"/b?secret=1", http.StatusFound))
		t.Cleanup(server.Close)
		parts, err := splits.Collect(splits.URLs(t.Context(), []string{server.URL + "/a.txt?token=2"}, splits.Size(7)))
		if err != nil {
			t.Fatal(err)
		}
		if got := linesOf(t, parts); len(got) != 3 || strings.Contains(parts[0].String(), "token") {
			t.Errorf("%q of %v", got, parts[0])
		}
	})
	t.Run("none there", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(server.Close)
		t.Cleanup(splits.CloseIdle)
		urls := []string{server.URL + "/a", "no url", server.URL + "/b"}
		n := 0
		for _, err := range splits.URLs(t.Context(), urls) {
			if err != nil {
				n++
			}
		}
		if n != len(urls) {
			t.Errorf("%d errors", n)
		}
	})
}

func TestMistakes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, tt := range map[string]struct {
		seq  func() error
		want string
	}{
		"a size":     {func() error { return first(splits.Files(nil, splits.Size(0), nil)) }, "splits: Size(0): at least 1 byte\nan option is nil"},
		"a pattern":  {func() error { return first(splits.Files(nil, splits.Match("["))) }, `splits: Match("["): syntax error in pattern`},
		"no pattern": {func() error { return first(splits.Files(nil, splits.Match())) }, "splits: Match(): no pattern"},
		"no splits":  {func() error { return first(splits.Files(nil, splits.AtMost(0))) }, "splits: AtMost(0): at least 1 split"},
		"no file":    {func() error { return first(splits.Files([]string{missing})) }, "splits: " + missing + ": file does not exist"},
		"no store":   {func() error { return first(splits.Stored(t.Context(), nil, "")) }, "splits: Stored: the store is nil: does the backend have one?"},
		"no split": {func() error {
			_, err := (splits.Split{Name: "x", To: 2, Size: 1, Path: "x"}).Open(t.Context())
			return err
		}, "splits: x[0:2]: not a part of 1 bytes"},
		"nowhere": {func() error {
			_, err := (splits.Split{Name: "x", To: 1, Size: 1}).Open(t.Context())
			return err
		}, "splits: x[0:1]: it needs a Path or a Link, and not both"},
	} {
		if err := tt.seq(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

func first[T any](seq func(func(T, error) bool)) (failed error) {
	for _, err := range seq {
		return err
	}
	return nil
}
