package nest_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

// The suite's calls from calls, by the client for AWS on the embedded Lambda, with a bucket on S3 of our own.
func TestConformance(t *testing.T) {
	lambda := backends["local"](t, local.WithConcurrency(4), local.WithTimeout(5*time.Second)).(*local.Backend) // it ends what nobody waits for when its time is up
	id, secret := lambda.Credentials()
	bucket, err := s3local.Open(s3local.Config{Dir: t.TempDir(), Buckets: []string{"payloads"}, AccessKeyID: id, SecretAccessKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := awslambda.New(t.Context(), lambda.FunctionName(), awslambda.WithEndpoint(lambda.Endpoint()), awslambda.WithRegion("us-east-1"),
		awslambda.WithStaticCredentials(id, secret, ""), awslambda.WithWorkers(4), awslambda.WithFunctionTimeout(5*time.Second),
		awslambda.WithBucket("payloads", awslambda.BucketEndpoint(bucket.Endpoint()), awslambda.PathStyle()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // returns nil
	backendtest.RunNested(t, b)
	if left, err := b.Store().List(t.Context(), "", ""); err != nil || len(left.Objects) > 0 {
		t.Errorf("in the bucket remain %d objects, %v", len(left.Objects), err)
	}
}
