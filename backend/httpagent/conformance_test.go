package httpagent_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/httpagent"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

// In its own process: the suite looks for goroutines that were left behind.
func TestConformance(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	backendtest.Run(t, conforming(), backendtest.WithoutStore(), backendtest.WithoutNested())
}

// Agents that have no rights read and write in a bucket, by the links of another cloud's client.
func TestConformanceWithStore(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	bucket, err := s3local.Open(s3local.Config{Dir: t.TempDir(), Buckets: []string{"payloads"}, AccessKeyID: "id", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	}()
	function, err := awslambda.New(t.Context(), "none", awslambda.WithRegion("us-east-1"), awslambda.WithStaticCredentials("id", "secret", ""),
		awslambda.WithEndpoint("http://127.0.0.1:1"), awslambda.WithBucket("payloads", awslambda.BucketEndpoint(bucket.Endpoint()), awslambda.PathStyle()))
	if err != nil {
		t.Fatal(err)
	}
	defer function.Close()
	backendtest.Run(t, conforming(httpagent.WithStore(function.Store())), backendtest.WithoutNested())
	if left, err := function.Store().List(t.Context(), "", ""); err != nil || len(left.Objects) > 0 {
		t.Errorf("in the bucket remain %v, %v", left.Objects, err)
	}
}

// conforming opens agents with room for two.
func conforming(opts ...httpagent.Option) func(t *testing.T) lambdapool.Backend {
	return func(t *testing.T) lambdapool.Backend {
		t.Helper()
		p := spawn(t, platform+"=1", "LAMBDAPOOL_ADDRESS="+address(t), "LAMBDAPOOL_TIMEOUT=1m", "LAMBDAPOOL_CPU=2", "LAMBDAPOOL_MEMORY=640", "LAMBDAPOOL_CONCURRENCY=2")
		return open(t, p.url, append(opts, httpagent.WithWorkers(2), httpagent.WithTimeout(time.Minute))...)
	}
}
