package codec_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

type Item struct {
	Name  string
	Price float64
}

func ExampleTypeOf() {
	t, err := codec.TypeOf(reflect.TypeFor[map[string][]Item]())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Go())
	fmt.Println(t.Shape())
	// Output:
	// map[string][]codec_test.Item
	// map[string][]codec_test.Item{Name string; Price float64}
}

func ExampleUnsupportedError() {
	type Order struct {
		Items []struct{ Done chan bool }
	}
	_, err := codec.TypeOf(reflect.TypeFor[Order]())
	fmt.Println(err)
	// Output:
	// Order.Items[].Done: chan bool cannot travel: a channel belongs to one process; return the values instead
}

func ExampleMarshal() {
	item, err := codec.TypeOf(reflect.TypeFor[Item]())
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := codec.Marshal([]*codec.Type{item}, []reflect.Value{reflect.ValueOf(Item{"tea", 1.5})})
	if err != nil {
		fmt.Println(err)
		return
	}
	var out Item
	err = codec.Unmarshal(data, []*codec.Type{item}, []reflect.Value{reflect.ValueOf(&out).Elem()})
	fmt.Println(len(data), out, err)
	// Output:
	// 14 {tea 1.5} <nil>
}

func ExampleUnmarshal() {
	ts := make([]*codec.Type, 2)
	for i, t := range []reflect.Type{reflect.TypeFor[int](), reflect.TypeFor[string]()} {
		ct, err := codec.TypeOf(t)
		if err != nil {
			fmt.Println(err)
			return
		}
		ts[i] = ct
	}
	var n int
	var s string
	into := []reflect.Value{reflect.ValueOf(&n).Elem(), reflect.ValueOf(&s).Elem()}
	err := codec.Unmarshal([]byte{7, 0xa2, 'h', 'i'}, ts, into)
	fmt.Println(n, s, err)
	err = codec.Unmarshal([]byte{7, 8}, ts, into)
	fmt.Println(err)
	// Output:
	// 7 hi <nil>
	// decode value 2: an integer where a string belongs
}

func ExampleEncodeRawRequest() {
	request := &codec.Request{ID: "1", Func: "Add", Items: [][]byte{make([]byte, 3000)}}
	quoted, _ := codec.EncodeRequest(request)
	raw, err := codec.EncodeRawRequest(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := codec.DecodeRequest(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d bytes instead of %d\n", got.Func, len(raw), len(quoted))
	// Output: Add: 3029 bytes instead of 4042
}

func ExampleEncodeRequest() {
	payload, err := codec.EncodeRequest(&codec.Request{ID: "1", Func: "Add", Items: [][]byte{{2, 3}}})
	fmt.Println(string(payload), err)
	request, err := codec.DecodeRequest(payload)
	fmt.Println(request.Func, request.Items, err)
	// Output:
	// "wUxQAQKDomlkoTGiZm6jQWRkoml0kcQCAgPb6RyE" <nil>
	// Add [[2 3]] <nil>
}

func ExampleCompress() {
	request := &codec.Request{Func: "Parse", Items: [][]byte{records(100_000)}}
	payload, err := codec.EncodeRequest(request, codec.Compress())
	fmt.Println(len(payload) < 20_000, err)
	// Output:
	// true <nil>
}

func ExampleDecodeRequest() {
	_, err := codec.DecodeRequest([]byte(`{"key": "value"}`))
	fmt.Println(err)
	// Output:
	// this looks like a JSON object, not a lambdapool request: call it through the lambdapool client, which sends a JSON string
}

func ExampleEncodeReply() {
	payload, err := codec.EncodeReply(&codec.Reply{ID: "1", Items: []codec.ItemReply{{Value: []byte{5}}}})
	fmt.Printf("%x %v\n", payload, err)
	reply, err := codec.DecodeReply(payload)
	fmt.Printf("%v %v\n", reply.Items[0].Value, err)
	// Output:
	// c14c50010283a26964a131a269749181a176c40105a261678078f1c674 <nil>
	// [5] <nil>
}

func ExampleFrame() {
	request := &codec.Request{ID: "1", Func: "Parse", Items: [][]byte{records(10 << 20)}}
	frame, err := codec.FrameRequest(request, codec.Compress())
	if err != nil {
		fmt.Println(err)
		return
	}
	var store bytes.Buffer
	n, err := io.Copy(&store, frame.Reader())
	fmt.Println(n == frame.Size(), frame.Sum() == sha256.Sum256(store.Bytes()), len(frame.Bytes()) == store.Len(), err)

	// What is sent says where the items are.
	link := codec.Link{URL: "https://bucket.example.org/key?X-Amz-Signature=…"}
	small, err := codec.EncodeRequest(&codec.Request{ID: request.ID, Func: request.Func, Stored: frame.Stored(link)})
	fmt.Println(len(small) < 300, err)

	// The agent fetches them.
	arrived, err := codec.DecodeRequest(small)
	if err != nil {
		fmt.Println(err)
		return
	}
	items, err := codec.ReadRequest(&store, arrived.Stored)
	fmt.Println(arrived.Stored.From, bytes.Equal(items.Items[0], request.Items[0]), err)
	// Output:
	// true true true <nil>
	// true <nil>
	// https://bucket.example.org/key?… true <nil>
}

func ExampleFrameReply() {
	frame, err := codec.FrameReply(&codec.Reply{Items: []codec.ItemReply{{Value: []byte{5}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := codec.ReadReply(frame.Reader(), frame.Stored(codec.Link{}))
	fmt.Println(reply.Items[0].Value[0], err)
	_, err = codec.ReadReply(frame.Reader(), &codec.Stored{Size: frame.Size()})
	fmt.Println(err)
	// Output:
	// 5 <nil>
	// the stored frame of 24 bytes has another SHA-256 than when it was stored: its bytes were changed
}

func ExampleLink() {
	link := codec.Link{URL: "https://bucket.example.org/key?X-Amz-Signature=c2VjcmV0"}
	fmt.Printf("%v\n%#v\n%v\n", link, link.GoString(), link.LogValue())
	data, err := link.MarshalJSON()
	fmt.Println(string(data), err)
	// Output:
	// https://bucket.example.org/key?…
	// "codec.Link{https://bucket.example.org/key?…}"
	// https://bucket.example.org/key?…
	// "https://bucket.example.org/key?…" <nil>
}

func ExampleUnmarshalShared() {
	typ, err := codec.TypeOf(reflect.TypeFor[[]byte]())
	if err != nil {
		fmt.Println(err)
		return
	}
	data := []byte{0xc4, 2, 'h', 'i'}
	var b []byte
	err = codec.UnmarshalShared(data, []*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&b).Elem()})
	fmt.Printf("%s %t %v\n", b, &b[0] == &data[2], err)
	// Output:
	// hi true <nil>
}

func ExampleFrame_Sealed() {
	frame, err := codec.FrameReply(&codec.Reply{ID: "1", Items: []codec.ItemReply{{Value: []byte{5}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := frame.Sealed() // small enough to be sent after all
	reply, err := codec.DecodeReply(sent)
	fmt.Println(reply.ID, err)
	sent[len(sent)/2] ^= 1
	_, err = codec.DecodeReply(sent)
	fmt.Println(errors.Is(err, codec.ErrDamaged))
	// Output:
	// 1 <nil>
	// true
}

func ExampleOpenValue() {
	value, err := codec.Marshal([]*codec.Type{mustType[[]byte]()}, []reflect.Value{reflect.ValueOf([]byte("a large value"))})
	if err != nil {
		fmt.Println(err)
		return
	}
	frame, err := codec.FrameReply(&codec.Reply{ID: "1", Items: []codec.ItemReply{{Value: value}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	object := frame.Seal() // with a checksum, as nothing else describes it
	v, err := codec.OpenValue(object.Reader(), object.Size(), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	fmt.Println(v.Size(), "bytes")
	fmt.Println(v.Read(make([]byte, 100)))
	fmt.Println(io.Copy(os.Stdout, v)) // the end, and the checksum
	// Output:
	// 13 bytes
	// 13 <nil>
	// 0 <nil>
}

func mustType[T any]() *codec.Type {
	t, err := codec.TypeOf(reflect.TypeFor[T]())
	if err != nil {
		panic(err)
	}
	return t
}

func ExampleType_Custom() {
	for _, t := range []reflect.Type{reflect.TypeFor[Item](), reflect.TypeFor[time.Time](), reflect.TypeFor[[]Celsius]()} {
		c, err := codec.TypeOf(t)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(t, c.Custom())
	}
	// Output:
	// codec_test.Item false
	// time.Time false
	// []codec_test.Celsius true
}

// Celsius encodes itself.
type Celsius struct{ degrees byte }

func (c Celsius) MarshalBinary() ([]byte, error) { return []byte{c.degrees}, nil }

func (c *Celsius) UnmarshalBinary(data []byte) error {
	c.degrees = data[0]
	return nil
}

// A client that gave an agent two seconds hears of it half a second later at the latest, and the
// way back.
func ExampleGrace() {
	fmt.Println(codec.Grace(2*time.Second), codec.Grace(time.Second))
	// Output: 500ms 250ms
}

func ExampleLength() {
	data := []byte{0x93, 1, 2, 3, 0xa1, 'x', 7} // an array of three, a string, a number
	fmt.Println(codec.Length(data, 2))
	// Output: 6 <nil>
}
