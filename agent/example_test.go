package agent_test

import (
	"context"
	"fmt"
	"reflect"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/inproc"
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

// model is what the functions of this program need.
var model []float64

func ExampleOnStart() {
	// In init, or before agent.Main: it is called in each agent, before its first call.
	agent.OnStart(func(context.Context) error {
		model = []float64{0.5, 2}
		return nil
	})

	functions := lambdapool.NewRegistry()
	predict := lambdapool.RegisterIn(functions, "predict", func(_ context.Context, x float64) (float64, error) {
		return model[0] + model[1]*x, nil
	})
	pool, err := lambdapool.New(inproc.New(), lambdapool.WithRegistry(functions))
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	fmt.Println(lambdapool.Call(context.Background(), pool, predict, 10))
	// Output: 20.5 <nil>
}

func ExampleMaxCallsPerAgent() {
	agent.MaxCallsPerAgent(100_000) // in init, or before agent.Main: a library leaks some bytes in each call
	fmt.Println("agents are replaced after 100,000 calls")
	// Output: agents are replaced after 100,000 calls
}
