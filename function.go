package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
)

// A Function is a registered function without its static types: what agents
// and backends see of it. It is immutable and safe for concurrent use.
type Function struct {
	name        string
	where       place // of its registration
	args        []*codec.Type
	results     []*codec.Type // one, or none
	variadic    bool
	idempotent  bool
	shape       string
	signature   string
	fingerprint uint64
	call        func(ctx context.Context, args []byte) ([]byte, error)
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// newTypedFunction wraps fn without reflection on the way of a call but for the
// codec's.
func newTypedFunction[A, R any](name string, fn func(context.Context, A) (R, error)) (*Function, error) {
	if fn == nil {
		return nil, errors.New("the function is nil")
	}
	f, err := newFunction(name, []reflect.Type{reflect.TypeFor[A]()}, []reflect.Type{reflect.TypeFor[R]()}, false)
	if err != nil {
		return nil, err
	}
	f.call = func(ctx context.Context, data []byte) ([]byte, error) {
		var arg A
		if err := codec.Unmarshal(data, f.args, []reflect.Value{reflect.ValueOf(&arg).Elem()}); err != nil {
			return nil, err
		}
		result, err := fn(ctx, arg)
		if err != nil {
			return nil, err
		}
		return codec.Marshal(f.results, []reflect.Value{reflect.ValueOf(&result).Elem()})
	}
	return f, nil
}

// newDynamicFunction wraps a function of any shape.
func newDynamicFunction(name string, fn any) (*Function, error) {
	v := reflect.ValueOf(fn)
	if !v.IsValid() || v.Kind() != reflect.Func {
		return nil, fmt.Errorf("%T is no function", fn)
	}
	if v.IsNil() {
		return nil, errors.New("the function is nil")
	}
	t := v.Type()
	var ins, outs []reflect.Type
	for in := range t.Ins() {
		ins = append(ins, in)
	}
	for out := range t.Outs() {
		outs = append(outs, out)
	}
	takesContext := len(ins) > 0 && ins[0] == contextType
	if takesContext {
		ins = ins[1:]
	}
	returnsError := len(outs) > 0 && outs[len(outs)-1] == errorType
	if returnsError {
		outs = outs[:len(outs)-1]
	}
	if len(outs) > 1 {
		return nil, fmt.Errorf("%v returns %d values: a function returns at most one value and an error; put them in a struct", t, len(outs))
	}
	f, err := newFunction(name, ins, outs, t.IsVariadic())
	if err != nil {
		return nil, err
	}
	f.call = func(ctx context.Context, data []byte) ([]byte, error) {
		args := make([]reflect.Value, len(ins))
		for i, in := range ins {
			args[i] = reflect.New(in).Elem()
		}
		if err := codec.Unmarshal(data, f.args, args); err != nil {
			return nil, err
		}
		if takesContext {
			args = append([]reflect.Value{reflect.ValueOf(ctx)}, args...)
		}
		var out []reflect.Value
		if t.IsVariadic() {
			out = v.CallSlice(args)
		} else {
			out = v.Call(args)
		}
		if returnsError {
			if err, _ := reflect.TypeAssert[error](out[len(out)-1]); err != nil {
				return nil, err
			}
			out = out[:len(out)-1]
		}
		return codec.Marshal(f.results, out)
	}
	return f, nil
}

// newFunction compiles the codecs of a signature, refusing types that cannot travel.
func newFunction(name string, ins, outs []reflect.Type, variadic bool) (*Function, error) {
	f := &Function{name: name, variadic: variadic}
	var shapes, signatures []string
	for i, in := range ins {
		t, err := codec.TypeOf(in)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		shape := in.String()
		if variadic && i == len(ins)-1 {
			shape = "..." + in.Elem().String()
		}
		f.args = append(f.args, t)
		shapes = append(shapes, shape)
		signatures = append(signatures, t.Shape())
	}
	var result, resultSignature string
	for _, out := range outs {
		t, err := codec.TypeOf(out)
		if err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
		f.results = append(f.results, t)
		result, resultSignature = " "+out.String(), " "+t.Shape()
	}
	f.shape = "func(" + strings.Join(shapes, ", ") + ")" + result
	f.signature = "func(" + strings.Join(signatures, ", ") + ")" + resultSignature
	f.fingerprint = fingerprint(name, f.signature)
	return f, nil
}

// Name returns the registered name.
func (f *Function) Name() string { return f.name }

// Shape returns what travels, as a Go signature without context and error:
// "func(int, int) int".
func (f *Function) Shape() string { return f.shape }

// Signature returns the Shape with each struct type written out. It is what
// the Fingerprint hashes.
func (f *Function) Signature() string { return f.signature }

// Fingerprint hashes name and signature. A call is refused when client and
// agent differ in it.
func (f *Function) Fingerprint() uint64 { return f.fingerprint }

// Idempotent reports whether the function was registered as [Idempotent].
func (f *Function) Idempotent() bool { return f.idempotent }

// Call decodes the arguments, runs the function on this goroutine and encodes
// its result. The error is a *codec.DecodeError for the arguments, a
// *codec.EncodeError for the result, and otherwise the function's own. A panic
// of the function passes through.
func (f *Function) Call(ctx context.Context, args []byte) ([]byte, error) {
	return f.call(ctx, args)
}

// encodeArgs encodes one call's arguments, which have the function's types.
func (f *Function) encodeArgs(values []reflect.Value) ([]byte, error) {
	data, err := codec.Marshal(f.args, values)
	if err != nil {
		return nil, callError("submit", f.name, ErrEncode, err, "")
	}
	return data, nil
}
