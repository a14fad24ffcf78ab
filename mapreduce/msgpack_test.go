package mapreduce_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lambdapool/lambdapool/mapreduce"
)

// Plain msgpack of arrays of two is what is read, however the bytes come.
func TestReadMsgpack(t *testing.T) {
	var data bytes.Buffer
	e := msgpack.NewEncoder(&data)
	for i := range 300 {
		if err := e.Encode([]any{fmt.Sprint(i), strings.Repeat("x", i*i)}); err != nil {
			t.Fatal(err)
		}
	}
	whole := data.Bytes()
	n := 0
	for kv, err := range mapreduce.ReadMsgpack[string, string](iotest.HalfReader(bytes.NewReader(whole))) {
		if err != nil || kv.Key != fmt.Sprint(n) || len(kv.Value) != n*n {
			t.Fatalf("result %d: %s, %d bytes, %v", n, kv.Key, len(kv.Value), err)
		}
		n++
	}
	if n != 300 {
		t.Errorf("%d results, want 300", n)
	}
	for name, damaged := range map[string][]byte{"cut": whole[:len(whole)-1], "no array": []byte("x"), "other types": {0x92, 1, 2}, "no msgpack": {0x92, 0xc1}} {
		var last error
		for _, last = range mapreduce.ReadMsgpack[string, string](bytes.NewReader(damaged)) {
		}
		if last == nil || !strings.Contains(last.Error(), "read result ") {
			t.Errorf("%s: %v, want an error", name, last)
		}
	}
}

func ExampleReadMsgpack() {
	object := []byte("\x92\xa1a\x03\x92\xa1b\x01") // as mapreduce.As(mapreduce.Msgpack) has them written
	for kv, err := range mapreduce.ReadMsgpack[string, int](bytes.NewReader(object)) {
		fmt.Println(kv.Key, kv.Value, err)
	}
	// Output:
	// a 3 <nil>
	// b 1 <nil>
}
