package codec_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/codec"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// A vector is a value whose encoding must never change: programs of other versions
// are out there.
type vector struct {
	shape, data string // data in hex
	check       func(t *testing.T, data []byte)
}

func vectorOf[T any](tb testing.TB, v T) vector {
	tb.Helper()
	return vector{typeOf(tb, reflect.TypeFor[T]()).Shape(), dump(encode(tb, v)), func(t *testing.T, data []byte) {
		got, err := tryDecode[T](t, data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, v) {
			t.Errorf("decoded to %#v, want %#v", got, v)
		}
	}}
}

// dump writes 32 bytes a line.
func dump(data []byte) string {
	var b strings.Builder
	for line := range slices.Chunk(data, 32) {
		b.WriteString(hex.EncodeToString(line) + "\n")
	}
	return b.String()
}

func TestGoldenValues(t *testing.T) {
	link, err := url.Parse("https://example.org/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	vectors := map[string]vector{
		"bools":      vectorOf(t, []bool{true, false}),
		"integers":   vectorOf(t, [...]struct{ N int64 }{{0}, {127}, {128}, {255}, {256}, {65536}, {math.MaxInt64}, {-1}, {-32}, {-33}, {-129}, {math.MinInt64}}),
		"uint64":     vectorOf(t, uint64(math.MaxUint64)),
		"float32":    vectorOf(t, float32(1.5)),
		"float64":    vectorOf(t, math.Inf(-1)),
		"complex64":  vectorOf(t, complex64(complex(1, -2))),
		"complex128": vectorOf(t, complex(1, -2)),
		"string":     vectorOf(t, "grüße \xff"),
		"bytes":      vectorOf(t, []byte{0, 1, 255}),
		"nil-empty":  vectorOf(t, [][]byte{nil, {}}),
		"ints":       vectorOf(t, []int{1, -2, math.MaxInt64}),
		"uint16s":    vectorOf(t, []uint16{1, 0x1234}),
		"float32s":   vectorOf(t, []float32{1.5, -2}),
		"float64s":   vectorOf(t, []float64{1.5, -2}),
		"grid":       vectorOf(t, grid{{1, 2, 3}, {-4, 5, 6}}),
		"strings":    vectorOf(t, []string{"a", ""}),
		"map":        vectorOf(t, map[string]int{"b": 1, "a": -1, "aa": 300}),
		"map-ints":   vectorOf(t, map[int]string{-1: "x", 1: "y", 1000: "z"}),
		"pointers":   vectorOf(t, []*int{nil, new(5)}),
		"wrapped":    vectorOf(t, []**int{nil, new(*int), new(new(5))}),
		"list":       vectorOf(t, node{1, &node{2, nil}}),
		"embedded":   vectorOf(t, embedding{base{1}, Public{"n"}, "o"}),
		"time-utc":   vectorOf(t, time.Date(2026, 11, 20, 12, 0, 0, 123456789, time.UTC)),
		"big-int":    vectorOf(t, big.NewInt(-1_000_000_007)),
		"url":        vectorOf(t, link),
		"address":    vectorOf(t, netip.MustParseAddr("192.168.0.1")),
		"time-offset": func() vector {
			in := time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", -12607))
			v := vectorOf(t, in)
			v.check = func(t *testing.T, data []byte) {
				got, err := tryDecode[time.Time](t, data)
				if _, offset := got.Zone(); err != nil || !got.Equal(in) || offset != -12607 {
					t.Errorf("decoded to %v, %v", got, err)
				}
			}
			return v
		}(),
	}
	golden(t, "values", vectors)
}

func TestGoldenFrames(t *testing.T) {
	request := func(r *codec.Request, opts ...codec.FrameOption) vector {
		payload := encodeRequest(t, r, opts...)
		if string(payload) != string(quote(frameOf(t, payload))) {
			t.Errorf("not base64 in quotes: %s", payload)
		}
		return vector{"request", dump(frameOf(t, payload)), func(t *testing.T, frame []byte) {
			got, err := codec.DecodeRequest(quote(frame))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Error(diff)
			}
		}}
	}
	reply := func(r *codec.Reply) vector {
		return vector{"reply", dump(encodeReply(t, r)), func(t *testing.T, frame []byte) {
			got, err := codec.DecodeReply(frame)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Error(diff)
			}
		}}
	}
	packed := request(&codec.Request{ID: "1", Items: [][]byte{records(2000)}}, codec.Compress())
	packed.data = "" // what zstd makes of it may change with its version, what it reads may not
	golden(t, "frames", map[string]vector{
		"request":            request(fullRequest()),
		"request-small":      request(&codec.Request{ID: "1", Func: "f", Items: [][]byte{{5}}}),
		"request-compressed": packed,
		"request-stored":     request(storedRequest()),
		"reply-stored":       reply(storedReply()),
		"reply":              reply(fullReply()),
		"reply-build":        reply(&codec.Reply{ID: "1", Agent: codec.AgentStats{Instance: "i-1", Build: "3f2a"}}),
		"reply-small":        reply(&codec.Reply{ID: "1", Items: []codec.ItemReply{{Value: []byte{5}}}}),
	})
}

// golden compares vectors with testdata/golden/dir, one file for each: the shape,
// and the bytes in hex.
func golden(t *testing.T, dir string, vectors map[string]vector) {
	t.Helper()
	dir = filepath.Join("testdata", "golden", dir)
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name+".txt")
			if *update {
				write(t, path, v)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			shape, text, _ := strings.Cut(string(file), "\n")
			if shape != v.shape || v.data != "" && text != v.data {
				t.Errorf("the wire has changed:\n got %s\n%s\nwant %s\n%s", v.shape, v.data, shape, text)
			}
			data, err := hex.DecodeString(strings.ReplaceAll(text, "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			v.check(t, data)
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".txt")
	}
	slices.Sort(files)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(vectors)), files); diff != "" {
		t.Errorf("vectors and files differ: %s", diff)
	}
}

func write(t *testing.T, path string, v vector) {
	t.Helper()
	if v.data == "" {
		if _, err := os.Stat(path); err == nil {
			return
		}
		v.data = dump(frameOf(t, encodeRequest(t, &codec.Request{ID: "1", Items: [][]byte{records(2000)}}, codec.Compress())))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%s\n%s", v.shape, v.data), 0o644); err != nil {
		t.Fatal(err)
	}
}
