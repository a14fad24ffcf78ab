package cloudrun

import (
	"cmp"
	"context"
	"fmt"

	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/googleapi"
)

// Store returns the bucket that [WithBucket] named, or what [WithStore] was given, or nil. The executor asks for
// it, so programs rarely do. It is safe for concurrent use. It does not block.
func (b *Backend) Store() driver.Store { return b.agents.Store() }

// StoreOption names the option that makes a store, for the hint of an error that says that a
// payload is too large.
func (b *Backend) StoreOption() string { return "cloudrun.WithBucket" }

// newBucket makes the store of WithBucket, whose links who signs. It may ask whose machine this is.
func newBucket(ctx context.Context, id *identity, who actor, o *options) (*gcs.Store, error) {
	signer, err := id.signer(ctx, who)
	if err != nil {
		return nil, fmt.Errorf("links have to be signed: %w", err)
	}
	store, err := gcs.New(gcs.Config{
		Bucket: o.bucket.name, Tokens: id.Found.TokenSource, Signer: signer,
		Prefix: o.bucket.prefix, Threshold: o.bucket.threshold, Endpoint: o.bucketEndpoint(), Workers: o.workers, ReadOnly: o.bucket.readOnly,
	})
	return store, err
}

// signer signs as who.
func (id *identity) signer(ctx context.Context, who actor) (gcs.Signer, error) {
	if who.key != nil {
		return gcs.NewKeySigner(who.key)
	}
	email, err := id.email(ctx, who)
	if err != nil {
		return nil, err
	}
	return gcs.NewBlobSigner(gcs.BlobConfig{
		Email: email, Tokens: who.source, Delegates: who.delegates, Endpoint: id.At.IAM, Transport: id.Client.Transport,
	})
}

// bucketEndpoint is where the bucket is reached.
func (o *options) bucketEndpoint() string {
	return cmp.Or(o.bucket.endpoint, googleapi.At(o.endpoint).Storage)
}
