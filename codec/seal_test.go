package codec_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lambdapool/lambdapool/codec"
)

// Whatever lies between client and agent may change a byte; none may make
// another number of it.
func TestEveryChangedByteIsNoticed(t *testing.T) {
	reply, err := codec.EncodeReply(&codec.Reply{ID: "a", Items: []codec.ItemReply{{Value: []byte{1, 2, 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	request := frameOf(t, encodeRequest(t, &codec.Request{ID: "a", Func: "f", Items: [][]byte{{1, 2, 3}}}))
	for name, test := range map[string]struct {
		frame  []byte
		decode func([]byte) error
	}{
		"request": {request, func(b []byte) error { _, err := codec.DecodeRequest(quote(b)); return err }},
		"reply":   {reply, func(b []byte) error { _, err := codec.DecodeReply(b); return err }},
	} {
		if err := test.decode(test.frame); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		damaged := 0
		for i := range test.frame {
			for flip := 1; flip < 256; flip++ {
				changed := bytes.Clone(test.frame)
				changed[i] ^= byte(flip)
				err := test.decode(changed)
				if err == nil {
					t.Errorf("%s: byte %d changed from %02x to %02x is not noticed", name, i, test.frame[i], changed[i])
				}
				if errors.Is(err, codec.ErrDamaged) {
					damaged++
				}
			}
		}
		// Of the header, other errors may be told; of all behind it, this one.
		if want := 255 * (len(test.frame) - 5); damaged < want {
			t.Errorf("%s: %d of %d changes are called damage", name, damaged, want)
		}
	}
}

func TestASealedFrameIsWhatEncodeReplyMakes(t *testing.T) {
	r := &codec.Reply{ID: "a", Items: []codec.ItemReply{{Value: bytes.Repeat([]byte{7}, 300_000)}}}
	want, err := codec.EncodeReply(r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := codec.FrameReply(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Sealed(); !bytes.Equal(got, want) || int64(len(got)) != f.Size()+codec.SealSize {
		t.Errorf("%d bytes, want %d that are the same", len(got), len(want))
	}
	stored := f.Stored(codec.Link{})
	if _, err := codec.ReadReply(f.Reader(), stored); err != nil {
		t.Errorf("stored: %v", err)
	}
}
