package lambdapool

import (
	"context"
	"fmt"
	"reflect"

	_ "github.com/lambdapool/lambdapool/internal/isolate" // see below
	"github.com/lambdapool/lambdapool/internal/registry"
)

// Packages that register functions import this one, so that package isolate is initialized before
// them: in an agent its initialization makes a supervisor of the process that the platform
// has started, in which nothing of the user's shall run. Elsewhere it does nothing.

// A FuncOption says something about a function when it is registered.
type FuncOption func(*Function)

// Idempotent says that running the function twice does no harm. Only then is a
// call run again whose outcome is unknown, whose attempt took too long (the function's timeout, or
// [WithAttemptTimeout]) or whose result had no room beside those of others, and only then are
// stragglers hedged. Only then, too, is an item run again whose agent's process has died while it ran,
// each alone: it may have been the one beside it that ended the process. What no agent has begun is
// sent again in any case.
func Idempotent() FuncOption {
	return func(f *Function) { registry.SetIdempotent((*registry.Function)(f)) }
}

// A Func is a registered function with its types: what [Submit], [Call], [Map]
// and [Stream] take. It is immutable and safe for concurrent use.
type Func[A, R any] struct{ function *registry.Function }

// Name returns the registered name.
func (f *Func[A, R]) Name() string { return f.function.Name() }

func (f *Func[A, R]) registered() *registry.Function {
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
	where := registry.Caller(3)
	f, err := registry.NewTyped(name, fn)
	add(r, f, fn, err, opts, name, where)
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
	where := registry.Caller(3)
	f, err := registry.NewDynamic(name, fn)
	add(r, f, fn, err, opts, name, where)
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
	where := registry.Caller(3)
	if problem := registry.AddError((*registry.Registry)(r), code, err); problem != nil {
		panic(fmt.Sprintf("lambdapool: register error %q at %s: %v", code, where, problem))
	}
}

// RegisterErrorType lets errors of type E travel, in [DefaultRegistry]: where the function's error is
// an E, or wraps one however deep, errors.As finds it on the client, inside of the [FunctionError].
//
//	type QuotaError struct {
//		Used, Limit int
//		Err         error
//	}
//	func init() { lambdapool.RegisterErrorType[*QuotaError]() }
//
// E is the type that is returned: *QuotaError, if that is what functions return. Its value is
// encoded as package codec encodes results, so exported fields travel; a type with unexported fields that
// matter has MarshalBinary and UnmarshalBinary. Of an exported field of type error its text travels, as an
// error that only has that text: what it wraps is found through the FunctionError, by errors.Is and
// errors.As. Other interfaces do not travel; leave such fields out with the tag `msgpack:"-"`.
//
// Nothing fails because a value cannot travel. Client and agent may differ: where one of them has not
// registered E, has other fields in it, or decoding fails, the FunctionError comes without
// the value, and the type is no part of a [Registry.Fingerprint]. So it does when the values of an error take more
// than 64 KiB together, or are more than 32.
//
// The code names E on the wire. The default, of no code, is E's import path and name; give one
// where the type may move. RegisterErrorType panics on misuse: more than one code, an E that is
// an interface, of this package, or cannot travel, a type or a code that is registered already.
func RegisterErrorType[E error](code ...string) { registerErrorType[E](DefaultRegistry, code) }

// RegisterErrorTypeIn is [RegisterErrorType] for an explicit registry.
func RegisterErrorTypeIn[E error](r *Registry, code ...string) { registerErrorType[E](r, code) }

func registerErrorType[E error](r *Registry, codes []string) {
	where := registry.Caller(3)
	if err := registry.AddErrorType((*registry.Registry)(r), reflect.TypeFor[E](), codes); err != nil {
		panic(fmt.Sprintf("lambdapool: register error type %v at %s: %v", reflect.TypeFor[E](), where, err))
	}
}

// add puts f into r, or panics with what is wrong.
func add(r *Registry, f *registry.Function, value any, err error, opts []FuncOption, name string, where registry.Place) {
	misuse := func(problem any) {
		panic(fmt.Sprintf("lambdapool: register %q at %s: %v", name, where, problem))
	}
	if err != nil {
		misuse(err)
	}
	for _, opt := range opts {
		if opt == nil {
			misuse("a nil option")
		}
		opt((*Function)(f))
	}
	if err := registry.Add((*registry.Registry)(r), f, value, where); err != nil {
		misuse(err)
	}
}

// DefaultRegistry is where [Register], [RegisterFunc] and [RegisterError] put
// things, and where an agent and an executor look unless told otherwise.
var DefaultRegistry = NewRegistry()

// NewRegistry returns a Registry that holds no function, and as sentinels only
// a few errors of the standard library (context.Canceled,
// context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, errors.ErrUnsupported
// and the fs.Err… family) and those of this package, which functions return that use
// pools themselves.
func NewRegistry() *Registry { return (*Registry)(registry.New(sentinels())) }

// sentinels returns those of this package, and their codes.
func sentinels() []registry.Sentinel {
	return []registry.Sentinel{
		{Code: "lambdapool.ErrNotRegistered", Err: ErrNotRegistered},
		{Code: "lambdapool.ErrBadArguments", Err: ErrBadArguments},
		{Code: "lambdapool.ErrEncode", Err: ErrEncode},
		{Code: "lambdapool.ErrDecode", Err: ErrDecode},
		{Code: "lambdapool.ErrTooLarge", Err: ErrTooLarge},
		{Code: "lambdapool.ErrThrottled", Err: ErrThrottled},
		{Code: "lambdapool.ErrTimeout", Err: ErrTimeout},
		{Code: "lambdapool.ErrOutOfMemory", Err: ErrOutOfMemory},
		{Code: "lambdapool.ErrAgentCrashed", Err: ErrAgentCrashed},
		{Code: "lambdapool.ErrUnknownOutcome", Err: ErrUnknownOutcome},
		{Code: "lambdapool.ErrVersionMismatch", Err: ErrVersionMismatch},
		{Code: "lambdapool.ErrAccessDenied", Err: ErrAccessDenied},
		{Code: "lambdapool.ErrFunctionNotFound", Err: ErrFunctionNotFound},
		{Code: "lambdapool.ErrUnreachable", Err: ErrUnreachable},
		{Code: "lambdapool.ErrCanceled", Err: ErrCanceled},
		{Code: "lambdapool.ErrClosed", Err: ErrClosed},
		{Code: "lambdapool.ErrBudget", Err: ErrBudget},
		{Code: "lambdapool.ErrQueueFull", Err: ErrQueueFull},
		{Code: "lambdapool.ErrTooManyFailures", Err: ErrTooManyFailures},
		{Code: "lambdapool.ErrInput", Err: ErrInput},
		{Code: "lambdapool.ErrJournal", Err: ErrJournal},
		{Code: "lambdapool.ErrStore", Err: ErrStore},
		{Code: "lambdapool.ErrRunNotFound", Err: ErrRunNotFound},
		{Code: "lambdapool.ErrRunExists", Err: ErrRunExists},
		{Code: "lambdapool.ErrExpired", Err: ErrExpired},
		{Code: "lambdapool.ErrTooDeep", Err: ErrTooDeep},
		{Code: "lambdapool.ErrAgentStart", Err: ErrAgentStart},
	}
}
