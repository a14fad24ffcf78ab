package backendtest

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// slowest is the longest timeout of a backend under test that is waited for. Lambda allows 900
// seconds; nobody would run such a test twice.
const slowest = 10 * time.Second

// testIsolated lets functions do what ends their process. It costs their call only, which must say
// what happened, and the next call finds an agent that works.
//
//   - Exit: ErrAgentCrashed with the exit status. It must not look like a lost connection, which
//     would be worth another attempt.
//   - OutOfMemory: ErrOutOfMemory. "signal: killed" would have people look for a bug where the
//     function needs more memory.
//   - Timeout: a frozen process cannot answer, so the platform must end it at its timeout, with
//     ErrTimeout. A platform that waits for it would bill for ever.
func (s *suite) testIsolated(t *testing.T) {
	b := s.open(t)
	e := executor(t, b)
	frozen := lambdapool.Submit(short(t), e, freeze, struct{}{}) // until its time is up, beside the others
	t.Run("Exit", func(t *testing.T) {
		_, err := lambdapool.Call(short(t), e, exit, 3)
		poolError(t, err, lambdapool.ErrAgentCrashed, "backendtest.Exit", "exit status 3")
		works(t, e)
	})
	t.Run("OutOfMemory", func(t *testing.T) {
		_, err := lambdapool.Call(short(t), e, hoard, struct{}{})
		poolError(t, err, lambdapool.ErrOutOfMemory, "backendtest.Hoard")
		works(t, e)
	})
	t.Run("Timeout", func(t *testing.T) {
		if limit := b.Limits().Timeout; limit <= 0 || limit > slowest {
			t.Fatalf("the backend's timeout is %v: open it with %v at most, this test waits for it", limit, slowest)
		}
		_, err := frozen.Result(short(t))
		poolError(t, err, lambdapool.ErrTimeout, "backendtest.Freeze")
		works(t, e)
	})
}
