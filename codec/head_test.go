package codec_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lambdapool/lambdapool/codec"
)

// byMsgpack is what msgpack's Encoder writes.
func byMsgpack(t *testing.T, write func(*msgpack.Encoder) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(msgpack.NewEncoder(&b)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sameBytes(t *testing.T, what string, n any, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s %v: %s, msgpack writes %s", what, n, hex.EncodeToString(got), hex.EncodeToString(want))
	}
}

// around are the numbers at which the form of a number or of a length changes, and those beside them.
func around() (numbers []int64) {
	for bit := range 63 {
		for off := int64(-2); off <= 2; off++ {
			numbers = append(numbers, 1<<bit+off, -1<<bit+off)
		}
	}
	return append(numbers, math.MaxInt64, math.MinInt64)
}

// The envelope's own way of writing is msgpack's, byte for byte.
func TestHeadsAreMsgpacks(t *testing.T) {
	for _, n := range around() {
		sameBytes(t, "int", n, codec.AppendInt(nil, n), byMsgpack(t, func(e *msgpack.Encoder) error { return e.EncodeInt(n) }))
		u := uint64(n)
		sameBytes(t, "uint", u, codec.AppendUint(nil, u), byMsgpack(t, func(e *msgpack.Encoder) error { return e.EncodeUint(u) }))
		if n < 0 || n > 1<<20 {
			continue
		}
		length := int(n)
		sameBytes(t, "map", n, codec.AppendMapLen(nil, length), byMsgpack(t, func(e *msgpack.Encoder) error { return e.EncodeMapLen(length) }))
		sameBytes(t, "array", n, codec.AppendArrayLen(nil, length), byMsgpack(t, func(e *msgpack.Encoder) error { return e.EncodeArrayLen(length) }))
		sameBytes(t, "bytes", n, codec.AppendBinLen(nil, length), byMsgpack(t, func(e *msgpack.Encoder) error { return e.EncodeBytesLen(length) }))
		text := strings.Repeat("x", length)
		sameBytes(t, "string", n, codec.AppendText(nil, text), byMsgpack(t, func(e *msgpack.Encoder) error { return e.EncodeString(text) }))
	}
}
