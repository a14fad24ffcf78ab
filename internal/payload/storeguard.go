package payload

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/failure"
)

// Storage is what a backend says of its store.
type Storage struct {
	Store     driver.Store // nil: none
	Option    string       // that configures one
	Threshold int          // as Store.Threshold said
}

// Guard has s contained, and its faults told to complain, which returns what it was told.
func Guard(s driver.Store, complain func(error) error) driver.Store { return guardedStore{s, complain} }

// A guardedStore contains a Store: it has the executor's calls of it end, whatever the
// Store does. What Open returns is read within contain.Value.
type guardedStore struct {
	to       driver.Store
	complain func(error) error
}

// err is what f returns, made safe to look into.
func (g guardedStore) err(ctx context.Context, what string, f func() error) error {
	_, err := contain.Value(ctx, what, g.to, func() (struct{}, error) { return struct{}{}, f() })
	return failure.Tame(g.complain(err))
}

func (g guardedStore) link(ctx context.Context, what string, f func() (driver.Link, error)) (driver.Link, error) {
	link, err := contain.Value(ctx, what, g.to, f)
	return link, failure.Tame(g.complain(err))
}

func (g guardedStore) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	return g.err(ctx, "Store.Put", func() error { return g.to.Put(ctx, key, body, size, sum) })
}

func (g guardedStore) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	return g.err(ctx, "Store.Create", func() error { return g.to.Create(ctx, key, body, size, sum) })
}

func (g guardedStore) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	type object struct {
		body io.ReadCloser
		size int64
	}
	o, err := contain.Value(ctx, "Store.Open", g.to, func() (o object, err error) {
		o.body, o.size, err = g.to.Open(ctx, key)
		return o, err
	})
	if err == nil && o.body == nil {
		err = errNoBody
	}
	if err != nil {
		return nil, 0, failure.Tame(g.complain(err))
	}
	return guardedBody{ctx, o.body, g.complain}, o.size, nil
}

func (g guardedStore) List(ctx context.Context, prefix, after string) (driver.Listing, error) {
	page, err := contain.Value(ctx, "Store.List", g.to, func() (driver.Listing, error) { return g.to.List(ctx, prefix, after) })
	return page, failure.Tame(g.complain(err))
}

func (g guardedStore) Delete(ctx context.Context, keys ...string) error {
	return g.err(ctx, "Store.Delete", func() error { return g.to.Delete(ctx, keys...) })
}

func (g guardedStore) Threshold() int {
	size, _ := contain.Value(contain.Ended, "Store.Threshold", g.to, func() (int, error) { return g.to.Threshold(), nil })
	return size
}

// Ephemeral says what the Store does, if it says anything.
func (g guardedStore) Ephemeral() bool {
	is, _ := contain.Value(contain.Ended, "Store.Ephemeral", g.to, func() (bool, error) { return Ephemeral(g.to), nil })
	return is
}

func (g guardedStore) LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return g.link(ctx, "Store.LinkGet", func() (driver.Link, error) { return g.to.LinkGet(ctx, key, life) })
}

func (g guardedStore) LinkPut(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return g.link(ctx, "Store.LinkPut", func() (driver.Link, error) { return g.to.LinkPut(ctx, key, life) })
}

func (g guardedStore) LinkCreate(ctx context.Context, key string, life time.Duration) (driver.Link, error) {
	return g.link(ctx, "Store.LinkCreate", func() (driver.Link, error) { return g.to.LinkCreate(ctx, key, life) })
}

func (g guardedStore) LinkUnder(ctx context.Context, prefix string, life time.Duration) (driver.Link, error) {
	return g.link(ctx, "Store.LinkUnder", func() (driver.Link, error) { return g.to.LinkUnder(ctx, prefix, life) })
}

func (g guardedStore) LinkedUntil(ctx context.Context) (time.Time, error) {
	at, err := contain.Value(ctx, "Store.LinkedUntil", g.to, func() (time.Time, error) { return g.to.LinkedUntil(ctx) })
	return at, failure.Tame(g.complain(err))
}

// A guardedBody contains what a Store returned from Open.
type guardedBody struct {
	ctx      context.Context
	to       io.ReadCloser
	complain func(error) error
}

var errNoBody = errors.New("the store returned neither an object nor an error")

func (b guardedBody) Read(p []byte) (int, error) {
	n, err := contain.Value(b.ctx, "Read", b.to, func() (int, error) { return b.to.Read(p) })
	return n, b.complain(err)
}

func (b guardedBody) Close() error {
	_, err := contain.Value(b.ctx, "Close", b.to, func() (struct{}, error) { return struct{}{}, b.to.Close() })
	return b.complain(err)
}

// Ephemeral reports whether a store is gone with this process. One that is has a method
// that says so: Ephemeral() bool.
func Ephemeral(s driver.Store) bool {
	e, ok := s.(interface{ Ephemeral() bool })
	return ok && e.Ephemeral()
}
