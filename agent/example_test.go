package agent_test

import (
	"context"
	"fmt"
	"reflect"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/codec"
)

// Main comes first: started by Lambda it serves and never returns, started by a
// user it returns at once and the client goes on.
func ExampleMain() {
	agent.Main()
	fmt.Println("this is the client")
	// Output: this is the client
}

// backend/local starts agents only from executables that can be agents.
func ExampleCalled() {
	agent.Main()
	fmt.Println(agent.Called())
	// Output: true
}

// A Handler is the agent without a process or network around it.
func ExampleHandler() {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(r, "Add", func(a, b int) int { return a + b })
	h := agent.NewHandler(r)

	ctx := context.Background()
	payload, err := codec.EncodeRequest(&codec.Request{ID: "1", Op: codec.OpDescribe})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := h.Invoke(ctx, payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := codec.DecodeReply(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reply.Functions[0].Name, reply.Functions[0].Shape)

	_, err = h.Invoke(ctx, []byte(`{"a": 1, "b": 2}`))
	fmt.Println(reflect.TypeOf(err))
	// Output:
	// Add func(int, int) int
	// *agent.BadRequestError
}
