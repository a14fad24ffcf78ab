package codec_test

import (
	"bytes"
	"encoding/hex"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambdapool/lambdapool/codec"
)

// Fields that are written and read where they lie are so in no other way than by reflection: the
// same bytes, the same values, and the same errors for bytes that are damaged.
func TestAccessIsAsByReflection(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	for _, zero := range []any{new(codec.Request), new(codec.Reply)} {
		inPlace, reflected := codec.EnvelopeOf(zero, false), codec.EnvelopeOf(zero, true)
		for range 500 {
			v := reflect.New(reflect.TypeOf(zero).Elem())
			fillAtRandom(v.Elem(), random, 0)
			data, err := inPlace.Encode(v.Interface())
			want, wantErr := reflected.Encode(v.Interface())
			if err != nil || wantErr != nil || !bytes.Equal(data, want) {
				t.Fatalf("%s, %v, by reflection %s, %v", hex.EncodeToString(data), err, hex.EncodeToString(want), wantErr)
			}
			compareDecoded(t, inPlace, reflected, zero, data)
			for range 5 {
				damaged := bytes.Clone(data)
				damaged[random.Intn(len(damaged))] = byte(random.Intn(256))
				compareDecoded(t, inPlace, reflected, zero, damaged)
			}
		}
	}
}

func compareDecoded(t *testing.T, inPlace, reflected codec.Envelope, zero any, data []byte) {
	t.Helper()
	got, want := reflect.New(reflect.TypeOf(zero).Elem()).Interface(), reflect.New(reflect.TypeOf(zero).Elem()).Interface()
	err, wantErr := inPlace.Decode(data, got), reflected.Decode(data, want)
	if text(err) != text(wantErr) {
		t.Fatalf("%q, by reflection %q, of %s", text(err), text(wantErr), hex.EncodeToString(data))
	}
	if err == nil {
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("by reflection -, in place +, of %s:\n%s", hex.EncodeToString(data), diff)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// fillAtRandom sets some of what v is made of.
func fillAtRandom(v reflect.Value, random *rand.Rand, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		share := random.Intn(4) // most messages have few of their fields
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("msgpack") != "-" && random.Intn(4) < share {
				fillAtRandom(v.Field(i), random, depth+1)
			}
		}
	case reflect.Pointer:
		if depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			fillAtRandom(v.Elem(), random, depth+1)
		}
	case reflect.Slice:
		n := random.Intn(20)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillAtRandom(v.Index(i), random, depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillAtRandom(v.Index(i), random, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"a": "b"}))
	case reflect.String:
		v.SetString(strings.Repeat("x", random.Intn(300)))
	case reflect.Bool:
		v.SetBool(random.Intn(2) == 0)
	case reflect.Float64:
		v.SetFloat(random.NormFloat64())
	default:
		if n := random.Int63() >> random.Intn(64); v.CanInt() {
			v.SetInt(n * int64(1-2*random.Intn(2)))
		} else {
			v.SetUint(uint64(n))
		}
	}
}
