package cloudrun

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
)

// Inputs is a bucket of Google Cloud Storage that the client may read, and that need not be the store of a backend. Give it to
// splits.Stored: it lists the bucket and signs links to its objects, so that functions read them, on any backend, without
// rights. It never writes.
//
// Make it with [OpenInputs] and close it when the run has ended. It is safe for concurrent use.
type Inputs struct {
	bucket *gcs.Store
	client *http.Client
	end    context.CancelFunc
}

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

// OpenInputs opens a bucket to read from. Names are the bucket's own: no prefix is put before them.
//
// The client's credentials need roles/storage.objectViewer on the bucket. Links are signed as a service account, which needs that
// role, too: the one whose key the credentials are, or that of this machine, or [WithServiceAccount]'s, for whom Google signs; see
// [WithBucket]. Of the options these make sense: [WithServiceAccount], [WithEndpoint], [WithWorkers], [BucketEndpoint]. Others
// are an error.
//
// It blocks while it finds the credentials, and does not contact the bucket: that it is not there shows in the first listing, as a
// driver.InvokeError with a hint. The error of credentials that cannot sign says what to do.
func OpenInputs(ctx context.Context, name string, opts ...InputOption) (*Inputs, error) {
	in, err := openInputs(ctx, name, opts)
	if err != nil {
		return nil, fmt.Errorf("lambdapool: open the bucket %q for inputs: %w", name, err)
	}
	return in, nil
}

func openInputs(ctx context.Context, name string, opts []InputOption) (_ *Inputs, err error) {
	if err := gcs.CheckBucket(name); err != nil {
		return nil, err
	}
	b := &bucketOptions{name: name, readOnly: true}
	o := options{bucket: b}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("option %d is nil", i)
		}
		if err := opt.toInputs(&o); err != nil {
			return nil, err
		}
	}
	for what, given := range map[string]bool{
		"WithBucket": o.bucket != b, "WithProject": o.project != "", "WithRegion": o.region != "", "WithAudience": o.audience != "",
		"WithURL": o.url != "", "WithTimeout": o.timeout != 0, "WithStore": o.store != nil, "WithHTTPTransport": o.transport != nil,
		"WithQueue": o.queue != "", "WithTag": o.tag != "", "WithAutoDeploy": o.deploy != nil, "Prefix": b.prefix != "", "Threshold": b.threshold != 0,
	} {
		if given {
			return nil, fmt.Errorf("%s says nothing of a bucket that is only read: leave it out", what)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	in := &Inputs{client: googleapi.NewClient(life), end: end}
	defer func() {
		if err != nil {
			_ = in.Close() // there is an error already
		}
	}()
	opening := context.AfterFunc(ctx, end) // x/oauth2 asks without a context
	defer opening()
	found, err := googleapi.Find(ctx, in.client, googleapi.At(o.endpoint))
	if err != nil {
		return nil, err
	}
	id := &identity{found}
	who, err := id.actor(ctx, o.account)
	if err != nil {
		return nil, err
	}
	if in.bucket, err = newBucket(ctx, id, who, &o); err == nil && !opening() {
		err = ctx.Err() // which has ended what is needed later
	}
	return in, err
}

// List returns a page of the objects whose names begin with prefix, in their order, after the name after; see driver.Store. It
// blocks for a request.
func (in *Inputs) List(ctx context.Context, prefix, after string) (driver.Listing, error) {
	return in.bucket.List(ctx, prefix, after)
}

// LinkGet signs a link to GET an object, good for life, or for as long as the Store can make it: twelve hours where Google signs,
// a week with a key. It blocks for a request where Google signs.
func (in *Inputs) LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return in.bucket.LinkGet(ctx, key, life)
}

// Close closes idle connections and ends requests for tokens. It does not block, returns nil, and a second Close does nothing.
// Links stay good.
func (in *Inputs) Close() error {
	in.end()
	if in.bucket != nil {
		in.bucket.Close()
	}
	in.client.CloseIdleConnections()
	return nil
}
