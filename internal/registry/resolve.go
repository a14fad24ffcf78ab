package registry

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// hintFunction is what a dynamic call may name a function by.
const hintFunction = "pass a *Func, a registered function or its name"

// Resolve finds the function that a call names: by its name, or by the registered func value
// itself. The error is a [Problem] of kind ErrNotRegistered or ErrBadArguments, whose hint has the
// nearest names.
//
// A func value is found by its closure, so a method value or a closure that is made anew each time
// is not found: call it by name. One that was registered twice is ambiguous.
func Resolve(r *Registry, fn any) (*Function, error) {
	if fn == nil {
		return nil, problem("", ErrBadArguments, errors.New("the function is nil"), hintFunction)
	}
	if name, ok := fn.(string); ok {
		if f, ok := r.Lookup(name); ok {
			return f, nil
		}
		return nil, problem(name, ErrNotRegistered, nil, r.suggest(name))
	}
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func {
		return nil, problem("", ErrBadArguments, fmt.Errorf("%s is not a function", english.A(fmt.Sprintf("%T", fn))), hintFunction)
	}
	if v.IsNil() {
		return nil, problem("", ErrBadArguments, errors.New("the function is nil"), hintFunction)
	}
	r.mu.RLock()
	candidates := r.byValue[closureOf(fn)]
	r.mu.RUnlock()
	name := runtime.FuncForPC(v.Pointer()).Name()
	switch len(candidates) {
	case 1:
		return candidates[0], nil
	case 0:
		return nil, problem(name, ErrNotRegistered, nil,
			"register it with Register or RegisterFunc, in client and agent; method values and closures made anew are called by name")
	default:
		return nil, problem(name, ErrBadArguments,
			fmt.Errorf("the function is registered as %q and as %q", candidates[0].name, candidates[1].name),
			"call it by name")
	}
}

// Own checks that f, from a handle, is r's. A handle of another registry would encode arguments for
// a function that r's agents may not have. The error is a [Problem].
func Own(r *Registry, f *Function) (*Function, error) {
	if f == nil {
		return nil, problem("", ErrBadArguments, errors.New("the *Func is nil"), "use the handle that Register returned")
	}
	if mine, ok := r.Lookup(f.name); !ok || mine != f {
		return nil, problem(f.name, ErrNotRegistered,
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
