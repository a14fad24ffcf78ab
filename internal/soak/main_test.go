package soak_test

import (
	"flag"
	"os"
	"testing"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

var (
	calls = flag.Int("soak.calls", 5000, "how many calls TestSoak sends")
	items = flag.Int("soak.items", 300, "how many items each run has that outlives its client; from 2000 on the tests are long ones")
	seed  = flag.Uint64("soak.seed", 1, "what decides about faults, work and kills")
)

func TestMain(m *testing.M) {
	agent.Main()
	if code, played := play(); played {
		os.Exit(code)
	}
	apart.Waiting(4)
	noleak.Main(m)
}
