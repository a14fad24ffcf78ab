package registry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/internal/english"
)

// A Function is a registered function without its static types. It is immutable once it is in a
// [Registry], and safe for concurrent use then.
//
// It stands at both ends. A client uses what describes it: name, shape, codecs of arguments and
// results. An agent uses Call. Both have all of it, since they are built from the same source.
type Function struct {
	late        bool // registered behind agent.Main: an agent does not get there
	name        string
	where       Place // of its registration
	args        []*codec.Type
	results     []*codec.Type // one, or none
	variadic    bool
	idempotent  bool
	shape       string
	signature   string
	fingerprint uint64
	call        func(ctx context.Context, args []byte) ([]byte, error)
	defaults    any   // for its calls, as the executor knows them; nil: none
	problem     error // with what was said of it at registration

	customArgs, customResult bool // they have values that encode themselves
	size                     int  // of its result in bytes, at most
	sized                    bool // there is such a bound
	links                    bool // its arguments may hold links: see Identity
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// NewTyped wraps fn without reflection on the way of a call but for the codec's. The error names
// the argument or the result that cannot travel, by the path of the field.
func NewTyped[A, R any](name string, fn func(context.Context, A) (R, error)) (*Function, error) {
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

// NewDynamic wraps a function of any shape: an optional context first, any number of arguments, at
// most one result, and an optional error last. Each call of it goes through reflection, where one
// of [NewTyped] is a plain call. Of values that are no function, nil ones, functions with two
// results and types that cannot travel it says what is wrong.
func NewDynamic(name string, fn any) (*Function, error) {
	v := reflect.ValueOf(fn)
	if !v.IsValid() || v.Kind() != reflect.Func {
		return nil, fmt.Errorf("%s is not a function", english.A(fmt.Sprintf("%T", fn)))
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

// newFunction compiles the codecs of a signature, refusing types that cannot travel, and names that
// could not be told.
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
		f.customArgs = f.customArgs || t.Custom()
		f.links = f.links || hasLinks(in, map[reflect.Type]bool{})
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
		f.customResult = t.Custom()
		f.size, f.sized = fixedSize(out)
		result, resultSignature = " "+out.String(), " "+t.Shape()
	}
	f.shape = "func(" + strings.Join(shapes, ", ") + ")" + result
	f.signature = "func(" + strings.Join(signatures, ", ") + ")" + resultSignature
	f.fingerprint = fingerprint(name, f.signature)
	return f, checkName(name)
}

// Name returns the registered name.
func (f *Function) Name() string { return f.name }

// Shape returns what travels, as a Go signature without context and error: "func(int, int) int". It
// is for people; types of the same name look the same.
func (f *Function) Shape() string { return f.shape }

// Signature returns the Shape with each struct type written out. It is what
// the Fingerprint hashes.
func (f *Function) Signature() string { return f.signature }

// Fingerprint hashes name and signature. A call is refused when client and
// agent differ in it.
func (f *Function) Fingerprint() uint64 { return f.fingerprint }

// Idempotent reports whether running the function twice does no harm.
func (f *Function) Idempotent() bool { return f.idempotent }

// SetIdempotent says so, while the function is being registered.
func SetIdempotent(f *Function) { f.idempotent = true }

// Defaults returns what SetDefaults was given, or nil.
func (f *Function) Defaults() any { return f.defaults }

// SetDefaults says what holds for calls of the function unless they say otherwise, while it is being registered. It is
// the executor's to understand. err is what is wrong with it, and keeps the function from being registered.
func SetDefaults(f *Function, defaults any, err error) {
	f.defaults = defaults
	if err != nil {
		f.problem = err
	}
}

// Late reports whether the function was registered after agent.Main was called: an agent does not
// get there, since agent.Main never returns in it. So the client has a function that no agent has.
func (f *Function) Late() bool { return f.late }

// CustomResult reports whether there are values in the result that decode themselves, by methods of
// the program's.
func (f *Function) CustomResult() bool { return f.customResult }

// Call decodes the arguments, runs the function on this goroutine and encodes
// its result. The error is a *codec.DecodeError for the arguments, a
// *codec.EncodeError for the result, and otherwise the function's own. A panic
// of the function passes through.
func (f *Function) Call(ctx context.Context, args []byte) ([]byte, error) {
	return f.call(ctx, args)
}
