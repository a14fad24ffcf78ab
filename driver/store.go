package driver

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"github.com/lambdapool/lambdapool/codec"
)

// A Link is a pre-signed URL: whoever has it may GET, or PUT, one object until
// it expires, or POST any objects below one prefix. It prints, formats and logs
// without its query and its form, which are credentials.
type Link = codec.Link

// A Store carries payloads that a backend's invocations cannot: the executor
// puts large arguments there and takes large results from there, and agents do
// the same over plain HTTP by links that the Store signs. It is also where
// detached runs are recorded. An agent has no rights of its own on the Store.
//
// A Store that is gone with this process says so by a method Ephemeral() bool that
// returns true: whoever starts a detached run there is warned.
//
// Methods are safe for concurrent use. Their errors may be an *[InvokeError],
// whose Permanent, RetryAfter and Hint are heeded; Outcome and an empty Kind
// are filled in. Errors must not contain the query or the form of a Link. A method
// that panics or ends its goroutine, or has not returned five seconds after its context
// has ended, fails the call with [ErrStore].
type Store interface {
	Linker

	// Put stores size bytes of body, whose SHA-256 is sum, under key. It does
	// not keep body.
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error

	// Create is Put unless there is an object at key: then it changes nothing,
	// and its error wraps fs.ErrExist. Of several at once exactly one succeeds.
	Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error

	// Open returns the object at key and its size. The caller closes it. The
	// error wraps fs.ErrNotExist where there is none.
	Open(ctx context.Context, key string) (body io.ReadCloser, size int64, err error)

	// List returns a page of the objects whose keys begin with prefix, in the
	// order of their keys, from the first key after after; "" for the first page.
	// What was stored before the call is there.
	List(ctx context.Context, prefix, after string) (Listing, error)

	// Delete removes objects; keys that do not exist are no error.
	Delete(ctx context.Context, keys ...string) error

	// Threshold returns the size in bytes above which a payload is stored although
	// an invocation could carry it; 0: none is.
	Threshold() int
}

// A Linker signs what agents may do with the objects of a [Store], which have no
// rights of their own.
type Linker interface {
	// LinkGet and LinkPut return links to GET and to PUT the object at key, good
	// for life, or for as long as the Store can make them. LinkCreate is LinkPut
	// for an object that is not there yet: if it is, the PUT is answered with 412
	// (precondition failed). They do not block but for refreshing credentials.
	LinkGet(ctx context.Context, key string, life time.Duration) (Link, error)
	LinkPut(ctx context.Context, key string, life time.Duration) (Link, error)
	LinkCreate(ctx context.Context, key string, life time.Duration) (Link, error)

	// LinkUnder returns a link to POST objects whose keys begin with prefix. A
	// Store that cannot make one returns an error that wraps
	// errors.ErrUnsupported; links for each object are used instead.
	LinkUnder(ctx context.Context, prefix string, life time.Duration) (Link, error)

	// LinkedUntil returns when the longest link that could be made now would
	// end, by this machine's clock: with the credentials that sign it, or where the Store
	// sets a bound.
	LinkedUntil(ctx context.Context) (time.Time, error)
}

// A Listing is a page of what is in a [Store].
type Listing struct {
	Objects []Object
	More    bool      // there are more after the last one
	Time    time.Time // the Store's clock, to compare Modified with: the machine's may be wrong
}

// An Object is something in a [Store].
type Object struct {
	Key      string
	Size     int64     // bytes
	Modified time.Time // when it was stored, by the Store's clock, which may count in seconds

	// ETag changes with what is in the object, and is what the answer to a GET by a link says in
	// its header of that name, quotes included. "" where the Store does not tell.
	ETag string
}

// A Storer is a [Backend] that may have a [Store].
type Storer interface {
	// Store returns the store, or nil where none is configured.
	Store() Store

	// StoreOption names the option that configures one, such as
	// "awslambda.WithBucket", for the errors of payloads that are too large.
	StoreOption() string
}
