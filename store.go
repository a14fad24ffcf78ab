package lambdapool

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// ErrStore is the kind of failure of the object store that carries large payloads.
var ErrStore = errors.New("object store failed")

// A Link is a pre-signed URL: whoever has it may GET, or PUT, one object until
// it expires. It prints, formats and logs without its query, which is a
// credential.
type Link = codec.Link

// A Store carries payloads that a backend's invocations cannot: the executor
// puts large arguments there and takes large results from there, and agents do
// the same over plain HTTP by links that the Store signs. An agent has no
// rights of its own on the Store.
//
// Methods are safe for concurrent use. Their errors may be an *[InvokeError],
// whose Permanent, RetryAfter and Hint are heeded; Outcome and an empty Kind
// are filled in. Errors must not contain the query of a Link.
type Store interface {
	// Put stores size bytes of body, whose SHA-256 is sum, under key. It does
	// not keep body.
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error

	// LinkGet and LinkPut return links to GET and to PUT the object at key, good
	// for life, or for as long as the Store can make them. They do not block
	// but for refreshing credentials.
	LinkGet(ctx context.Context, key string, life time.Duration) (Link, error)
	LinkPut(ctx context.Context, key string, life time.Duration) (Link, error)

	// Open returns the object at key and its size. The caller closes it.
	Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)

	// Delete removes objects; keys that do not exist are no error.
	Delete(ctx context.Context, keys ...string) error

	// Threshold returns the size in bytes above which a payload is stored although
	// an invocation could carry it; 0: none is.
	Threshold() int
}

// A Storer is a [Backend] that may have a [Store].
type Storer interface {
	// Store returns the store, or nil where none is configured.
	Store() Store

	// StoreOption names the option that configures one, such as
	// "awslambda.WithBucket", for the errors of payloads that are too large.
	StoreOption() string
}
