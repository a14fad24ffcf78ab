package inproc_test

import (
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/apart"
)

// In its own process: the suite looks for goroutines that were left behind.
func TestConformance(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	backendtest.Run(t, func(t *testing.T) lambdapool.Backend {
		t.Helper()
		b := inproc.New(inproc.WithConcurrency(2))
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return b
	})
}
