package mapreduce

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// maxKey bounds the encoding of a key, in bytes: a reducer has one of each piece in memory.
const maxKey = 64 << 10

// A keyCodec encodes keys so that their encodings are ordered as the keys are: pieces are merged without decoding.
type keyCodec[K cmp.Ordered] struct {
	append func(to []byte, k K) []byte
	decode func(from []byte) (K, error)
}

// signBit turns the order of signed numbers into that of unsigned ones.
const signBit = 1 << 63

// keysOf returns the codec for K, whose kind cmp.Ordered has settled.
func keysOf[K cmp.Ordered]() keyCodec[K] {
	number := func(encode func(v reflect.Value) uint64, set func(v reflect.Value, n uint64)) keyCodec[K] {
		return keyCodec[K]{
			append: func(to []byte, k K) []byte { return binary.BigEndian.AppendUint64(to, encode(reflect.ValueOf(k))) },
			decode: func(from []byte) (k K, err error) {
				if len(from) != 8 {
					return k, fmt.Errorf("a key of %d bytes is no %T", len(from), k)
				}
				set(reflect.ValueOf(&k).Elem(), binary.BigEndian.Uint64(from))
				return k, nil
			},
		}
	}
	switch t := reflect.TypeFor[K](); t.Kind() {
	case reflect.String:
		return keyCodec[K]{
			append: func(to []byte, k K) []byte {
				if s, ok := any(k).(string); ok {
					return append(to, s...)
				}
				return append(to, reflect.ValueOf(k).String()...)
			},
			decode: func(from []byte) (k K, err error) {
				reflect.ValueOf(&k).Elem().SetString(string(from))
				return k, nil
			},
		}
	case reflect.Float32, reflect.Float64:
		return number(
			func(v reflect.Value) uint64 { return orderedFloat(v.Float()) },
			func(v reflect.Value, n uint64) { v.SetFloat(unorderedFloat(n)) })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return number(
			func(v reflect.Value) uint64 { return uint64(v.Int()) ^ signBit },
			func(v reflect.Value, n uint64) { v.SetInt(int64(n ^ signBit)) })
	default: // the unsigned ones: cmp.Ordered has no others
		return number(reflect.Value.Uint, reflect.Value.SetUint)
	}
}

// orderedFloat returns bits that are ordered as floats are. Both zeros are one key.
func orderedFloat(f float64) uint64 {
	if f == 0 {
		f = 0
	}
	bits := math.Float64bits(f)
	if bits&signBit == 0 {
		return bits | signBit
	}
	return ^bits
}

func unorderedFloat(n uint64) float64 {
	if n&signBit != 0 {
		return math.Float64frombits(n &^ signBit)
	}
	return math.Float64frombits(^n)
}

// partition is where a key belongs: the same in every process. FNV-1a alone leaves the high bits of
// short keys alike, so they are mixed once more, as MurmurHash3 ends.
func partition(key []byte, partitions int) int {
	h := uint64(14695981039346656037)
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return int(h % uint64(partitions))
}
