package s3test_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

var mirror = lambdapool.Register("s3test.mirror", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

// A call with a large argument and result, from the production backend to an agent
// process and back, and nothing is left of it.
func TestCall(t *testing.T) {
	arg := make([]byte, 20_000_000)
	for i := range arg {
		arg[i] = byte(i>>13 ^ i*i)
	}
	for name, opts := range map[string][]awslambda.BucketOption{
		"plain": nil, "encrypted, other prefix": {awslambda.SSES3(), awslambda.Prefix("team/a")}, "a link for each": {awslambda.SignEachLink()},
	} {
		e, err := lambdapool.New(open(t, secretKey, opts...), lambdapool.WithCompression(false))
		if err != nil {
			t.Fatal(err)
		}
		got, err := lambdapool.Call(t.Context(), e, mirror, arg)
		if err != nil || !bytes.Equal(got, arg) {
			t.Errorf("%s: %d bytes come back, %v", name, len(got), err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if left := keys(t); len(left) > 0 {
			t.Errorf("%s: remain %v", name, left)
		}
	}
}

// A bucket that is not there is told at once, and nothing runs.
func TestCallWithoutBucket(t *testing.T) {
	b, err := awslambda.New(t.Context(), lambda.FunctionName(), awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint(lambda.Endpoint()),
		awslambda.WithStaticCredentials(accessKey, secretKey, ""),
		awslambda.WithBucket("missing", awslambda.BucketEndpoint(s3Endpoint), awslambda.PathStyle()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b, lambdapool.WithCompression(false))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = lambdapool.Call(t.Context(), e, mirror, make([]byte, 10_000_000))
	var pool *lambdapool.PoolError
	if !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeNotRun || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("%v", err)
	}
	_, err = admin.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("missing")})
	if err == nil {
		t.Error("the bucket was made")
	}
}
