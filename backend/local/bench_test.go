package local_test

import (
	"io"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

// One small invocation after another on a warm agent: what everything around a
// function costs here.
func BenchmarkInvoke(b *testing.B) {
	backend := must(local.New(as("handler"), local.WithLogOutput(io.Discard), local.WithConcurrency(1)))
	defer backend.Close()
	req := &lambdapool.Request{Payload: []byte(`"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`)}
	for b.Loop() {
		if _, err := backend.Invoke(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// From the request until the answer of an agent that had to be started.
func BenchmarkColdStart(b *testing.B) {
	req := &lambdapool.Request{Payload: []byte(`{"do":"exit"}`)} // the next one is cold again
	backend := must(local.New(as("handler"), local.WithLogOutput(io.Discard), local.WithConcurrency(1)))
	defer backend.Close()
	for b.Loop() {
		if _, err := backend.Invoke(b.Context(), req); err == nil {
			b.Fatal("the agent has survived")
		}
	}
}
