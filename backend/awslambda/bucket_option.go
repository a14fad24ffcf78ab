package awslambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lambdapool/lambdapool/internal/once"
)

// defaultPrefix is where objects are unless Prefix says otherwise.
const defaultPrefix = "lambdapool/"

// A BucketOption configures [WithBucket]. A bad one is an error from [New].
type BucketOption func(*bucketOptions) error

type bucketOptions struct {
	name      string
	prefix    string
	threshold int
	region    string
	endpoint  string
	pathStyle bool
	eachLink  bool
	readOnly  bool // of OpenInputs
	sse       types.ServerSideEncryption
	kmsKey    string
}

// bucketName is the pattern of names, access point aliases included; ARNs of access
// points are taken as they are. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, 2026-11.
var bucketName = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:aws[a-z-]*:s3[a-z-]*:.+)$`)

// WithBucket carries arguments and results that are too large for an invocation through this S3
// bucket. Without it a call whose arguments or result exceed some 6 MB fails with
// lambdapool.ErrTooLarge. Detached runs need it, too. It need not be used for small payloads:
// an invocation is faster.
//
// The client puts, gets and deletes objects with its own credentials (s3:PutObject,
// s3:GetObject and s3:DeleteObject below the prefix, and s3:ListBucket for detached runs).
// Agents get pre-signed links and need no rights. The bucket must exist. It is not contacted
// before the first large payload. Links end with the credentials that sign them, so temporary
// credentials should last longer than a call.
//
// What belongs to a call is below "calls/" and deleted when the call has ended, at the latest
// when the executor is closed. Detached runs stay. [LifecycleRule] removes what a crash leaves,
// and runs that have become old: without one they cost money for ever.
func WithBucket(name string, opts ...BucketOption) Option {
	return func(o *options) error {
		b := bucketOptions{name: name, prefix: defaultPrefix}
		if !bucketName.MatchString(name) {
			return fmt.Errorf("WithBucket: %q is not the name of a bucket", name)
		}
		for i, opt := range opts {
			if opt == nil {
				return fmt.Errorf("WithBucket: option %d is nil", i)
			}
			if err := opt(&b); err != nil {
				return fmt.Errorf("WithBucket: %w", err)
			}
		}
		o.bucket = &b
		return nil
	}
}

// Prefix sets what all keys begin with, such as "team-a/lambdapool". The default is
// "lambdapool". A slash follows it. Use it where several teams share a bucket, and rights end
// at the prefix. Who follows a detached run must use the prefix that it was begun with. It has
// at most 512 bytes, and does not begin with a slash.
func Prefix(prefix string) BucketOption {
	return func(b *bucketOptions) error {
		trimmed, err := checkPrefix(prefix)
		b.prefix = trimmed
		return err
	}
}

func checkPrefix(prefix string) (string, error) {
	trimmed := strings.TrimSuffix(prefix, "/")
	const most = 512 // of the 1,024 bytes of a key
	if trimmed == "" || len(trimmed) > most || strings.HasPrefix(trimmed, "/") || strings.Contains("/"+trimmed+"/", "/../") ||
		strings.ContainsFunc(trimmed, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", fmt.Errorf("Prefix: %q is not a prefix of keys (want letters, digits and punctuation such as team-a/lambdapool, not beginning with a slash)", prefix)
	}
	return trimmed + "/", nil
}

// Threshold has payloads above so many bytes go through the bucket although an invocation could
// carry them. The default is what an invocation cannot carry, some 6 MB. Lower it where
// bandwidth to Lambda is what limits. Each stored payload costs requests to S3 and their
// latency. Less than 1 is an error.
func Threshold(bytes int) BucketOption {
	return func(b *bucketOptions) error {
		if bytes < 1 {
			return fmt.Errorf("Threshold: %d bytes: must be at least 1", bytes)
		}
		b.threshold = bytes
		return nil
	}
}

// SSES3 asks for server-side encryption with S3's own keys (AES256). S3 does that by itself for
// all new objects: use it for buckets whose policy insists that it is asked for. It excludes
// [SSEKMS].
func SSES3() BucketOption {
	return func(b *bucketOptions) error {
		if b.sse != "" {
			return errors.New("SSES3 and SSEKMS exclude each other")
		}
		b.sse = types.ServerSideEncryptionAes256
		return nil
	}
}

// SSEKMS has objects encrypted with this KMS key: an id, an alias or an ARN. The client's
// credentials need kms:GenerateDataKey and kms:Decrypt on it; the agent's role does not. Each
// object costs requests to KMS, which has limits of its own. It excludes [SSES3].
func SSEKMS(keyID string) BucketOption {
	return func(b *bucketOptions) error {
		switch {
		case keyID == "":
			return errors.New("SSEKMS: empty key id")
		case b.sse != "":
			return errors.New("SSES3 and SSEKMS exclude each other")
		}
		b.sse, b.kmsKey = types.ServerSideEncryptionAwsKms, keyID
		return nil
	}
}

// BucketRegion sets the bucket's region. The default is the function's. A bucket elsewhere
// makes each transfer slow, and AWS charges for it.
func BucketRegion(region string) BucketOption {
	return func(b *bucketOptions) error {
		if region == "" {
			return errors.New("BucketRegion: empty region")
		}
		b.region = region
		return nil
	}
}

// BucketEndpoint uses the S3-compatible store at this URL, such as MinIO or Cloudflare R2.
// Agents reach the same URL, so 127.0.0.1 serves only agents on this machine. Many such stores
// need [PathStyle], and some [SignEachLink]. Detached runs need a store that heeds
// If-None-Match and lists keys in their order.
func BucketEndpoint(endpoint string) BucketOption {
	return func(b *bucketOptions) error {
		if once.Endpoint(endpoint) == nil {
			return errors.New("BucketEndpoint: " + noEndpoint)
		}
		b.endpoint = endpoint
		return nil
	}
}

// PathStyle puts the bucket's name into the path instead of the host name, which many
// S3-compatible stores want. Amazon S3 does not need it.
func PathStyle() BucketOption {
	return func(b *bucketOptions) error {
		b.pathStyle = true
		return nil
	}
}

// SignEachLink is for S3-compatible stores that take no forms (POST policies), such as
// Cloudflare R2. Each result that may be large gets a link of its own. By default one signature
// serves all results of an executor for a while, which is cheaper for the client and makes
// requests smaller.
func SignEachLink() BucketOption {
	return func(b *bucketOptions) error {
		b.eachLink = true
		return nil
	}
}

// runDays is how many days a detached run stays unless KeepRuns says otherwise: one more
// than such a run itself promises.
const runDays = 8

type lifecycle struct{ runDays int }

// A LifecycleOption configures [LifecycleRule]. A bad one is an error of it.
type LifecycleOption func(*lifecycle) error

// KeepRuns has detached runs stay for so many days after they were begun. The default is 8: one
// more than such a run promises its results for. A run that is to be read for longer needs
// more. Less than 1 is an error.
func KeepRuns(days int) LifecycleOption {
	return func(l *lifecycle) error {
		if days < 1 {
			return fmt.Errorf("KeepRuns: %d days: must be at least 1", days)
		}
		l.runDays = days
		return nil
	}
}

// LifecycleRule returns the lifecycle configuration, as JSON, that removes below prefix what
// crashed clients leave of calls, after a day, and detached runs and what jobs of package
// mapreduce have left after [KeepRuns] days. prefix
// is that of [Prefix], "" means the default. It asks nobody and changes nothing. Set it once
// per bucket:
//
//	aws s3api put-bucket-lifecycle-configuration --bucket NAME --lifecycle-configuration file://rule.json
//
// That call replaces the bucket's other rules: merge them first. S3 counts whole days and
// removes objects some time after. The error says what is wrong with the prefix or an option.
func LifecycleRule(prefix string, opts ...LifecycleOption) (string, error) {
	if prefix == "" {
		prefix = defaultPrefix
	}
	l := lifecycle{runDays}
	prefix, err := checkPrefix(prefix)
	for i, opt := range opts {
		switch {
		case err != nil:
		case opt == nil:
			err = fmt.Errorf("option %d is nil", i)
		default:
			err = opt(&l)
		}
	}
	if err != nil {
		return "", fmt.Errorf("lambdapool: lifecycle rule: %w", err)
	}
	type object = map[string]any
	rule := func(id, below string, days int) object {
		return object{
			"ID":         "lambdapool-" + id,
			"Status":     "Enabled",
			"Filter":     object{"Prefix": prefix + below},
			"Expiration": object{"Days": days}, // whole days are what S3 knows; a call lasts 15 minutes
		}
	}
	data, err := json.MarshalIndent(object{"Rules": []any{
		rule("calls", "calls/", 1), rule("runs", "runs/", l.runDays), rule("index", "index/", l.runDays),
		rule("mapreduce", "mapreduce/", l.runDays),
	}}, "", "  ")
	return string(data) + "\n", err
}
