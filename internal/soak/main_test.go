package soak_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/agent"
)

var (
	calls = flag.Int("soak.calls", 5000, "how many calls TestSoak sends")
	seed  = flag.Uint64("soak.seed", 1, "what decides about faults and work")
)

func TestMain(m *testing.M) {
	agent.Main()
	goleak.VerifyTestMain(m)
}
