package codec_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/codec"
)

// noise is data that zstd cannot shrink.
func noise(n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b) // never fails
	return b
}

// storedItems are below, at and above the size at which an item is no longer copied.
func storedItems() map[string][][]byte {
	return map[string][][]byte{
		"none":    nil,
		"small":   {{1}, {}, noise(100)},
		"edge":    {noise(64<<10 - 1), noise(64 << 10), noise(64<<10 + 1)},
		"noise":   {noise(300_000), {5}, noise(2_500_000)},
		"records": {records(300_000), noise(100_000), records(2_500_000)},
		"turning": {noise(5 << 20), records(2 << 20)}, // compressing it is given up
	}
}

func frameRequest(tb testing.TB, items [][]byte, opts ...codec.FrameOption) *codec.Frame {
	tb.Helper()
	f, err := codec.FrameRequest(&codec.Request{ID: "secret-id", Items: items}, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestStoredRequest(t *testing.T) {
	for name, items := range storedItems() {
		for _, opts := range [][]codec.FrameOption{nil, {codec.Compress()}} {
			f := frameRequest(t, items, opts...)
			data := f.Bytes()
			if int64(len(data)) != f.Size() || sha256.Sum256(data) != f.Sum() || bytes.Contains(data, []byte("secret-id")) {
				t.Errorf("%s: %d bytes of %d, or another sum, or more than the items", name, len(data), f.Size())
			}
			if err := iotest.TestReader(f.Reader(), data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, r := range []io.Reader{f.Reader(), iotest.HalfReader(f.Reader()), iotest.DataErrReader(bytes.NewReader(data))} {
				got, err := codec.ReadRequest(r, f.Stored(codec.Link{}))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if !reflect.DeepEqual(got, &codec.Request{Items: items}) {
					t.Errorf("%s: arrives changed", name)
				}
			}
		}
	}
}

func TestStoredReply(t *testing.T) {
	want := fullReply()
	want.Items = append(want.Items, codec.ItemReply{Value: records(1 << 20)})
	for _, opts := range [][]codec.FrameOption{nil, {codec.Compress()}} {
		f, err := codec.FrameReply(want, opts...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.ReadReply(f.Reader(), f.Stored(codec.Link{}))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Error("arrives changed")
		}
		if got, err = codec.DecodeReply(f.Bytes()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("the frame is not a reply as any other: %v", err)
		}
	}
}

func TestStoredIsCompressedWhereItPays(t *testing.T) {
	for name, tt := range map[string]struct {
		item    []byte
		shrinks bool
	}{
		"small":   {records(500), false},
		"records": {records(20 << 20), true},
		"noise":   {noise(20 << 20), false},
		"zeros":   {make([]byte, 20<<20), false}, // would look like a bomb
	} {
		plain := frameRequest(t, [][]byte{tt.item}).Size()
		if packed := frameRequest(t, [][]byte{tt.item}, codec.Compress()).Size(); (packed < plain) != tt.shrinks {
			t.Errorf("%s: %d bytes become %d, want it smaller: %t", name, plain, packed, tt.shrinks)
		}
	}
}

// A large item is not copied to be stored, and read into one buffer.
func TestStoredMemory(t *testing.T) {
	const size = 32 << 20
	items := [][]byte{noise(size)}
	var f *codec.Frame
	if n := allocated(func() { f = frameRequest(t, items, codec.Compress()); f.Sum() }); n > 8<<20 {
		t.Errorf("framing %d bytes allocates %d", size, n)
	}
	for name, item := range map[string][]byte{"plain": items[0], "compressed": records(size)} {
		f = frameRequest(t, [][]byte{item}, codec.Compress())
		if n := allocated(func() {
			if _, err := codec.ReadRequest(f.Reader(), f.Stored(codec.Link{})); err != nil {
				t.Error(err)
			}
		}); n > size+8<<20 {
			t.Errorf("reading %d bytes, %s, allocates %d", size, name, n)
		}
	}
}

func TestStoredDamage(t *testing.T) {
	for name, f := range map[string]*codec.Frame{
		"plain":      frameRequest(t, [][]byte{noise(700), {1}}),
		"compressed": frameRequest(t, [][]byte{records(5000)}, codec.Compress()),
	} {
		data, stored := f.Bytes(), f.Stored(codec.Link{})
		var wrong *codec.FrameError
		for i := range data {
			spoilt := bytes.Clone(data)
			spoilt[i] ^= 1
			if _, err := codec.ReadRequest(bytes.NewReader(spoilt), stored); !errors.Is(err, codec.ErrDamaged) || !errors.As(err, &wrong) {
				t.Fatalf("%s: byte %d changed: %v, want damaged", name, i, err)
			}
			if _, err := codec.ReadRequest(bytes.NewReader(data[:i]), stored); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s: %d of %d bytes: %v, want an unexpected EOF", name, i, len(data), err)
			}
		}
		broken := errors.New("connection lost")
		in := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken))
		if _, err := codec.ReadRequest(in, stored); !errors.Is(err, broken) || errors.As(err, new(*codec.FrameError)) {
			t.Errorf("%s: %v, want the reader's error", name, err)
		}
		// What follows the announced bytes is not read.
		if _, err := codec.ReadRequest(io.MultiReader(f.Reader(), iotest.ErrReader(broken)), stored); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is announced is judged before memory is allocated for it, and a frame whose
// sum is right is still not trusted.
func TestStoredHostile(t *testing.T) {
	describe := func(data []byte) *codec.Stored {
		return &codec.Stored{Size: int64(len(data)), SHA256: sha256.Sum256(data)}
	}
	for _, size := range []int64{-1, 0, 4, codec.MaxStored + 1, 1 << 62} {
		if _, err := codec.ReadRequest(strings.NewReader("x"), &codec.Stored{Size: size}); err == nil || !strings.Contains(err.Error(), "is announced") {
			t.Errorf("a size of %d: %v", size, err)
		}
	}
	for name, tt := range map[string]struct{ data, says string }{
		"not a frame":      {"<Error><Code>AccessDenied</Code></Error>", "not a lambdapool frame"},
		"newer":            {"\xc1LP\x02\x00\x80", "client speaks protocol 2"},
		"unknown flags":    {"\xc1LP\x01\x80\x80", "unknown flags"},
		"no size":          {"\xc1LP\x01\x01", "does not say its size"},
		"bomb":             {"\xc1LP\x01\x01\xff\xff\xff\xff\x7fxxxx", "more than is accepted"},
		"damaged zstd":     {"\xc1LP\x01\x01\x20not zstd at all", "compressed frame is damaged"},
		"malformed":        {"\xc1LP\x01\x00\x93", "malformed"},
		"array of lengths": {"\xc1LP\x01\x00\xdd\xff\xff\xff\xff", "malformed"},
	} {
		var wrong *codec.FrameError
		_, err := codec.ReadRequest(strings.NewReader(tt.data), describe([]byte(tt.data)))
		if !errors.As(err, &wrong) || errors.Is(err, codec.ErrDamaged) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// Numbers of a stored reply are left where they are, however its envelope has moved
// them, and of other types, or from elsewhere, they are copied.
func TestSharedNumbers(t *testing.T) {
	want := make([]float64, 100_000)
	for i := range want {
		want[i] = float64(i)
	}
	typ := typeOf(t, reflect.TypeFor[[]float64]())
	value := encode(t, want)
	var got []float64
	unmarshal := func(data []byte) {
		got = nil
		if err := codec.UnmarshalShared(data, []*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&got).Elem()}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatal("arrives changed")
		}
	}
	for id := range 16 {
		f, err := codec.FrameReply(&codec.Reply{ID: strings.Repeat("x", id), Items: []codec.ItemReply{{Value: value}}})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := codec.ReadReply(f.Reader(), f.Stored(codec.Link{}))
		if err != nil {
			t.Fatal(err)
		}
		if n := allocated(func() { unmarshal(reply.Items[0].Value) }); n > 1000 {
			t.Errorf("with an id of %d bytes it allocates %d", id, n)
		}
	}
	buffer := make([]byte, len(value)+8)
	for off := range 8 {
		data := buffer[off:][:len(value)]
		copy(data, value)
		unmarshal(data)
	}
	// A small slice would keep a large buffer alive.
	type pair struct {
		A, B []byte
	}
	var p pair
	data := encode(t, pair{noise(1000), noise(2000)})
	if err := codec.UnmarshalShared(data, []*codec.Type{typeOf(t, reflect.TypeFor[pair]())}, []reflect.Value{reflect.ValueOf(&p).Elem()}); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !bytes.Equal(p.A, noise(1000)) || bytes.Equal(p.B, noise(2000)) {
		t.Error("want the first slice copied, and the second shared")
	}
}

func TestUnmarshalShared(t *testing.T) {
	type message struct {
		Name string
		Data []byte
	}
	want := message{"n", noise(1 << 20)}
	data := encode(t, want)
	typ := typeOf(t, reflect.TypeFor[message]())
	var got message
	unmarshal := func() {
		if err := codec.UnmarshalShared(data, []*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&got).Elem()}); err != nil {
			t.Fatal(err)
		}
	}
	if n := allocated(unmarshal); n > 64<<10 {
		t.Errorf("allocates %d bytes", n)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("decoded to something else")
	}
	if cap(got.Data) != len(got.Data) {
		t.Error("appending to the slice would write into data")
	}
}

// Strings that make up most of a result are left where they are; others are copied, as
// they would keep a buffer alive that has little to do with them.
func TestSharedStrings(t *testing.T) {
	share := func(data []byte, typ reflect.Type, v any) int {
		t.Helper()
		return allocated(func() {
			if err := codec.UnmarshalShared(data, []*codec.Type{typeOf(t, typ)}, []reflect.Value{reflect.ValueOf(v).Elem()}); err != nil {
				t.Fatal(err)
			}
		})
	}
	lines := make([]string, 100_000)
	for i := range lines {
		lines[i] = strings.Repeat(string(rune('a'+i%26)), i%200)
	}
	data := encode(t, lines)
	var got []string
	if n, headers := share(data, reflect.TypeFor[[]string](), &got), 16*len(lines); n > headers+64<<10 {
		t.Errorf("strings of %d bytes allocate %d beside their headers", len(data), n-headers)
	}
	if !slices.Equal(got, lines) {
		t.Error("arrive changed")
	}
	table := map[string]record{"a": rows(1)[0], "": rows(2)[1]}
	data = encode(t, table)
	var records map[string]record
	share(data, reflect.TypeFor[map[string]record](), &records)
	if diff := cmp.Diff(table, records); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	type message struct {
		Name string
		Data []byte
	}
	var few, most message
	data = encode(t, message{"name", noise(1000)})
	share(data, reflect.TypeFor[message](), &few)
	clear(data)
	if few.Name != "name" || few.Data[0] != 0 {
		t.Errorf("want the name copied, and the bytes shared: %q, %x", few.Name, few.Data[:8])
	}
	long := strings.Repeat("name", 250)
	data = encode(t, message{long, noise(100)})
	share(data, reflect.TypeFor[message](), &most)
	if most.Name != long || !bytes.Equal(most.Data, noise(100)) {
		t.Error("a long name arrives changed")
	}
	most.Data[0]++ // the user's, and nobody else's
	clear(most.Data[:cap(most.Data)])
	if most.Name != long {
		t.Error("writing to the bytes changed the name")
	}
}

// Whatever way a link is printed, its query is not.
func TestLinksKeepTheirSecret(t *testing.T) {
	link := codec.Link{
		URL:    "https://user:hidden@bucket.example.org/a/b?X-Amz-Signature=hidden#hidden",
		Header: map[string]string{"x-secret": "hidden"},
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "link", link, "pointer", &link)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "link", link)
	request := codec.Request{Stored: &codec.Stored{From: link}, Spill: &codec.Spill{To: link}}
	for _, text := range []string{
		log.String(), link.String(), fmt.Sprint(link, &link), fmt.Sprintf("%v %+v %#v %s %q", link, link, link, link, link),
		fmt.Sprintf("%v %+v", *request.Stored, *request.Spill), fmt.Sprintf("%#v", *request.Stored),
	} {
		if strings.Contains(text, "hidden") || !strings.Contains(text, "bucket.example.org/a/b?…") {
			t.Errorf("printed as %s", text)
		}
	}
	if got := (codec.Link{}).String(); got != "no link" {
		t.Errorf("an empty link prints as %q", got)
	}
	if text, err := json.Marshal(request); err != nil || strings.Contains(string(text), "hidden") {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

// Compression works in any bubble, wherever it was used first.
func TestCompressionInBubbles(t *testing.T) {
	use := func(t *testing.T) {
		f := frameRequest(t, [][]byte{records(100_000)}, codec.Compress())
		if _, err := codec.ReadRequest(f.Reader(), f.Stored(codec.Link{})); err != nil {
			t.Error(err)
		}
		request := encodeRequest(t, &codec.Request{Items: [][]byte{records(100_000)}}, codec.Compress())
		if _, err := codec.DecodeRequest(request); err != nil {
			t.Error(err)
		}
	}
	synctest.Test(t, use)
	use(t)
	synctest.Test(t, use)
}
