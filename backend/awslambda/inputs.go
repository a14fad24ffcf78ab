package awslambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/driver"
)

// Inputs is a bucket of S3 that the client may read, and that need not be the store of a backend. Give it to splits.Stored: it lists the
// bucket and signs links to its objects, so that functions read them, on any backend, without rights. It never writes.
//
// Make it with [OpenInputs] and close it when the run has ended. It is safe for concurrent use.
type Inputs struct{ bucket *bucket }

// An InputOption is an [Option] or a [BucketOption], of those that say how a bucket is reached: see [OpenInputs].
type InputOption interface{ toInputs(o *options) error }

func (f Option) toInputs(o *options) error {
	if f == nil {
		return errors.New("an option is nil")
	}
	return f(o)
}

func (f BucketOption) toInputs(o *options) error {
	if f == nil {
		return errors.New("an option is nil")
	}
	return f(o.bucket)
}

// OpenInputs opens a bucket to read from. Keys are the bucket's own: no prefix is put before them.
//
// The client's credentials need s3:ListBucket on the bucket and s3:GetObject on its objects, and kms:Decrypt where a key of
// KMS encrypts them. Links end with the credentials that sign them. Of the options these make sense: [WithConfig],
// [WithRegion], [WithProfile], [WithStaticCredentials], [WithWorkers], [WithHTTPTransport], [BucketRegion], [BucketEndpoint],
// [PathStyle]. Others are an error.
//
// It may read files and ask for credentials, but does not contact the bucket: that it is not there, or in another region,
// shows in the first listing, as a driver.InvokeError with a hint. Buckets where the requester pays are not supported.
func OpenInputs(ctx context.Context, name string, opts ...InputOption) (*Inputs, error) {
	in, err := openInputs(ctx, name, opts)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open the bucket %q for inputs: %w", name, err)
	}
	return in, nil
}

func openInputs(ctx context.Context, name string, opts []InputOption) (*Inputs, error) {
	if !bucketName.MatchString(name) {
		return nil, errors.New("not the name of a bucket")
	}
	b := &bucketOptions{name: name, readOnly: true}
	o := options{workers: defaultWorkers, bucket: b, logTail: true}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("option %d is nil", i)
		}
		if err := opt.toInputs(&o); err != nil {
			return nil, err
		}
	}
	for what, given := range map[string]bool{
		"WithBucket": o.bucket != b, "WithEndpoint": o.endpoint != "", "WithQualifier": o.qualifier != "", "WithTenantID": o.tenant != "",
		"WithClientLog": o.log != nil, "WithFunctionTimeout": o.timeout != 0, "WithLogTail": !o.logTail, "WithAutoDeploy": o.deploy != nil,
		"Prefix": b.prefix != "", "Threshold": b.threshold != 0, "SSES3 or SSEKMS": b.sse != "", "SignEachLink": b.eachLink,
	} {
		if given {
			return nil, fmt.Errorf("%s says nothing of a bucket that is only read: leave it out", what)
		}
	}
	if o.config != nil && o.profile != "" {
		return nil, errors.New("WithProfile and WithConfig exclude each other")
	}
	o.region = cmp.Or(b.region, o.region)
	cfg, err := configure(ctx, target{}, o)
	if err != nil {
		return nil, err
	}
	in := &Inputs{}
	in.bucket, err = newBucket(cfg, o)
	return in, err
}

// List returns a page of the objects whose keys begin with prefix, in their order, after the key after; see driver.Store. It
// blocks for a request.
func (in *Inputs) List(ctx context.Context, prefix, after string) (driver.Listing, error) {
	return in.bucket.List(ctx, prefix, after)
}

// LinkGet signs a link to GET an object, good for life, or for as long as the credentials are. It blocks only where those have
// to be renewed.
func (in *Inputs) LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return in.bucket.LinkGet(ctx, key, life)
}

// Close closes idle connections. It does not block, returns nil, and a second Close does nothing. Links stay good.
func (in *Inputs) Close() error {
	in.bucket.close()
	return nil
}
