package share

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/splits"
)

// prefix is what the keys of all shared values begin with.
const prefix = "shared/"

var (
	// ErrType is wrapped when a value was stored as another type than it is asked for, as by a client that was
	// built from another version of the program.
	ErrType = errors.New("the value is of another type")

	// ErrChanged is wrapped when what the store has is not what was put there.
	ErrChanged = errors.New("the value has changed in the store")
)

// A Value stands for a value of type T in an object store. Pass it as an argument, or as a part of one. It
// is a value itself: copies stand for the same. The zero Value stands for nothing, and Get says so.
//
// It holds a link, which is a credential for reading one object, and prints without it.
type Value[T any] struct {
	Where splits.Split      `msgpack:"w"`
	Sum   [sha256.Size]byte `msgpack:"s"` // of the encoded value
	Type  string            `msgpack:"t"` // its shape
}

// String returns where the value is, and how large it is encoded.
func (v Value[T]) String() string {
	if v.Where.Name == "" {
		return "no shared value"
	}
	return fmt.Sprintf("%s (%d bytes)", v.Where.Name, v.Where.Size)
}

// Put stores v in the store of pool's backend, unless it is there already, and returns what stands for it. v can be whatever can be an argument of a call, up to what a store's
// object can hold (1 GiB). It is encoded in memory.
//
// It blocks for as long as that takes to send. The error says what of v cannot travel, or what the store
// said. It is safe to call from several programs at once: equal values are one object.
func Put[T any](ctx context.Context, pool *lambdapool.Executor, v T) (Value[T], error) {
	none := Value[T]{}
	store, err := storeOf(pool)
	if err != nil {
		return none, err
	}
	types, shape, err := typeOf[T]()
	if err != nil {
		return none, err
	}
	data, err := codec.Marshal(types, []reflect.Value{reflect.ValueOf(&v).Elem()})
	if err != nil {
		return none, fmt.Errorf("share: %w", err)
	}
	sum := sha256.Sum256(data)
	key := prefix + hex.EncodeToString(sum[:16])
	if err := store.Create(ctx, key, bytes.NewReader(data), int64(len(data)), sum); err != nil && !errors.Is(err, fs.ErrExist) {
		return none, fmt.Errorf("share: store %s: %w", key, err)
	}
	link, err := store.LinkGet(ctx, key, splits.LinkLife)
	if err != nil {
		return none, fmt.Errorf("share: sign a link to %s: %w", key, err)
	}
	size := int64(len(data))
	return Value[T]{Where: splits.Split{Name: key, To: size, Size: size, Link: link}, Sum: sum, Type: shape}, nil
}

// storeOf returns the store of pool's backend.
func storeOf(pool *lambdapool.Executor) (driver.Store, error) {
	switch {
	case pool == nil:
		return nil, errors.New("share: the executor is nil: make one with lambdapool.New")
	case pool.Store() == nil:
		return nil, errors.New("share: the backend has no object store: name one, as with awslambda.WithBucket")
	}
	return pool.Store(), nil
}

// typeOf returns the codec of T, and its shape.
func typeOf[T any]() (types []*codec.Type, shape string, err error) {
	t, err := codec.TypeOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, "", fmt.Errorf("share: %w", err)
	}
	return []*codec.Type{t}, t.Shape(), nil
}

// Get returns the value. Within a process it is loaded once, by the first that asks; others that ask meanwhile wait for
// it, each until its ctx ends. When loading fails, those who wait try again themselves.
//
// All who ask get the same value. What it points to must not be written to.
//
// Values stay in memory while they have room together: half of the memory that the agent has, by their encoded size, and
// one at least. Those that were asked for longest ago go first, and are loaded again when somebody asks.
//
// The error wraps [ErrType], [ErrChanged], fs.ErrNotExist, what package splits says of links, or ctx's. Returned by a function it is
// an error of the function: final, unless a [lambdapool.RetryPolicy] says otherwise.
func (v Value[T]) Get(ctx context.Context) (T, error) {
	var none T
	types, shape, err := typeOf[T]()
	switch {
	case err != nil:
		return none, err
	case v.Where.Name == "":
		return none, errors.New("share: this Value stands for nothing: it was not made by Put")
	case v.Type != shape:
		return none, fmt.Errorf("share: %s: %w: stored as %s, asked for as %s: deploy the agent again", v.Where.Name, ErrType, v.Type, shape)
	}
	got, err := loaded.get(ctx, id{v.Sum, shape}, v.Where.Size, func() (any, error) { return v.load(ctx, types) })
	if err != nil {
		return none, err
	}
	value, _ := got.(T) // load has made it; an interface may hold nothing
	return value, nil
}

// load reads the value from the store.
func (v Value[T]) load(ctx context.Context, types []*codec.Type) (any, error) {
	if v.Where.Size < 0 || v.Where.Size > codec.MaxStored {
		return nil, fmt.Errorf("share: %s: %w: it claims to have %d bytes", v.Where.Name, ErrChanged, v.Where.Size)
	}
	body, err := v.Where.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	defer body.Close()
	data := make([]byte, v.Where.Size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("share: read %s: %w", v.Where.Name, err)
	}
	if sha256.Sum256(data) != v.Sum {
		return nil, fmt.Errorf("share: %s: %w", v.Where.Name, ErrChanged)
	}
	var value T
	if err := codec.UnmarshalShared(data, types, []reflect.Value{reflect.ValueOf(&value).Elem()}); err != nil {
		return nil, fmt.Errorf("share: %s: %w", v.Where.Name, err)
	}
	return value, nil
}

// Delete removes values from the store of pool's backend. Agents that have loaded one keep it; others fail with
// fs.ErrNotExist. Equal values that another program has put are the same object, and are gone as well. What is not there
// is no error.
func Delete[T any](ctx context.Context, pool *lambdapool.Executor, values ...Value[T]) error {
	store, err := storeOf(pool)
	if err != nil {
		return err
	}
	keys := make([]string, len(values))
	for i, v := range values {
		if !strings.HasPrefix(v.Where.Name, prefix) {
			return fmt.Errorf("share: %v was not made by Put: nothing is deleted", v)
		}
		keys[i] = v.Where.Name
	}
	if err := store.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("share: delete: %w", err)
	}
	return nil
}
