package lambdapool

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"github.com/lambdapool/lambdapool/internal/suggest"
)

// maxNameLen bounds a registered name and an error code, in bytes. Both travel
// with every call.
const maxNameLen = 256

// DefaultRegistry is where [Register], [RegisterFunc] and [RegisterError] put
// things, and where an agent and an executor look unless told otherwise.
var DefaultRegistry = NewRegistry()

// A Registry maps names to functions. The same registrations are compiled into
// client and agent; a name is how one refers to the other's function.
// It is safe for concurrent use.
type Registry struct {
	mu        sync.RWMutex
	functions map[string]*Function
	byValue   map[unsafe.Pointer][]*Function // a func value's closure → where it is registered
	sentinels map[string]error
	codes     []string // keys of sentinels, in the order of registration
}

// NewRegistry returns a Registry that holds no function, and as sentinels only
// a few errors of the standard library: context.Canceled,
// context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, errors.ErrUnsupported
// and the fs.Err… family.
func NewRegistry() *Registry {
	r := &Registry{
		functions: map[string]*Function{},
		byValue:   map[unsafe.Pointer][]*Function{},
		sentinels: map[string]error{},
	}
	for _, known := range []struct {
		code string
		err  error
	}{
		{"context.Canceled", context.Canceled},
		{"context.DeadlineExceeded", context.DeadlineExceeded},
		{"io.EOF", io.EOF},
		{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
		{"errors.ErrUnsupported", errors.ErrUnsupported},
		{"fs.ErrInvalid", fs.ErrInvalid},
		{"fs.ErrPermission", fs.ErrPermission},
		{"fs.ErrExist", fs.ErrExist},
		{"fs.ErrNotExist", fs.ErrNotExist},
		{"fs.ErrClosed", fs.ErrClosed},
	} {
		r.sentinels[known.code] = known.err
		r.codes = append(r.codes, known.code)
	}
	return r
}

// A FuncOption says something about a function when it is registered.
type FuncOption func(*Function)

// Idempotent says that running the function twice does no harm. Only then is a
// call whose outcome is unknown run again, and only then are stragglers hedged.
func Idempotent() FuncOption {
	return func(f *Function) { f.idempotent = true }
}

// A Func is a registered function with its types: what [Submit], [Call], [Map]
// and [Stream] take. It is immutable and safe for concurrent use.
type Func[A, R any] struct{ function *Function }

// Name returns the registered name.
func (f *Func[A, R]) Name() string { return f.function.name }

func (f *Func[A, R]) registered() *Function {
	if f == nil {
		return nil
	}
	return f.function
}

// Register names fn in [DefaultRegistry] and returns the handle that typed
// calls take. Call it when the program starts, typically from a package-level
// var, so that client and agent have it alike.
//
// It panics on misuse: an empty or taken name, a nil fn, and a type that cannot
// travel (chan, func, interface, …), named by the path of the field. Package
// codec says what travels.
func Register[A, R any](name string, fn func(context.Context, A) (R, error), opts ...FuncOption) *Func[A, R] {
	return register(DefaultRegistry, name, fn, opts)
}

// RegisterIn is [Register] for an explicit registry.
func RegisterIn[A, R any](r *Registry, name string, fn func(context.Context, A) (R, error), opts ...FuncOption) *Func[A, R] {
	return register(r, name, fn, opts)
}

func register[A, R any](r *Registry, name string, fn func(context.Context, A) (R, error), opts []FuncOption) *Func[A, R] {
	where := caller(3)
	f, err := newTypedFunction(name, fn)
	r.add(f, fn, err, opts, name, where)
	return &Func[A, R]{f}
}

// RegisterFunc names a function of any shape, func([ctx,] args...) ([R,]
// [error]), variadic too, in [DefaultRegistry]. It is called dynamically, by
// [Executor.Submit] and [StarMap]. It panics on misuse as [Register] does.
func RegisterFunc(name string, fn any, opts ...FuncOption) {
	registerFunc(DefaultRegistry, name, fn, opts)
}

// RegisterFuncIn is [RegisterFunc] for an explicit registry.
func RegisterFuncIn(r *Registry, name string, fn any, opts ...FuncOption) {
	registerFunc(r, name, fn, opts)
}

func registerFunc(r *Registry, name string, fn any, opts []FuncOption) {
	where := caller(3)
	f, err := newDynamicFunction(name, fn)
	r.add(f, fn, err, opts, name, where)
}

// RegisterError gives a sentinel error a code in [DefaultRegistry], so that it
// survives the wire: where the function's error matched it on the agent,
// errors.Is(e, err) holds on the client. It panics on misuse: an empty code, a
// nil error, a code that stands for another error already.
func RegisterError(code string, err error) {
	registerError(DefaultRegistry, code, err)
}

// RegisterErrorIn is [RegisterError] for an explicit registry.
func RegisterErrorIn(r *Registry, code string, err error) {
	registerError(r, code, err)
}

func registerError(r *Registry, code string, err error) {
	problem := checkName(code)
	r.mu.Lock()
	defer r.mu.Unlock()
	old, taken := r.sentinels[code]
	switch {
	case problem != nil:
	case err == nil:
		problem = errors.New("the error is nil")
	case taken:
		problem = fmt.Errorf("the code stands for %q already", old)
	}
	if problem != nil {
		panic(fmt.Sprintf("lambdapool: register error %q at %s: %v", code, caller(3), problem))
	}
	r.sentinels[code] = err
	r.codes = append(r.codes, code)
}

// add puts f into the registry, or panics with what is wrong.
func (r *Registry) add(f *Function, value any, err error, opts []FuncOption, name string, where place) {
	misuse := func(problem any) {
		panic(fmt.Sprintf("lambdapool: register %q at %s: %v", name, where, problem))
	}
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		misuse(err)
	}
	f.where = where
	for _, opt := range opts {
		if opt == nil {
			misuse("a nil option")
		}
		opt(f)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.functions[name]; old != nil {
		misuse("the name was registered at " + old.where.String() + " already")
	}
	r.functions[name] = f
	p := closureOf(value)
	r.byValue[p] = append(r.byValue[p], f)
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxNameLen:
		return fmt.Errorf("the name has %d bytes, %d are allowed", len(name), maxNameLen)
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name has a control character")
	}
	return nil
}

// A place is where a function was registered. Naming it waits until somebody asks: an
// agent registers all of its functions before it asks for work.
type place [1]uintptr

// caller returns the place skip frames up.
func caller(skip int) (p place) {
	runtime.Callers(skip+1, p[:])
	return p
}

// String names file and line, without the directory: enough to find it, the same on
// every machine.
func (p place) String() string {
	frame, _ := runtime.CallersFrames(p[:]).Next()
	if frame.File == "" {
		return "unknown"
	}
	return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
}

// closureOf identifies a func value. reflect's Pointer gives the code's
// address, which two closures of one literal share although they compute
// different things; the closure's own address tells them apart. A func is one
// pointer, so an interface holds it in its second word.
func closureOf(fn any) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&fn))[1]
}

// Lookup returns the function of that name.
func (r *Registry) Lookup(name string) (*Function, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f, ok := r.functions[name]
	return f, ok
}

// Functions returns all functions, sorted by name.
func (r *Registry) Functions() []*Function {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.SortedFunc(maps.Values(r.functions), func(a, b *Function) int {
		return strings.Compare(a.name, b.name)
	})
}

// Fingerprint hashes every function's name and shape. Two programs with equal
// fingerprints understand each other; with different ones they still do for
// each function whose own fingerprint is equal.
func (r *Registry) Fingerprint() uint64 {
	h := fnv.New64a()
	for _, f := range r.Functions() {
		fmt.Fprintf(h, "%x\n", f.fingerprint)
	}
	return h.Sum64()
}

// ErrorCodes returns the codes of all sentinels that err matches, in the order
// of their registration.
func (r *Registry) ErrorCodes(err error) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var codes []string
	for _, code := range r.codes {
		if errors.Is(err, r.sentinels[code]) {
			codes = append(codes, code)
		}
	}
	return codes
}

// sentinelsOf returns the errors behind codes, leaving out those unknown here.
func (r *Registry) sentinelsOf(codes []string) []error {
	if len(codes) == 0 {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	errs := make([]error, 0, len(codes))
	for _, code := range codes {
		if err, ok := r.sentinels[code]; ok {
			errs = append(errs, err)
		}
	}
	return errs
}

// resolve finds the function that a call names: by its handle, by its name, or
// by the registered func value itself.
func (r *Registry) resolve(fn any) (*Function, error) {
	switch fn := fn.(type) {
	case nil:
		return nil, callError("submit", "", ErrBadArguments, errors.New("the function is nil"),
			"pass a *Func, a registered function or its name")
	case string:
		if f, ok := r.Lookup(fn); ok {
			return f, nil
		}
		return nil, callError("submit", fn, ErrNotRegistered, nil, r.suggest(fn))
	case interface{ registered() *Function }:
		return r.own(fn.registered())
	}
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func {
		return nil, callError("submit", "", ErrBadArguments, fmt.Errorf("%T is no function", fn),
			"pass a *Func, a registered function or its name")
	}
	if v.IsNil() {
		return nil, callError("submit", "", ErrBadArguments, errors.New("the function is nil"),
			"pass a *Func, a registered function or its name")
	}
	r.mu.RLock()
	candidates := r.byValue[closureOf(fn)]
	r.mu.RUnlock()
	name := runtime.FuncForPC(v.Pointer()).Name()
	switch len(candidates) {
	case 1:
		return candidates[0], nil
	case 0:
		return nil, callError("submit", name, ErrNotRegistered, nil,
			"register it with Register or RegisterFunc, in client and agent; method values and closures made anew are called by name")
	default:
		return nil, callError("submit", name, ErrBadArguments,
			fmt.Errorf("the function is registered as %q and as %q", candidates[0].name, candidates[1].name),
			"call it by name")
	}
}

// own checks that f, from a handle, is this registry's.
func (r *Registry) own(f *Function) (*Function, error) {
	if f == nil {
		return nil, callError("submit", "", ErrBadArguments, errors.New("the *Func is nil"),
			"use the handle that Register returned")
	}
	if mine, ok := r.Lookup(f.name); !ok || mine != f {
		return nil, callError("submit", f.name, ErrNotRegistered,
			errors.New("the handle is of another registry"), "pass its registry to New by WithRegistry")
	}
	return f, nil
}

// suggest says what to do about an unknown name.
func (r *Registry) suggest(name string) string {
	functions := r.Functions()
	if len(functions) == 0 {
		return "nothing is registered: call Register or RegisterFunc in a package that client and agent import"
	}
	all := make([]string, len(functions))
	for i, f := range functions {
		all[i] = f.name
	}
	if near := suggest.Nearest(name, all); len(near) > 0 {
		return "did you mean " + strings.Join(near, ", ") + "?"
	}
	if len(all) > 8 {
		return fmt.Sprintf("registered are %s and %d more", strings.Join(all[:8], ", "), len(all)-8)
	}
	return "registered are " + strings.Join(all, ", ")
}
