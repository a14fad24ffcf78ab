package local_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/apart"
)

// In its own process: the suite looks for goroutines that were left behind.
func TestConformance(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
		return open(t, local.WithConcurrency(2), local.WithMemory(640), local.WithTimeout(8*time.Second))
	}, backendtest.Isolated(), backendtest.WithoutNested()) // this program does not import backend/awslambda/nest, whose tests run that suite
}
