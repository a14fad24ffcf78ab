package s3test_test

import (
	"testing"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
)

// Detached runs leave every trace by links that versitygw checks.
func TestDetachedRuns(t *testing.T) {
	for name, opts := range map[string][]awslambda.BucketOption{
		"plain": nil, "encrypted, other prefix": {awslambda.SSES3(), awslambda.Prefix("team/a")},
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.RunDetached(t, dotlessBackend{open(t, secretKey, opts...)})
			if left := keys(t); len(left) > 0 {
				t.Errorf("remain %v", left)
			}
		})
	}
}
