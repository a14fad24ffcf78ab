package awslambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
)

// maxLink is the longest life of a pre-signed URL, and of a form. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html, 2026-11.
const maxLink = 7 * 24 * time.Hour

// Headers that are signed where they are asked for.
const (
	ifNoneMatch = "If-None-Match"
	sseHeader   = "X-Amz-Server-Side-Encryption"
	kmsHeader   = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
)

// LinkGet signs without a request to S3, as all links are: what it costs is the client's CPU, some
// 20 µs.
func (b *bucket) LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return b.link(ctx, http.MethodGet, key, life, http.Header{})
}

func (b *bucket) LinkPut(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return b.link(ctx, http.MethodPut, key, life, b.encryption())
}

// LinkCreate signs the condition too, so that who has the link cannot leave it out.
func (b *bucket) LinkCreate(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	header := b.encryption()
	header.Set(ifNoneMatch, "*")
	return b.link(ctx, http.MethodPut, key, life, header)
}

// encryption is the header that asks for it.
func (b *bucket) encryption() http.Header {
	h := http.Header{}
	if b.sse != "" {
		h.Set(sseHeader, string(b.sse))
	}
	if b.kmsKey != "" {
		h.Set(kmsHeader, b.kmsKey)
	}
	return h
}

// link signs a link. It ends at the latest when the credentials do that sign it.
func (b *bucket) link(ctx context.Context, method, key string, life time.Duration, header http.Header) (driver.Link, error) {
	creds, link, life, err := b.signing(ctx, life)
	if err != nil {
		return link, err
	}
	uri, signed, err := b.signer.sign(ctx, creds, method, b.prefix+key, header, life, b.clock.Now())
	if err != nil {
		return link, b.failure("sign a link to", key, err)
	}
	link.URL, link.Header = uri, map[string]string{}
	for name := range signed {
		if name != "Host" && name != "Content-Length" { // net/http sets them
			link.Header[name] = signed.Get(name)
		}
	}
	return link, nil
}

// signing returns the credentials to sign with, a link that knows when it ends, and how
// long it is to live.
func (b *bucket) signing(ctx context.Context, life time.Duration) (aws.Credentials, driver.Link, time.Duration, error) {
	life = max(time.Second, min(life, maxLink)).Round(time.Second)
	link := driver.Link{Expires: time.Now().Add(life)}
	creds, err := b.creds.Retrieve(ctx)
	if err != nil {
		return creds, link, life, notSent(driver.ErrAccessDenied, fmt.Errorf("no AWS credentials: %w", err), "")
	}
	if ends, ok := b.ends(creds); ok && ends.Before(link.Expires) {
		link.Expires = ends
	}
	return creds, link, life, nil
}

// ends returns when credentials expire, by this machine's clock.
func (b *bucket) ends(creds aws.Credentials) (time.Time, bool) {
	return creds.Expires.Add(-b.clock.Offset()), creds.CanExpire
}

// LinkedUntil is S3's longest life of a link, or the end of the credentials, whichever comes first.
func (b *bucket) LinkedUntil(ctx context.Context) (time.Time, error) {
	_, link, _, err := b.signing(ctx, maxLink)
	return link.Expires, err
}

// LinkUnder returns a POST policy. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html, 2026-11.
func (b *bucket) LinkUnder(ctx context.Context, prefix string, life time.Duration) (driver.Link, error) {
	if b.eachLink || b.signer.unusual {
		return driver.Link{}, fmt.Errorf("a form for s3://%s: %w", b.name, errors.ErrUnsupported)
	}
	_, link, life, err := b.signing(ctx, life)
	if err != nil {
		return link, err
	}
	link.Under = b.prefix + prefix
	link.Form = map[string]string{}
	conditions := []any{
		[]any{"starts-with", "$key", link.Under},
		[]any{"content-length-range", 0, codec.MaxStored},
	}
	for name, values := range b.encryption() {
		name = strings.ToLower(name)
		link.Form[name] = values[0]
		conditions = append(conditions, map[string]string{name: values[0]})
	}
	signed, err := b.signer.sdk.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: &link.Under}, func(o *s3.PresignPostOptions) {
		o.Conditions = conditions
		o.PostPresigner = &dated{o.PostPresigner, b.clock.Now(), life}
	})
	if err != nil {
		return link, b.failure("sign a form for", prefix, err)
	}
	link.URL = signed.URL
	for name, value := range signed.Values {
		if name != "key" { // the sender's choice
			link.Form[name] = value
		}
	}
	return link, nil
}

// dated signs a form as of another time than this machine's.
type dated struct {
	signer s3.PresignPost
	at     time.Time
	life   time.Duration
}

func (d *dated) PresignPost(
	creds aws.Credentials, bucket, key, region, service string, _ time.Time, conditions []any, _ time.Time, opts ...func(*v4.SignerOptions),
) (map[string]string, error) {
	return d.signer.PresignPost(creds, bucket, key, region, service, d.at, conditions, d.at.Add(d.life).UTC(), opts...)
}

// A linkSigner signs links to objects of one bucket. What the SDK works out anew for each
// of them, where the bucket is and how it wants requests signed, is taken from one link of
// the SDK's: that makes a link cost a quarter.
type linkSigner struct {
	sdk     *s3.PresignClient
	bucket  string
	unusual bool // signed by the SDK alone, by this machine's clock: access points, directory buckets

	base            url.URL // of the bucket, with a slash at its end
	region, service string
	signer          *v4.Signer
}

// unsignedPayload stands for the hash of a body that nobody knows yet. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, 2026-11.
const unsignedPayload = "UNSIGNED-PAYLOAD"

// newLinkSigner does no network I/O.
func newLinkSigner(client *s3.Client, bucket string) linkSigner {
	s := linkSigner{sdk: s3.NewPresignClient(client), bucket: bucket, unusual: true}
	if strings.HasPrefix(bucket, "arn:") || strings.HasSuffix(bucket, "--x-s3") || strings.HasSuffix(bucket, "-s3alias") {
		return s
	}
	const key = "k"
	sample, err := s.sdk.PresignGetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(key)}, func(o *s3.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("id", "secret", "")
		})
	})
	if err != nil {
		return s // the SDK will say it again, to whoever wants a link
	}
	u, err := url.Parse(sample.URL)
	if err != nil {
		return s
	}
	// ID/DATE/REGION/SERVICE/aws4_request
	scope := strings.Split(u.Query().Get("X-Amz-Credential"), "/")
	path, ok := strings.CutSuffix(u.Path, "/"+key)
	if !ok || len(scope) != 5 || u.Query().Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" {
		return s
	}
	s.unusual = false
	s.base, s.region, s.service = url.URL{Scheme: u.Scheme, Host: u.Host, Path: path + "/"}, scope[2], scope[3]
	s.signer = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return s
}

// sign returns the URL and the headers that have to be sent.
func (s *linkSigner) sign(ctx context.Context, creds aws.Credentials, method, key string, header http.Header, life time.Duration, at time.Time) (string, http.Header, error) {
	if s.unusual {
		return s.signBySDK(ctx, method, key, header, life)
	}
	u := s.base
	u.Path += key
	u.RawPath = httpbinding.EscapePath(u.Path, false) // as S3 does when it checks
	u.RawQuery = "X-Amz-Expires=" + strconv.FormatInt(int64(life/time.Second), 10)
	r := &http.Request{Method: method, URL: &u, Host: u.Host, Header: header}
	return s.signer.PresignHTTP(ctx, creds, r, unsignedPayload, s.service, s.region, at)
}

func (s *linkSigner) signBySDK(ctx context.Context, method, key string, header http.Header, life time.Duration) (string, http.Header, error) {
	if method == http.MethodGet {
		r, err := s.sdk.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}, s3.WithPresignExpires(life))
		if err != nil {
			return "", nil, err
		}
		return r.URL, r.SignedHeader, nil
	}
	optional := func(name string) *string {
		if header.Get(name) == "" {
			return nil
		}
		return aws.String(header.Get(name))
	}
	r, err := s.sdk.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, IfNoneMatch: optional(ifNoneMatch),
		ServerSideEncryption: types.ServerSideEncryption(header.Get(sseHeader)), SSEKMSKeyId: optional(kmsHeader),
	}, s3.WithPresignExpires(life))
	if err != nil {
		return "", nil, err
	}
	return r.URL, r.SignedHeader, nil
}
