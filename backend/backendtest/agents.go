package backendtest

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

// What belongs to an agent's process: its start, and its end.

// process names this process, and starts counts how often OnStart's function was called in it.
var (
	process = rand.Text()
	starts  atomic.Int64
)

func init() {
	agent.OnStart(func(context.Context) error {
		starts.Add(1)
		return nil
	})
}

// A standing is what an agent says of its process.
type standing struct {
	Process string
	Starts  int64
}

var (
	stand = lambdapool.Register("backendtest.Stand", standingOf)
	leave = lambdapool.Register("backendtest.Leave", leaving)
)

func standingOf(context.Context, struct{}) (standing, error) {
	return standing{process, starts.Load()}, nil
}

// leaving has this process end once it has answered. Where it is the client's, it goes on.
func leaving(ctx context.Context, client string) (standing, error) {
	if client != process {
		agent.MaxCallsPerAgent(1)
	}
	return standingOf(ctx, struct{}{})
}

// testOnStart checks that what a program does at an agent's start is done before its first call: once in each process.
// One process may be several backends' agent, so there it is once or more.
func testOnStart(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	for range 5 {
		s, err := lambdapool.Call(short(t), e, stand, struct{}{})
		if err != nil || s.Starts < 1 || s.Process != process && s.Starts > 1 {
			t.Errorf("%+v, %v: want one start of the process", s, err)
		}
	}
}

// testMaxCallsPerAgent checks that a process which has begun as many calls as it is to ends after its answer: no call is
// lost, and each finds another process.
func testMaxCallsPerAgent(t *testing.T, b lambdapool.Backend) {
	e := executor(t, b)
	seen := map[string]bool{}
	for i := range 8 {
		s, err := lambdapool.Call(short(t), e, leave, process)
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if seen[s.Process] {
			t.Errorf("call %d found a process that was to end after one before", i)
		}
		seen[s.Process] = true
	}
	if n := e.Stats().Retries; n != 0 {
		t.Logf("%d calls were sent again, which had not run", n)
	}
	works(t, e)
}
