package codec_test

import (
	"encoding/base64"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/lambdapool/lambdapool/codec"
)

const mebibyte = 1 << 20

// fill returns a slice of one mebibyte with distinct elements.
func fill[T byte | int | int32 | float32 | float64]() []T {
	s := make([]T, mebibyte/unsafe.Sizeof(*new(T)))
	for i := range s {
		s[i] = T(i % 251)
	}
	return s
}

// BenchmarkEncodeMebibyte measures a request with one argument of 1 MiB, from the
// slice to JSON. The floor is what cannot be avoided: copying the bytes and base64.
func BenchmarkEncodeMebibyte(b *testing.B) {
	benchEncode(b, fill[byte]())
	benchEncode(b, fill[int]())
	benchEncode(b, fill[int32]())
	benchEncode(b, fill[float32]())
	benchEncode(b, fill[float64]())
}

// besideFloor measures work and reports how many times as long as floor it takes,
// by turns, so that whatever else the machine does falls on both.
func besideFloor(b *testing.B, work, floor func()) {
	b.Helper()
	b.SetBytes(mebibyte)
	b.ReportAllocs()
	var worked, floored time.Duration
	for b.Loop() {
		b.StopTimer()
		start := time.Now()
		floor()
		floored += time.Since(start)
		b.StartTimer()
		start = time.Now()
		work()
		worked += time.Since(start)
	}
	b.ReportMetric(float64(worked)/float64(floored), "×floor")
}

func floorEncode(src []byte) []byte {
	dst := make([]byte, len(src))
	copy(dst, src)
	out := make([]byte, base64.StdEncoding.EncodedLen(len(dst)))
	base64.StdEncoding.Encode(out, dst)
	return out
}

func benchEncode[T any](b *testing.B, v []T) {
	ts := []*codec.Type{typeOf(b, reflect.TypeOf(v))}
	src := fill[byte]()
	b.Run(ts[0].String(), func(b *testing.B) {
		besideFloor(b,
			func() { _ = encodeCall(b, ts, reflect.ValueOf(v)) },
			func() { _ = floorEncode(src) })
	})
}

func encodeCall(tb testing.TB, ts []*codec.Type, vs ...reflect.Value) []byte {
	args, err := codec.Marshal(ts, vs)
	if err != nil {
		tb.Fatal(err)
	}
	payload, err := codec.EncodeRequest(&codec.Request{ID: "1", Func: "bench", Shape: 1, Items: [][]byte{args}})
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

// BenchmarkDecodeMebibyte measures the way back, from JSON to the slice.
func BenchmarkDecodeMebibyte(b *testing.B) {
	benchDecode(b, fill[byte]())
	benchDecode(b, fill[int]())
	benchDecode(b, fill[int32]())
	benchDecode(b, fill[float32]())
	benchDecode(b, fill[float64]())
}

func floorDecode(src []byte) []byte {
	mid := make([]byte, base64.StdEncoding.DecodedLen(len(src)))
	n, _ := base64.StdEncoding.Decode(mid, src)
	dst := make([]byte, n)
	copy(dst, mid)
	return dst
}

func benchDecode[T any](b *testing.B, v []T) {
	ts := []*codec.Type{typeOf(b, reflect.TypeOf(v))}
	payload := encodeCall(b, ts, reflect.ValueOf(v))
	src := floorEncode(fill[byte]())
	b.Run(ts[0].String(), func(b *testing.B) {
		besideFloor(b, func() {
			var out []T
			decodeCall(b, payload, ts, reflect.ValueOf(&out).Elem())
		}, func() { _ = floorDecode(src) })
	})
}

func decodeCall(tb testing.TB, payload []byte, ts []*codec.Type, vs ...reflect.Value) {
	r, err := codec.DecodeRequest(payload)
	if err != nil {
		tb.Fatal(err)
	}
	if err := codec.Unmarshal(r.Items[0], ts, vs); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkSmallCall measures what the codec adds to the smallest of calls.
func BenchmarkSmallCall(b *testing.B) {
	ints := []*codec.Type{typeOf(b, reflect.TypeFor[int]()), typeOf(b, reflect.TypeFor[int]())}
	args := []reflect.Value{reflect.ValueOf(2), reflect.ValueOf(3)}
	data, err := codec.Marshal(ints, args)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.Marshal(ints, args)
		}
	})
	b.Run("Unmarshal", func(b *testing.B) {
		var x, y int
		into := []reflect.Value{reflect.ValueOf(&x).Elem(), reflect.ValueOf(&y).Elem()}
		b.ReportAllocs()
		for b.Loop() {
			_ = codec.Unmarshal(data, ints, into)
		}
	})
	request := &codec.Request{ID: "8f14e45f", Func: "algorithms.Add", Shape: 1 << 63, Registry: 1 << 62, Remaining: time.Minute, Items: [][]byte{data}}
	reply := &codec.Reply{ID: "8f14e45f", Items: []codec.ItemReply{{Value: data, Run: time.Microsecond}},
		Agent: codec.AgentStats{Instance: "a1b2c3d4", Invocation: 7, Run: time.Millisecond, CPU: time.Millisecond, PeakMemory: 20 << 20, Memory: 128 << 20, Registry: 1 << 62, Procs: 2}}
	b.Run("EncodeRequest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.EncodeRequest(request)
		}
	})
	payload, _ := codec.EncodeRequest(request)
	b.Run("DecodeRequest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.DecodeRequest(payload)
		}
	})
	b.Run("EncodeReply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.EncodeReply(reply)
		}
	})
	raw, _ := codec.EncodeReply(reply)
	b.Run("DecodeReply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.DecodeReply(raw)
		}
	})
}

type sample struct {
	Name  string
	Tags  []string
	Score float64
	Sizes map[string]int
	Next  *sample
}

func newSample() sample {
	return sample{Name: "first", Tags: []string{"a", "b"}, Score: 1.5, Sizes: map[string]int{"x": 1, "y": 2}, Next: &sample{Name: "second"}}
}

// BenchmarkStruct measures a record of mixed fields.
func BenchmarkStruct(b *testing.B) {
	ts := []*codec.Type{typeOf(b, reflect.TypeFor[sample]())}
	in := newSample()
	vs := []reflect.Value{reflect.ValueOf(&in).Elem()}
	data, err := codec.Marshal(ts, vs)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.Marshal(ts, vs)
		}
	})
	b.Run("Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var out sample
			_ = codec.Unmarshal(data, ts, []reflect.Value{reflect.ValueOf(&out).Elem()})
		}
	})
}

// BenchmarkCompress measures a request of records that zstd shrinks.
func BenchmarkCompress(b *testing.B) {
	ts := []*codec.Type{typeOf(b, reflect.TypeFor[[]sample]())}
	in := make([]sample, 1000)
	for i := range in {
		in[i] = newSample()
		in[i].Score = float64(i * i)
	}
	data, err := codec.Marshal(ts, []reflect.Value{reflect.ValueOf(in)})
	if err != nil {
		b.Fatal(err)
	}
	request := &codec.Request{ID: "1", Func: "bench", Items: [][]byte{data}}
	payload, _ := codec.EncodeRequest(request, codec.Compress())
	b.Run("EncodeRequest", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_, _ = codec.EncodeRequest(request, codec.Compress())
		}
		b.ReportMetric(float64(len(data))/float64(len(payload)), "×smaller")
	})
	b.Run("DecodeRequest", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_, _ = codec.DecodeRequest(payload)
		}
	})
}
