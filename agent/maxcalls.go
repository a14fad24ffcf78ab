package agent

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambdapool/lambdapool/internal/registry"
)

// maxCalls is what MaxCallsPerAgent was given; 0: nothing.
var maxCalls atomic.Int64

// MaxCallsPerAgent has an agent's process end once it has begun n calls, and another one take its place: for functions
// that leak memory, files or goroutines, or whose libraries do. It ends between two invocations, after the answer, so
// no call is lost; an invocation that carries more calls than are left is still run as a whole. Call it when the
// program starts, from init or before [Main]. The last number given counts. It is safe for concurrent use, and panics
// unless n is at least 1.
//
// On Linux the process that watches it starts the next one at once (see Isolation in the package documentation). Where
// none does, the process begins anew by itself, but for Windows, where it has no effect. Behind HTTP the agent refuses further requests, answers those it has,
// and exits with status 0: the platform, or whoever runs the container, must start it again. It has no effect on
// backend/inproc, where the process is the client's, and on Lambda Managed Instances, where others are in flight.
//
// A start costs time: choose n so large that it does not matter.
func MaxCallsPerAgent(n int) {
	if n < 1 {
		panic(fmt.Sprintf("lambdapool: MaxCallsPerAgent(%d) at %v: must be at least 1", n, registry.Caller(2)))
	}
	maxCalls.Store(int64(n))
}

// spent reports whether the process has begun as many calls as it is to.
func (h *Handler) spent() bool {
	most := maxCalls.Load()
	return most > 0 && h.calls.Load() >= most
}

// A lone handler answers Lambda without a process that watches it: when it is spent, its process begins anew.
type lone struct {
	h   *Handler
	api runtimeClient
}

// Invoke answers an invocation as the handler does, and begins anew if that is spent.
func (l *lone) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	reply, err := l.h.Invoke(ctx, payload)
	if platform, ok := lambdacontext.FromContext(ctx); err == nil && ok && canBeginAnew && l.h.spent() && lambdacontext.MaxConcurrency() == 1 {
		(&server{api: l.api}).post(platform.AwsRequestID, "response", "application/octet-stream", reply)
		beginAnew()
	}
	return reply, err
}
