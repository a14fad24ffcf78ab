package agent_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

// BenchmarkInvoke is what an invocation costs the agent beside the function:
// with a deadline, as aws-lambda-go sets one.
func BenchmarkInvoke(b *testing.B) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterIn(r, "next", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	for name, items := range map[string]int{"one": 1, "hundred": 100} {
		b.Run(name, func(b *testing.B) {
			req := request(b, r, "next", slices.Repeat([]any{41}, items)...)
			req.Remaining = time.Minute
			payload := encode(b, req)
			h := agent.NewHandler(r)
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
				if _, err := h.Invoke(ctx, payload); err != nil {
					b.Fatal(err)
				}
				cancel()
			}
		})
	}
}
