package agent_test

import (
	"os"
	"reflect"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

// The test binary is the agent of its own process tests.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_DIES_AT_START") != "" && os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		os.Exit(3)
	}
	agent.Main()
	noleak.Main(m)
}

// request makes the wire form of a call of r's function with one item per argument.
func request(t testing.TB, r *lambdapool.Registry, name string, args ...any) *codec.Request {
	t.Helper()
	f, ok := r.Lookup(name)
	if !ok {
		t.Fatalf("%s is not registered", name)
	}
	req := &codec.Request{ID: "call-1", Func: name, Shape: f.Fingerprint()}
	for _, arg := range args {
		typ, err := codec.TypeOf(reflect.TypeOf(arg))
		if err != nil {
			t.Fatal(err)
		}
		data, err := codec.Marshal([]*codec.Type{typ}, []reflect.Value{reflect.ValueOf(arg)})
		if err != nil {
			t.Fatal(err)
		}
		req.Items = append(req.Items, data)
	}
	return req
}

func encode(t testing.TB, req *codec.Request) []byte {
	t.Helper()
	payload, err := codec.EncodeRequest(req)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func decodeReply(t testing.TB, data []byte) *codec.Reply {
	t.Helper()
	reply, err := codec.DecodeReply(data)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// invoke carries a request to h and back.
func invoke(t testing.TB, h *agent.Handler, req *codec.Request) *codec.Reply {
	t.Helper()
	data, err := h.Invoke(t.Context(), encode(t, req))
	if err != nil {
		t.Fatal(err)
	}
	return decodeReply(t, data)
}

// result decodes an item's value.
func result[T any](t testing.TB, item codec.ItemReply) T {
	t.Helper()
	if item.Err != nil {
		t.Fatalf("item failed: %+v", item.Err)
	}
	var v T
	typ, err := codec.TypeOf(reflect.TypeFor[T]())
	if err == nil {
		err = codec.Unmarshal(item.Value, []*codec.Type{typ}, []reflect.Value{reflect.ValueOf(&v).Elem()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// only returns the reply's one item.
func only(t testing.TB, reply *codec.Reply) codec.ItemReply {
	t.Helper()
	if reply.Err != nil || len(reply.Items) != 1 {
		t.Fatalf("reply has %d items and error %+v, want one item", len(reply.Items), reply.Err)
	}
	return reply.Items[0]
}
