package mapreduce

import (
	"bytes"
	"cmp"
	"math"
	"testing"
)

type celsius float32

// Encodings are ordered as keys are, and decode to them.
func TestKeysAreOrdered(t *testing.T) {
	ordered(t, "", "\x00", "a", "a\x00", "aa", "b", "ä")
	ordered(t, math.MinInt64, -256, -1, 0, 1, 255, 256, math.MaxInt64)
	ordered[int8](t, -128, -1, 0, 1, 127)
	ordered[uint16](t, 0, 1, 255, 256, 65535)
	ordered(t, uint64(0), 1<<63-1, 1<<63, math.MaxUint64)
	ordered(t, math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, math.Inf(1))
	ordered[celsius](t, -273.15, 0, 36.6)
	floats := keysOf[float64]()
	if !bytes.Equal(floats.append(nil, math.Copysign(0, -1)), floats.append(nil, 0)) {
		t.Error("there are two zeros")
	}
	if _, err := floats.decode([]byte{1}); err == nil {
		t.Error("one byte is a float64")
	}
}

func ordered[K cmp.Ordered](t *testing.T, keys ...K) {
	t.Helper()
	c := keysOf[K]()
	var last []byte
	for i, k := range keys {
		data := c.append(nil, k)
		if i > 0 && bytes.Compare(last, data) >= 0 {
			t.Errorf("%v is not after %v", k, keys[i-1])
		}
		if got, err := c.decode(data); got != k || err != nil {
			t.Errorf("%v came back as %v, %v", k, got, err)
		}
		last = data
	}
}

// Keys that count up are spread evenly.
func TestPartitionsAreEven(t *testing.T) {
	numbers, sizes := keysOf[int](), make([]int, 16)
	for i := range 16_000 {
		sizes[partition(numbers.append(nil, i), len(sizes))]++
	}
	for p, n := range sizes {
		if n < 800 || n > 1200 {
			t.Errorf("partition %d has %d of 16,000 keys", p, n)
		}
	}
}
