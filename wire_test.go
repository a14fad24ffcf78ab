package lambdapool_test

import (
	"reflect"
	"testing"

	"github.com/lambdapool/lambdapool/codec"
)

// intsIn returns the items of a request to a function of one int.
func intsIn(t *testing.T, payload []byte) []int {
	t.Helper()
	req, err := codec.DecodeRequest(payload)
	if err != nil {
		t.Error(err)
		return nil
	}
	typ, err := codec.TypeOf(reflect.TypeFor[int]())
	if err != nil {
		t.Error(err)
		return nil
	}
	var ints []int
	for _, item := range req.Items {
		var n int
		if req.Func == "test.sleep" {
			continue
		}
		if err := codec.Unmarshal(item, []*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&n).Elem()}); err != nil {
			t.Error(err)
		}
		ints = append(ints, n)
	}
	return ints
}
