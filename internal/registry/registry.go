package registry

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// maxNameLen bounds a registered name and an error code, in bytes. Both travel
// with every call.
const maxNameLen = 256

// A Registry maps names to functions, and codes to errors. It is safe for concurrent use. Nothing
// is ever removed from one: a name means the same as long as the program runs.
type Registry struct {
	mu        sync.RWMutex
	functions map[string]*Function
	byValue   map[unsafe.Pointer][]*Function // a func value's closure → where it is registered
	sentinels map[string]error
	codes     []string // keys of sentinels, in the order of registration
	kinds     map[string]*errorKind
	kindOf    map[reflect.Type]*errorKind
}

// A Sentinel is an error that survives the wire, by its code.
type Sentinel struct {
	Code string
	Err  error
}

// The codes of the sentinels that say that there was no more time.
const (
	CodeCanceled = "context.Canceled"
	CodeDeadline = "context.DeadlineExceeded"
)

// New returns a Registry that holds no function, and as sentinels a few errors of the standard
// library and those given. Those of the standard library need no registration because functions
// return them all the time.
func New(more []Sentinel) *Registry {
	r := &Registry{
		functions: map[string]*Function{},
		byValue:   map[unsafe.Pointer][]*Function{},
		sentinels: map[string]error{},
		kinds:     map[string]*errorKind{},
		kindOf:    map[reflect.Type]*errorKind{},
	}
	for _, known := range [][]Sentinel{{
		{CodeCanceled, context.Canceled},
		{CodeDeadline, context.DeadlineExceeded},
		{"io.EOF", io.EOF},
		{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
		{"errors.ErrUnsupported", errors.ErrUnsupported},
		{"fs.ErrInvalid", fs.ErrInvalid},
		{"fs.ErrPermission", fs.ErrPermission},
		{"fs.ErrExist", fs.ErrExist},
		{"fs.ErrNotExist", fs.ErrNotExist},
		{"fs.ErrClosed", fs.ErrClosed},
	}, more} {
		for _, s := range known {
			r.sentinels[s.Code] = s.Err
			r.codes = append(r.codes, s.Code)
		}
	}
	return r
}

// Add puts f, which was made of the func value, into r. The value finds it later, for calls that
// name a function by itself: see [Resolve]. The error says where the name was registered before.
func Add(r *Registry, f *Function, value any, where Place) error {
	f.where = where
	if f.problem != nil {
		return f.problem
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.functions[f.name]; old != nil {
		return errors.New("the name was registered at " + old.where.String() + " already")
	}
	f.late = agentmain.Called()
	r.functions[f.name] = f
	p := closureOf(value)
	r.byValue[p] = append(r.byValue[p], f)
	return nil
}

// AddError gives a sentinel error a code, by which it travels. The code, not the text, is what
// counts: texts may change from build to build. The error says what is wrong with the code, or that
// it is taken.
func AddError(r *Registry, code string, err error) error {
	if problem := checkName(code); problem != nil {
		return problem
	}
	if err == nil {
		return errors.New("the error is nil")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, taken := r.sentinels[code]; taken {
		return fmt.Errorf("the code stands for %q already", old)
	}
	r.sentinels[code] = err
	r.codes = append(r.codes, code)
	return nil
}

// checkName says what is wrong with the name of a function, or the code of an error.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxNameLen:
		return fmt.Errorf("the name has %d bytes, %d are allowed", len(name), maxNameLen)
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case strings.ContainsFunc(name, func(r rune) bool { return !legible.Shown(r) }):
		return errors.New("the name has a control character, or one that is invisible or changes the direction of text")
	}
	return nil
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

// ErrorCodes returns the codes of all sentinels that err matches, in the order of their
// registration. It is for agents. It asks errors.Is for each sentinel, so err must have an end: a
// chain that is a circle would never be through.
func (r *Registry) ErrorCodes(err error) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var codes []string
	for _, code := range r.codes {
		if matches(err, r.sentinels[code]) {
			codes = append(codes, code)
		}
	}
	return codes
}

// matches is errors.Is, where an Is or Unwrap of the user's that panics matches nothing.
func matches(err, target error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return errors.Is(err, target)
}

// SentinelsOf returns the errors behind codes, leaving out those unknown in r. It is for clients;
// what is unknown was registered in the agent only.
func SentinelsOf(r *Registry, codes []string) []error {
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
