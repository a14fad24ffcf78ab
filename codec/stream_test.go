package codec_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lambdapool/lambdapool/codec"
)

// sealedReply is the frame of a reply with one item for each value.
func sealedReply(t testing.TB, opts []codec.FrameOption, values ...any) []byte {
	t.Helper()
	r := fullReply()
	r.Items = nil
	for _, v := range values {
		item := codec.ItemReply{Run: 5}
		if failed, ok := v.(*codec.Error); ok {
			item.Err = failed
		} else {
			data, err := codec.Marshal([]*codec.Type{typeOf(t, reflect.TypeOf(v))}, []reflect.Value{reflect.ValueOf(v)})
			if err != nil {
				t.Fatal(err)
			}
			item.Value = data
		}
		r.Items = append(r.Items, item)
	}
	frame, err := codec.FrameReply(r, opts...)
	if err != nil {
		t.Fatal(err)
	}
	sealed := frame.Seal()
	if sealed.Size() != frame.Size()+codec.SealSize {
		t.Errorf("sealed, %d bytes are %d", frame.Size(), sealed.Size())
	}
	return sealed.Bytes()
}

func TestValueIsStreamed(t *testing.T) {
	large := []byte(strings.Repeat("some line of a log\n", 50_000))
	for name, opts := range map[string][]codec.FrameOption{"plain": nil, "compressed": {codec.Compress()}} {
		data := sealedReply(t, opts, []int{1, 2, 3}, large, "text", []byte{}, &codec.Error{Kind: codec.KindPanic, Message: "no"}, 7)
		for i, want := range map[int]string{1: string(large), 2: "text", 3: ""} {
			v, err := codec.OpenValue(iotest.OneByteReader(bytes.NewReader(data)), int64(len(data)), i)
			if err != nil {
				t.Errorf("%s, item %d: %v", name, i, err)
				continue
			}
			got, err := io.ReadAll(v)
			if err != nil || string(got) != want || v.Size() != int64(len(want)) {
				t.Errorf("%s, item %d: %d bytes, %v", name, i, len(got), err)
			}
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, i := range []int{-1, 4, 5, 6} {
			if _, err := codec.OpenValue(bytes.NewReader(data), int64(len(data)), i); !errors.Is(err, codec.ErrNotStreamable) {
				t.Errorf("%s, item %d: %v", name, i, err)
			}
		}
		// It is a reply like any other, too.
		if reply, err := codec.DecodeReply(data); err != nil || len(reply.Items) != 6 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever happens to the bytes, nobody takes them for what was sent.
func TestDamagedStream(t *testing.T) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 4000)
	for name, opts := range map[string][]codec.FrameOption{"plain": nil, "compressed": {codec.Compress()}} {
		data := sealedReply(t, opts, value)
		read := func(data []byte, size int) error {
			v, err := codec.OpenValue(bytes.NewReader(data), int64(size), 0)
			if err != nil {
				return err
			}
			got, err := io.ReadAll(v)
			if err == nil && !bytes.Equal(got, value) {
				t.Errorf("%s: other bytes, and no error", name)
			}
			return err
		}
		if err := read(data, len(data)); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); at += 1 + at/50 {
			changed := bytes.Clone(data)
			changed[at] ^= 0x40
			var failed *codec.FrameError
			if err := read(changed, len(data)); !errors.As(err, &failed) {
				t.Errorf("%s, byte %d: %v", name, at, err)
			}
		}
		for _, n := range []int{0, 3, 5, len(data) / 2, len(data) - 1} {
			if err := read(data[:n], len(data)); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, %d bytes of %d: %v", name, n, len(data), err)
			}
			if err := read(data[:n], n); err == nil {
				t.Errorf("%s, %d bytes: no error", name, n)
			}
		}
	}
	if _, err := codec.OpenValue(iotest.ErrReader(io.ErrClosedPipe), 1000, 0); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	frame, err := codec.FrameReply(fullReply())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := codec.OpenValue(frame.Reader(), frame.Size(), 0); err == nil || !strings.Contains(err.Error(), "not sealed") {
		t.Errorf("%v", err)
	}
}

// FuzzOpenValue reads whatever an object store may return as a value.
func FuzzOpenValue(f *testing.F) {
	f.Add(sealedReply(f, nil, []byte("abc"), "def"), 1)
	f.Add(sealedReply(f, []codec.FrameOption{codec.Compress()}, bytes.Repeat([]byte("abc"), 1000)), 0)
	f.Add([]byte("\xc1LP\x01\x02\x81\xa2it\xdd\xff\xff\xff\xff\xdf\xff\xff\xff\xff"), 1<<30)
	f.Add([]byte("\xc1LP\x01\x03\x04\x28\xb5\x2f\xfd\x00\x88\x21\x00\x00aaaacccc"), 0)
	f.Fuzz(func(t *testing.T, data []byte, i int) {
		read := func() (err error) {
			v, err := codec.OpenValue(bytes.NewReader(data), int64(len(data)), i)
			if err == nil {
				_, err = io.Copy(io.Discard, v)
			}
			return err
		}
		var err error
		if n := allocated(func() { err = read() }); n > fuzzSlack {
			t.Fatalf("%d bytes made it allocate %d", len(data), n)
		}
		// What is streamed is what decoding finds.
		if reply, whole := codec.DecodeReply(data); err == nil && (whole != nil || i >= len(reply.Items)) {
			t.Fatalf("streamed, but: %v", whole)
		}
	})
}
