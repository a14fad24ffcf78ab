package lambdapool_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/lambdapool/lambdapool"
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

// notBegun is the reply of an agent that has begun none of the items.
func notBegun(req *lambdapool.Request) []byte {
	request, err := codec.DecodeRequest(req.Payload)
	if err != nil {
		panic(err)
	}
	reply := &codec.Reply{ID: request.ID, Items: make([]codec.ItemReply, len(request.Items))}
	for i := range reply.Items {
		reply.Items[i].Err = &codec.Error{Kind: codec.KindNotBegun}
	}
	data, err := codec.EncodeReply(reply)
	if err != nil {
		panic(err)
	}
	return data
}

// beginning has invoke run the first n items of a request, and says of the others that they were not begun.
func beginning(ctx context.Context, invoke func(context.Context, *lambdapool.Request) (*lambdapool.Response, error), req *lambdapool.Request, n int) (*lambdapool.Response, error) {
	if n == 0 {
		return &lambdapool.Response{Payload: notBegun(req)}, nil
	}
	request, err := codec.DecodeRequest(req.Payload)
	if err != nil {
		return nil, err
	}
	all := len(request.Items)
	request.Items = request.Items[:min(n, all)]
	payload, err := codec.EncodeRequest(request)
	if err != nil {
		return nil, err
	}
	response, err := invoke(ctx, &lambdapool.Request{Payload: payload, Registry: req.Registry})
	if err != nil {
		return nil, err
	}
	reply, err := codec.DecodeReply(response.Payload)
	if err != nil {
		return nil, err
	}
	for reply.Err == nil && len(reply.Items) < all {
		reply.Items = append(reply.Items, codec.ItemReply{Err: &codec.Error{Kind: codec.KindNotBegun}})
	}
	response.Payload, err = codec.EncodeReply(reply)
	return response, err
}
