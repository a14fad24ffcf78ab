package awslambda

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

	"github.com/lambdapool/lambdapool"
)

const (
	// maxLink is the longest life of a pre-signed URL. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html, 2026-11.
	maxLink = 7 * 24 * time.Hour

	// maxDelete is how many keys DeleteObjects takes. Source:
	// docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html, 2026-11.
	maxDelete = 1000
)

// A bucket is the store on S3. It is safe for concurrent use.
type bucket struct {
	bucketOptions

	client  *s3.Client
	presign *s3.PresignClient
	creds   aws.CredentialsProvider
	close   func()
}

var _ lambdapool.Store = (*bucket)(nil)

// Store returns the bucket that [WithBucket] named, or nil.
func (b *Backend) Store() lambdapool.Store {
	if b.bucket == nil {
		return nil
	}
	return b.bucket
}

// StoreOption returns the option that lifts the limits on payloads.
func (b *Backend) StoreOption() string { return "awslambda.WithBucket" }

// newBucket does no network I/O. cfg is without the endpoint of Lambda.
func newBucket(cfg aws.Config, o options) (*bucket, error) {
	if cfg.Credentials == nil {
		return nil, errors.New("WithBucket: links cannot be signed without credentials")
	}
	b := &bucket{bucketOptions: *o.bucket, creds: cfg.Credentials}
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
		// The quota that the default keeps would fail calls when S3 slows all of them down.
		so.Retryer = retry.NewStandard(func(ro *retry.StandardOptions) { ro.RateLimiter = ratelimit.None })
		if transport, _, err = newTransport(so.HTTPClient, o.workers, o.transport); err == nil {
			so.HTTPClient = asClient{transport}
		}
	})
	if err != nil {
		return nil, err
	}
	b.presign = s3.NewPresignClient(b.client)
	b.close = func() {
		if t, ok := transport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	}
	return b, nil
}

func (b *bucket) key(key string) *string { return aws.String(b.prefix + key) }

func (b *bucket) kms() *string {
	if b.kmsKey == "" {
		return nil
	}
	return &b.kmsKey
}

func (b *bucket) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	ctx = v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:])) // it need not be computed again to be signed
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: b.key(key), Body: body, ContentLength: &size,
		ChecksumSHA256:       aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ServerSideEncryption: b.sse, SSEKMSKeyId: b.kms(),
	})
	return b.failure("PUT", key, err)
}

func (b *bucket) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(key)})
	if err != nil {
		return nil, 0, b.failure("GET", key, err)
	}
	return out.Body, aws.ToInt64(out.ContentLength), nil
}

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

func (b *bucket) LinkGet(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return b.link(ctx, key, life, func(sign func(*s3.PresignOptions)) (string, http.Header, error) {
		r, err := b.presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(key)}, sign)
		if err != nil {
			return "", nil, err
		}
		return r.URL, r.SignedHeader, nil
	})
}

func (b *bucket) LinkPut(ctx context.Context, key string, life time.Duration) (lambdapool.Link, error) {
	return b.link(ctx, key, life, func(sign func(*s3.PresignOptions)) (string, http.Header, error) {
		r, err := b.presign.PresignPutObject(ctx, &s3.PutObjectInput{
			Bucket: &b.name, Key: b.key(key), ServerSideEncryption: b.sse, SSEKMSKeyId: b.kms(),
		}, sign)
		if err != nil {
			return "", nil, err
		}
		return r.URL, r.SignedHeader, nil
	})
}

// link signs a link. It ends at the latest when the credentials do that sign it.
func (b *bucket) link(ctx context.Context, key string, life time.Duration, presign func(func(*s3.PresignOptions)) (string, http.Header, error)) (lambdapool.Link, error) {
	life = max(time.Second, min(life, maxLink)).Round(time.Second)
	link := lambdapool.Link{Expires: time.Now().Add(life), Header: map[string]string{}}
	creds, err := b.creds.Retrieve(ctx)
	if err != nil {
		return link, notSent(lambdapool.ErrAccessDenied, fmt.Errorf("no AWS credentials: %w", err), "")
	}
	if creds.CanExpire && creds.Expires.Before(link.Expires) {
		link.Expires = creds.Expires
	}
	url, header, err := presign(s3.WithPresignExpires(life))
	if err != nil {
		return link, b.failure("sign a link to", key, err)
	}
	link.URL = url
	for name := range header {
		if name != "Host" && name != "Content-Length" { // net/http sets them
			link.Header[name] = header.Get(name)
		}
	}
	return link, nil
}

// failure says what S3's refusal means for another try.
func (b *bucket) failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &lambdapool.InvokeError{Err: fmt.Errorf("%s s3://%s/%s%s: %w", op, b.name, b.prefix, key, err)}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return e
	}
	switch code := api.ErrorCode(); code {
	case "AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "KMS.AccessDeniedException", "AccessDeniedException":
		e.Kind, e.Permanent = lambdapool.ErrAccessDenied, true
		e.Hint = fmt.Sprintf("the client needs s3:PutObject, s3:GetObject and s3:DeleteObject on arn:aws:s3:::%s/%s*", b.name, b.prefix)
		if b.kmsKey != "" {
			e.Hint += ", and kms:GenerateDataKey and kms:Decrypt on the key"
		}
	case "ExpiredToken", "TokenRefreshRequired":
		e.Kind = lambdapool.ErrAccessDenied
		e.Hint = "sign in again"
	case "NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		e.Permanent = true
		e.Hint = "check the bucket's name, and its region with awslambda.BucketRegion"
	}
	return e
}

func (b *bucket) Create(context.Context, string, io.ReadSeeker, int64, [sha256.Size]byte) error {
	return errors.ErrUnsupported
}

func (b *bucket) LinkCreate(context.Context, string, time.Duration) (lambdapool.Link, error) {
	return lambdapool.Link{}, errors.ErrUnsupported
}

func (b *bucket) LinkUnder(context.Context, string, time.Duration) (lambdapool.Link, error) {
	return lambdapool.Link{}, errors.ErrUnsupported
}

func (b *bucket) LinkedUntil(context.Context) (time.Time, error) {
	return time.Time{}, errors.ErrUnsupported
}

func (b *bucket) List(context.Context, string, string) (lambdapool.Listing, error) {
	return lambdapool.Listing{}, errors.ErrUnsupported
}
