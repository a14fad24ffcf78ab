package inproc_test

import (
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/inproc"
)

func TestConformance(t *testing.T) {
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
