package codec_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// fuzzTypes are the types that FuzzUnmarshal decodes into, chosen by its first byte.
// Append only: the corpus refers to them by position.
var fuzzTypes = []reflect.Type{
	reflect.TypeFor[everything](),
	reflect.TypeFor[int8](),
	reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](),
	reflect.TypeFor[complex64](),
	reflect.TypeFor[string](),
	reflect.TypeFor[[]byte](),
	reflect.TypeFor[[]int](),
	reflect.TypeFor[[][]string](),
	reflect.TypeFor[map[string]map[int][]bool](),
	reflect.TypeFor[map[point]*point](),
	reflect.TypeFor[tree](),
	reflect.TypeFor[node](),
	reflect.TypeFor[links](),
	reflect.TypeFor[lookup](),
	reflect.TypeFor[**[]*int](),
	reflect.TypeFor[[4]string](),
	reflect.TypeFor[[]nothing](),
	reflect.TypeFor[[]huge](),
	reflect.TypeFor[[]wide](),
	reflect.TypeFor[time.Time](),
	reflect.TypeFor[*big.Int](),
	reflect.TypeFor[big.Float](),
	reflect.TypeFor[*url.URL](),
	reflect.TypeFor[map[netip.Addr]netip.Prefix](),
	reflect.TypeFor[explosive](),
	reflect.TypeFor[map[int8]wide](),
	reflect.TypeFor[holder](),
}

// fuzzSlack is what the fuzzing engine itself may allocate meanwhile.
const fuzzSlack = 4 << 20

func FuzzUnmarshal(f *testing.F) {
	for i, t := range fuzzTypes {
		zero, err := codec.Marshal([]*codec.Type{typeOf(f, t)}, []reflect.Value{reflect.Zero(t)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), zero)
	}
	f.Add(byte(0), encode(f, everything{Strings: []string{"a"}, Nested: map[int]map[string][]point{1: {"a": {{1, 2}}}}, PtrPtr: new(new("s")), Big: big.NewInt(5)}))
	f.Add(byte(11), encode(f, tree{Leaves: []tree{{}, {Named: map[string]tree{"a": {}}}}}))
	f.Add(byte(12), encode(f, node{1, &node{2, nil}}))
	f.Add(byte(13), bytes.Repeat([]byte{0x91}, 2000))
	f.Add(byte(14), []byte{0x82, 0xa1, 'a', 0xc0, 0xa1, 'a', 0xc0})
	f.Add(byte(18), []byte{0x92, 0x91, 1, 0x91, 2})
	f.Add(byte(8), []byte("\xdd\xff\xff\xff\xff\xc0"))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		typ := fuzzTypes[int(which)%len(fuzzTypes)]
		ts := []*codec.Type{typeOf(t, typ)}
		first := reflect.New(typ).Elem()
		var err error
		if n := allocated(func() { err = codec.Unmarshal(data, ts, []reflect.Value{first}) }); n > allowance(len(data))+int(typ.Size())+fuzzSlack {
			t.Fatalf("%v: %d bytes made it allocate %d", typ, len(data), n)
		}
		if err != nil {
			var failed *codec.DecodeError
			if !errors.As(err, &failed) {
				t.Fatalf("%v: %T: %v", typ, err, err)
			}
			return
		}
		// What was accepted is a value like any other: it travels, and arrives the same.
		again, err := codec.Marshal(ts, []reflect.Value{first})
		if err != nil {
			t.Fatalf("%v: decoded, but: %v", typ, err)
		}
		second := reflect.New(typ).Elem()
		if err := codec.UnmarshalShared(bytes.Clone(again), ts, []reflect.Value{second}); err != nil {
			t.Fatalf("%v: encoded, but: %v", typ, err)
		}
		last, err := codec.Marshal(ts, []reflect.Value{second})
		if err != nil || !bytes.Equal(again, last) {
			t.Fatalf("%v: not stable (%v):\n%x\n%x", typ, err, again, last)
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{1}, 1)
	f.Add(encode(f, everything{}), 1)
	f.Add([]byte("\xdf\xff\xff\xff\xff"), 1)
	f.Add([]byte("\x82\xa1a\xc4\x01b\xa1c\x91\xcb\x00\x00\x00\x00\x00\x00\x00\x00"), 1)
	f.Add(bytes.Repeat([]byte{0x91}, 2000), 1)
	f.Add([]byte{0xc0, 0xc0, 0xc0}, 3)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n < 0 || n > len(data)+1 {
			return
		}
		err := codec.Scan(data, n)
		if err == nil && n > len(data) {
			t.Fatalf("%d values in %d bytes", n, len(data))
		}
		// What is one value is not two, and not with something behind it.
		if err == nil {
			if codec.Scan(data, n+1) == nil {
				t.Fatal("one value more is accepted too")
			}
			if len(data) > 0 && codec.Scan(data[:len(data)-1], n) == nil {
				t.Fatal("one byte less is accepted too")
			}
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(encodeRequest(f, fullRequest()))
	f.Add(encodeRequest(f, &codec.Request{ID: "1", Items: [][]byte{records(2000)}}, codec.Compress()))
	f.Add([]byte(`{"a": 1}`))
	f.Add([]byte(` "wUxQ\u0041QCA" `))
	f.Add([]byte(`""`))
	f.Add(quote([]byte("\xc1LP\x01\x01\x80\x80\x80\x80\x01aaaa")))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r *codec.Request
		var err error
		frameAllowance(t, len(payload), func() { r, err = codec.DecodeRequest(payload) })
		if err != nil {
			wantFrameError(t, err)
			return
		}
		again := encodeRequest(t, r)
		second, err := codec.DecodeRequest(again)
		if err != nil {
			t.Fatalf("encoded, but: %v", err)
		}
		if last := encodeRequest(t, second, codec.Compress()); len(last) > len(again) {
			t.Fatalf("compressed from %d to %d bytes", len(again), len(last))
		}
		if last := encodeRequest(t, second); !bytes.Equal(again, last) {
			t.Fatalf("not stable:\n%s\n%s", again, last)
		}
	})
}

func FuzzDecodeReply(f *testing.F) {
	f.Add(encodeReply(f, fullReply()))
	f.Add(quote(encodeReply(f, fullReply())))
	f.Add(encodeReply(f, &codec.Reply{Items: []codec.ItemReply{{Value: records(2000)}}}, codec.Compress()))
	f.Add([]byte(`{"errorMessage":"x","errorType":"y"}`))
	f.Add([]byte("\xc1LP\x02\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r *codec.Reply
		var err error
		frameAllowance(t, len(payload), func() { r, err = codec.DecodeReply(payload) })
		if err != nil {
			wantFrameError(t, err)
			return
		}
		again := encodeReply(t, r)
		second, err := codec.DecodeReply(again)
		if err != nil {
			t.Fatalf("encoded, but: %v", err)
		}
		if last := encodeReply(t, second); !bytes.Equal(again, last) {
			t.Fatalf("not stable:\n%x\n%x", again, last)
		}
	})
}

// FuzzStored reads whatever an object store may return where a frame is expected, once
// with its own sum and once with another.
func FuzzStored(f *testing.F) {
	f.Add(frameRequest(f, [][]byte{{1}, {2}}).Bytes())
	f.Add(frameRequest(f, [][]byte{records(2000)}, codec.Compress()).Bytes())
	f.Add(encodeReply(f, fullReply()))
	f.Add([]byte("\xc1LP\x01\x01\x80\x80\x80\x80\x01aaaa"))
	f.Add([]byte(`<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`))
	f.Add([]byte("\xc1LP\x01\x01\x04\x28\xb5\x2f\xfd\x00\x88\x21\x00\x00aaaa")) // 4 bytes behind a window of 128 MiB
	f.Fuzz(func(t *testing.T, data []byte) {
		stored := &codec.Stored{Size: int64(len(data)), SHA256: sha256.Sum256(data)}
		var r *codec.Request
		var err error
		frameAllowance(t, len(data), func() { r, err = codec.ReadRequest(bytes.NewReader(data), stored) })
		if err != nil {
			wantFrameError(t, err)
		} else if again, err := codec.ReadRequest(frameRequest(t, r.Items).Reader(), frameRequest(t, r.Items).Stored(codec.Link{})); err != nil || !reflect.DeepEqual(again.Items, r.Items) {
			t.Fatalf("not stable: %v", err)
		}
		if _, err := codec.ReadReply(bytes.NewReader(data), stored); err != nil {
			wantFrameError(t, err)
		}
		stored.SHA256[0]++
		if _, err := codec.ReadReply(bytes.NewReader(data), stored); err == nil {
			t.Fatal("accepted with another sum")
		}
	})
}

// frameAllowance checks the bound on a frame: its body, which zstd may expand, and
// what is decoded from that, mostly slices into it.
func frameAllowance(t *testing.T, n int, f func()) {
	t.Helper()
	body := codec.MaxExpansion * n
	if got := allocated(f); got > body+allowance(body)+fuzzSlack {
		t.Fatalf("%d bytes made it allocate %d", n, got)
	}
}

func wantFrameError(t *testing.T, err error) {
	t.Helper()
	var failed *codec.FrameError
	if !errors.As(err, &failed) {
		t.Fatalf("%T: %v", err, err)
	}
}
