package s3test_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
)

const bucketName = "payloads"

// What the tests share: one embedded Lambda, and one S3 that knows its credentials. A
// process can have one versitygw only.
var (
	lambda     *local.Backend
	s3Endpoint string
	accessKey  string
	secretKey  string
	admin      *s3.Client // of the bucket's owner
)

func TestMain(m *testing.M) {
	agent.Main()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	for _, name := range []string{"AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTP_PROXY", "http_proxy"} {
		if err := os.Unsetenv(name); err != nil {
			return 0, err
		}
	}
	dir, err := os.MkdirTemp("", "s3test")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if lambda, err = local.New(local.WithConcurrency(4)); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lambda.Close()) }()
	accessKey, secretKey = lambda.Credentials()
	stop, err := startS3(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return m.Run(), nil
}

// startS3 runs versitygw in this process, over files below dir, with one empty bucket.
func startS3(dir string) (stop func() error, err error) {
	objects, attributes := filepath.Join(dir, "objects"), filepath.Join(dir, "attributes")
	for _, d := range []string{objects, attributes} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	sidecar, err := meta.NewSideCar(attributes) // not every file system has extended attributes
	if err != nil {
		return nil, err
	}
	files, err := posix.New(objects, sidecar, posix.PosixOpts{SideCarDir: attributes, ForceNoTmpFile: true, Concurrency: 64, CopyObjectThreshold: 5 << 30})
	if err != nil {
		return nil, err
	}
	free, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- embedgw.RunVersityGW(ctx, files, &embedgw.Config{
			RootUserAccess: accessKey, RootUserSecret: secretKey, Region: "us-east-1", Ports: []string{address},
			MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 10_000, Quiet: true, KeepAlive: true,
		})
	}()
	stop = func() error {
		cancel()
		return <-ended
	}
	s3Endpoint = "http://" + address
	transport := &http.Transport{DisableKeepAlives: true}
	admin = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &s3Endpoint, UsePathStyle: true, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	for deadline := time.Now().Add(3 * time.Minute); ; {
		_, err = admin.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
		if err == nil {
			return stop, nil
		}
		select {
		case stopped := <-ended:
			return nil, errors.Join(err, stopped)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(err, stop())
		}
	}
}

// keys lists what is in the bucket.
func keys(t *testing.T) []string {
	t.Helper()
	out, err := admin.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, object := range out.Contents {
		keys = append(keys, *object.Key)
	}
	return keys
}
