package backendtest

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

// slowest is the longest timeout of a backend under test that is waited for.
const slowest = 10 * time.Second

// testIsolated lets functions do what ends their process. It costs their call
// only.
func (s *suite) testIsolated(t *testing.T) {
	b := s.open(t)
	e := executor(t, b)
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
		_, err := lambdapool.Call(short(t), e, freeze, struct{}{})
		poolError(t, err, lambdapool.ErrTimeout, "backendtest.Freeze")
		works(t, e)
	})
}
