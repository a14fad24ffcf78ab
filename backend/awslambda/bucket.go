package awslambda

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/storeclock"
)

// maxDelete is how many keys DeleteObjects takes. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html, 2026-11.
const maxDelete = 1000

// A bucket is the store on S3. It is safe for concurrent use.
type bucket struct {
	bucketOptions

	client *s3.Client
	creds  aws.CredentialsProvider
	retry  aws.Retryer
	clock  storeclock.Clock
	signer linkSigner
	close  func()
}

var _ driver.Store = (*bucket)(nil)

// Store returns the bucket that [WithBucket] named, or nil. The executor asks for it, so
// programs rarely do. It is safe for concurrent use. It does not block.
func (b *Backend) Store() driver.Store {
	if b.bucket == nil {
		return nil
	}
	return b.bucket
}

// StoreOption returns the option that lifts the limits on payloads, for the hint of an error
// that says that one is too large.
func (b *Backend) StoreOption() string { return "awslambda.WithBucket" }

// newBucket does no network I/O. cfg is without the endpoint of Lambda.
func newBucket(cfg aws.Config, o options) (*bucket, error) {
	if cfg.Credentials == nil {
		return nil, errors.New("WithBucket: links cannot be signed without credentials")
	}
	b := &bucket{bucketOptions: *o.bucket, creds: cfg.Credentials}
	// The quota that the default keeps would fail calls when S3 slows all of them down.
	b.retry = retry.NewStandard(func(ro *retry.StandardOptions) { ro.RateLimiter = ratelimit.None })
	var transport http.RoundTripper
	var err error
	b.client = s3.NewFromConfig(cfg, func(so *s3.Options) {
		if b.region != "" {
			so.Region = b.region
		}
		if b.endpoint != "" {
			so.BaseEndpoint = &b.endpoint
		}
		so.UsePathStyle = so.UsePathStyle || b.pathStyle
		// Put brings its own checksum, and a link must not fix that of an empty body.
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		so.Retryer = b.retry
		if transport, _, err = newTransport(so.HTTPClient, o.workers, o.transport); err == nil {
			so.HTTPClient = asClient{&storeclock.Transport{RoundTripper: transport, Clock: &b.clock}}
		}
	})
	if err != nil {
		return nil, err
	}
	b.signer = newLinkSigner(b.client, b.name)
	b.close = func() {
		if t, ok := transport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	}
	return b, nil
}

// key is where the object is in the bucket.
func (b *bucket) key(key string) *string { return aws.String(b.prefix + key) }

// kms is the key to encrypt with, or nil for the bucket's own choice.
func (b *bucket) kms() *string {
	if b.kmsKey == "" {
		return nil
	}
	return &b.kmsKey
}

// Put is one PutObject, which carries 5 GB at most: far more than codec.MaxStored. The SDK retries
// it.
func (b *bucket) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	ctx = v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:])) // it need not be computed again to be signed
	_, err := b.client.PutObject(ctx, b.object(key, body, size, sum))
	return b.failure("PUT", key, err)
}

// object is what is put.
func (b *bucket) object(key string, body io.Reader, size int64, sum [sha256.Size]byte) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket: &b.name, Key: b.key(key), Body: body, ContentLength: &size,
		ChecksumSHA256:       aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ServerSideEncryption: b.sse, SSEKMSKeyId: b.kms(),
	}
}

// Create is Put with If-None-Match, which S3 heeds since 2024-08: it answers 412 where an object
// is, and 409 while somebody else is about to create it. The latter is asked again. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, 2026-11.
func (b *bucket) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	ctx = v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:]))
	in := b.object(key, body, size, sum)
	in.IfNoneMatch = aws.String("*")
	// Each try is its own: after one whose answer was lost the object may be there because
	// of it, which is no failure.
	once := func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }
	unsure := false
	for try := 1; ; try++ {
		_, err := b.client.PutObject(ctx, in, once)
		status, code := refusalOf(err)
		switch {
		case err == nil, status == http.StatusPreconditionFailed && unsure && b.holds(ctx, key, size, sum):
			return nil
		case status == http.StatusPreconditionFailed:
			return b.failure("PUT", key, fmt.Errorf("%w: %w", fs.ErrExist, err))
		case try == b.retry.MaxAttempts(), ctx.Err() != nil, !b.retry.IsErrorRetryable(err) && code != "ConditionalRequestConflict":
			return b.failure("PUT", key, err)
		}
		unsure = unsure || status == 0 || status >= http.StatusInternalServerError
		pause, err := b.retry.RetryDelay(try, err)
		if err == nil {
			err = sleep(ctx, pause)
		}
		if err == nil {
			_, err = body.Seek(0, io.SeekStart)
		}
		if err != nil {
			return b.failure("PUT", key, err)
		}
	}
}

// refusalOf returns what S3 answered, or 0.
func refusalOf(err error) (status int, code string) {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	return status, code
}

// holds says whether the object at key is the one of these bytes.
func (b *bucket) holds(ctx context.Context, key string, size int64, sum [sha256.Size]byte) bool {
	body, n, err := b.Open(ctx, key)
	if err != nil {
		return false
	}
	defer body.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, body)
	return err == nil && n == size && [sha256.Size]byte(hash.Sum(nil)) == sum
}

// sleep returns early, with ctx's error, when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open is one GetObject. What is read after it has failed is not asked for again: whoever reads
// compares the sum, and begins anew.
func (b *bucket) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(key)})
	if _, code := refusalOf(err); code == "NoSuchKey" {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, 0, b.failure("GET", key, err)
	}
	return out.Body, aws.ToInt64(out.ContentLength), nil
}

// Delete removes up to a thousand objects by one request. S3 does not mind those that are not
// there.
func (b *bucket) Delete(ctx context.Context, keys ...string) error {
	var errs []error
	for some := range slices.Chunk(keys, maxDelete) {
		errs = append(errs, b.delete(ctx, some))
	}
	return errors.Join(errs...)
}

func (b *bucket) delete(ctx context.Context, keys []string) error {
	if len(keys) == 1 {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(keys[0])})
		return b.failure("DELETE", keys[0], err)
	}
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i].Key = b.key(key)
	}
	out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &b.name, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return b.failure("DELETE", keys[0]+" and others", err)
	}
	if len(out.Errors) > 0 {
		first := out.Errors[0]
		return fmt.Errorf("DELETE s3://%s: %d of %d objects remain, %s: %s", b.name, len(out.Errors), len(keys), aws.ToString(first.Key), aws.ToString(first.Code))
	}
	return nil
}

func (b *bucket) Threshold() int { return b.threshold }

// failure says what S3's refusal means for another try.
func (b *bucket) failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &driver.InvokeError{Err: fmt.Errorf("%s s3://%s/%s%s: %w", op, b.name, b.prefix, key, err)}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return e
	}
	switch code := api.ErrorCode(); code {
	case "AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "KMS.AccessDeniedException", "AccessDeniedException":
		e.Kind, e.Permanent = driver.ErrAccessDenied, true
		e.Hint = fmt.Sprintf("the client needs s3:PutObject, s3:GetObject and s3:DeleteObject on arn:aws:s3:::%s/%s*, and s3:ListBucket on the bucket", b.name, b.prefix)
		if b.readOnly {
			e.Hint = fmt.Sprintf("the client needs s3:ListBucket on arn:aws:s3:::%s, and s3:GetObject on arn:aws:s3:::%s/*", b.name, b.name)
		}
		if b.kmsKey != "" {
			e.Hint += ", and kms:GenerateDataKey and kms:Decrypt on the key"
		}
	case "ExpiredToken", "TokenRefreshRequired":
		e.Kind = driver.ErrAccessDenied
		e.Hint = "sign in again"
	case "NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		e.Permanent = true
		e.Hint = "check the bucket's name, and its region with awslambda.BucketRegion"
	}
	return e
}
