package lambdapool_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/codec"
)

// Errors of every form that travels.
type (
	quotaError struct {
		Used, Limit int
		Err         error
		Tags        []string
		hidden      string
	}
	codeError  int    // a value, of a number
	pathError  string // a value, of a text
	pairError  struct{ A, B string }
	binError   struct{ text string }
	evilError  struct{ N int } // panics wherever it can
	emptyError struct{}
	longError  struct{ Data string }
)

func (e *quotaError) Error() string { return fmt.Sprintf("%d of %d used: %v", e.Used, e.Limit, e.Err) }
func (e *quotaError) Unwrap() error { return e.Err }
func (e codeError) Error() string   { return fmt.Sprintf("code %d", int(e)) }
func (e pathError) Error() string   { return string(e) }
func (e pairError) Error() string   { return e.A + e.B }
func (e *binError) Error() string   { return e.text }
func (e *longError) Error() string  { return "long" }
func (e *evilError) Error() string  { panic("Error") }
func (emptyError) Error() string    { return "empty" }

func (e *binError) MarshalBinary() ([]byte, error)  { return []byte(e.text), nil }
func (e *binError) UnmarshalBinary(b []byte) error  { e.text = string(b); return nil }
func (e *evilError) MarshalBinary() ([]byte, error) { panic("MarshalBinary") }
func (e *evilError) UnmarshalBinary([]byte) error   { panic("UnmarshalBinary") }

// errorTypes registers them all.
func errorTypes(r *lambdapool.Registry) {
	lambdapool.RegisterErrorTypeIn[*quotaError](r)
	lambdapool.RegisterErrorTypeIn[codeError](r, "code")
	lambdapool.RegisterErrorTypeIn[pathError](r)
	lambdapool.RegisterErrorTypeIn[pairError](r)
	lambdapool.RegisterErrorTypeIn[*binError](r)
	lambdapool.RegisterErrorTypeIn[*evilError](r)
	lambdapool.RegisterErrorTypeIn[emptyError](r)
	lambdapool.RegisterErrorTypeIn[*longError](r)
}

// remotely returns what a client sees of an error, where client and agent have their own registries.
func remotely(t *testing.T, client, far *lambdapool.Registry, fails func() error) error {
	t.Helper()
	for _, r := range []*lambdapool.Registry{client, far} {
		lambdapool.RegisterIn(r, "fails", func(context.Context, int) (int, error) { return 0, fails() })
	}
	e := executor(t, &elsewhere{Backend: inproc.New(), handler: agent.NewHandler(far)}, lambdapool.WithRegistry(client))
	_, err := e.Submit(t.Context(), "fails", 1).Result(t.Context())
	return err
}

// elsewhere is a backend whose agent has a registry of its own.
type elsewhere struct {
	*inproc.Backend

	handler *agent.Handler
}

func (b *elsewhere) Invoke(ctx context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	payload, err := b.handler.Invoke(ctx, req.Payload)
	return &lambdapool.Response{Payload: payload}, err
}

func as[E error](err error) (found E, ok bool) {
	ok = errors.As(err, &found)
	return found, ok
}

func TestErrorTypesTravel(t *testing.T) {
	client, far := lambdapool.NewRegistry(), lambdapool.NewRegistry()
	errorTypes(client)
	errorTypes(far)
	leaf := errors.New("leaf")
	lambdapool.RegisterErrorIn(client, "leaf", leaf)
	lambdapool.RegisterErrorIn(far, "leaf", leaf)
	err := remotely(t, client, far, func() error {
		quota := &quotaError{Used: 3, Limit: 2, Err: fmt.Errorf("why: %w", leaf), Tags: []string{"a"}, hidden: "h"}
		return fmt.Errorf("outer: %w", errors.Join(codeError(7), quota, fmt.Errorf("%w and %w", pathError("/tmp"), pairError{"a", "b"}),
			&binError{"unexported"}, &evilError{1}, emptyError{}, (*quotaError)(nil), &quotaError{Used: 9}))
	})
	var function *lambdapool.FunctionError
	var pool *lambdapool.PoolError
	if !errors.As(err, &function) || errors.As(err, &pool) {
		t.Fatalf("%v is no FunctionError, or also a PoolError", err)
	}
	wantErr(t, err, leaf)
	quota, ok := as[*quotaError](err)
	if !ok || quota.Used != 3 || quota.Limit != 2 || !slices.Equal(quota.Tags, []string{"a"}) || quota.hidden != "" {
		t.Fatalf("quotaError = %+v, %v", quota, ok)
	}
	if quota.Err == nil || quota.Err.Error() != "why: leaf" || quota.Error() != "3 of 2 used: why: leaf" {
		t.Errorf("its error is %v", quota.Err)
	}
	if got, ok := as[codeError](err); !ok || got != 7 {
		t.Errorf("codeError = %v, %v", got, ok)
	}
	if got, ok := as[pathError](err); !ok || got != "/tmp" {
		t.Errorf("pathError = %v, %v", got, ok)
	}
	if got, ok := as[pairError](err); !ok || got != (pairError{"a", "b"}) {
		t.Errorf("pairError = %v, %v", got, ok)
	}
	if got, ok := as[*binError](err); !ok || got.text != "unexported" {
		t.Errorf("binError = %v, %v", got, ok)
	}
	if _, ok := as[emptyError](err); !ok {
		t.Error("no emptyError")
	}
	if _, ok := as[*evilError](err); ok {
		t.Error("an error that cannot be encoded arrived")
	}
	if _, ok := as[*pairError](err); ok {
		t.Error("a pointer where a value was returned")
	}
}

// Where the two sides differ, all that is missing is the value.
func TestErrorTypesDegrade(t *testing.T) {
	type old struct{ pairError }
	for name, prepare := range map[string]func(client, far *lambdapool.Registry){
		"not registered on the client": func(_, far *lambdapool.Registry) { lambdapool.RegisterErrorTypeIn[pairError](far) },
		"not registered on the agent":  func(client, _ *lambdapool.Registry) { lambdapool.RegisterErrorTypeIn[pairError](client) },
		"another shape": func(client, far *lambdapool.Registry) {
			lambdapool.RegisterErrorTypeIn[*quotaError](client, "e")
			lambdapool.RegisterErrorTypeIn[pairError](far, "e")
		},
		"another code": func(client, far *lambdapool.Registry) {
			lambdapool.RegisterErrorTypeIn[pairError](client, "new")
			lambdapool.RegisterErrorTypeIn[pairError](far, "old")
		},
	} {
		client, far := lambdapool.NewRegistry(), lambdapool.NewRegistry()
		prepare(client, far)
		err := remotely(t, client, far, func() error { return pairError{"a", "b"} })
		function, ok := as[*lambdapool.FunctionError](err)
		if !ok || function.Message != "ab" || !strings.HasSuffix(function.Type, "pairError") || len(function.Unwrap()) != 0 {
			t.Errorf("%s: %#v", name, err)
		}
	}
	_ = old{}
}

// Values are bounded; so is what is decoded of hostile ones.
func TestErrorTypesAreBounded(t *testing.T) {
	client, far := lambdapool.NewRegistry(), lambdapool.NewRegistry()
	errorTypes(client)
	errorTypes(far)
	err := remotely(t, client, far, func() error {
		errs := []error{&longError{strings.Repeat("x", 100<<10)}}
		for i := range 100 {
			errs = append(errs, codeError(i))
		}
		return errors.Join(errs...)
	})
	function, ok := as[*lambdapool.FunctionError](err)
	if !ok {
		t.Fatal(err)
	}
	if n := len(function.Unwrap()); n != codec.MaxErrorValues {
		t.Errorf("%d values", n)
	}
	if _, ok := as[*longError](err); ok {
		t.Error("100 KiB arrived")
	}
}

func TestHostileErrorValues(t *testing.T) {
	r := lambdapool.NewRegistry()
	errorTypes(r)
	lambdapool.RegisterIn(r, "f", func(context.Context, int) (int, error) { return 0, nil })
	honest := func(err error) codec.ErrorValue {
		v, ok := r.ErrorValue(err)
		if !ok {
			t.Fatalf("%v does not travel", err)
		}
		return v
	}
	quota, bin := honest(&quotaError{Used: 1}), honest(&binError{"x"})
	evil := codec.ErrorValue{Code: "*" + bin.Code[1:len(bin.Code)-len("binError")] + "evilError", Shape: bin.Shape, Data: bin.Data}
	many := slices.Repeat([]codec.ErrorValue{quota}, 10_000)
	for name, values := range map[string][]codec.ErrorValue{
		"garbage":     {{Code: quota.Code, Shape: quota.Shape, Data: []byte{0xff, 0, 1, 2}}},
		"nothing":     {{Code: quota.Code, Shape: quota.Shape}},
		"cut":         {{Code: quota.Code, Shape: quota.Shape, Data: quota.Data[:len(quota.Data)-1]}},
		"other shape": {{Code: quota.Code, Shape: quota.Shape + 1, Data: quota.Data}},
		"unknown":     {{Code: "unknown", Shape: quota.Shape, Data: quota.Data}},
		"panics":      {evil},
		"many":        many,
	} {
		e := executor(t, forged{inproc.New(), values}, lambdapool.WithRegistry(r))
		_, err := e.Submit(t.Context(), "f", 1).Result(t.Context())
		function, ok := as[*lambdapool.FunctionError](err)
		want := 0
		if name == "many" {
			want = codec.MaxErrorValues
		}
		if !ok || function.Message != "forged" || len(function.Unwrap()) != want {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

// forged is a backend whose replies hold an error with these values.
type forged struct {
	*inproc.Backend

	values []codec.ErrorValue
}

func (b forged) Invoke(_ context.Context, req *lambdapool.Request) (*lambdapool.Response, error) {
	request, err := codec.DecodeRequest(req.Payload)
	if err != nil {
		return nil, err
	}
	payload, err := codec.EncodeReply(&codec.Reply{ID: request.ID, Items: []codec.ItemReply{
		{Err: &codec.Error{Kind: codec.KindFunction, Type: "forged", Message: "forged", Values: b.values}},
	}})
	return &lambdapool.Response{Payload: payload}, err
}

// A function that uses a pool of its own may return that pool's error: it stays the function's.
func TestSentinelsOfNestedPoolsSurvive(t *testing.T) {
	for _, kind := range []error{
		lambdapool.ErrThrottled, lambdapool.ErrTimeout, lambdapool.ErrOutOfMemory, lambdapool.ErrUnknownOutcome, lambdapool.ErrCanceled,
		lambdapool.ErrBudget, lambdapool.ErrStore, lambdapool.ErrJournal, lambdapool.ErrExpired, lambdapool.ErrUnreachable,
	} {
		r := lambdapool.NewRegistry()
		err := remotely(t, r, lambdapool.NewRegistry(), func() error {
			return fmt.Errorf("inner: %w", &lambdapool.PoolError{Op: "call", Func: "g", Kind: kind, Err: kind})
		})
		wantErr(t, err, kind)
		function, ok := as[*lambdapool.FunctionError](err)
		if _, pool := as[*lambdapool.PoolError](err); !ok || pool {
			t.Errorf("%v: a FunctionError: %v, a PoolError: %v", kind, ok, pool)
			continue
		}
		for _, other := range []error{lambdapool.ErrClosed, lambdapool.ErrVersionMismatch} {
			if errors.Is(err, other) {
				t.Errorf("%v matches %v", err, other)
			}
		}
		_ = function
	}
	// It counts as the function's as well.
	var last lambdapool.Snapshot
	e := pool(t)
	_, err := lambdapool.Map(t.Context(), e, nested, upTo(3), lambdapool.ContinueOnError(), snapshots(&last))
	wantErr(t, err, lambdapool.ErrCanceled)
	wantCounts(t, last, 0, 3, 0)
	if s := e.Stats(); s.FunctionErrors != 3 || s.Canceled != 0 {
		t.Errorf("%+v", s)
	}
}

var nested = lambdapool.Register("test.nested", func(context.Context, int) (int, error) {
	return 0, &lambdapool.PoolError{Op: "call", Func: "g", Kind: lambdapool.ErrCanceled, Err: lambdapool.ErrClosed}
})

type (
	chanError  struct{ C chan int }
	anyError   struct{ V any }
	blindError struct{ text string }
)

func (chanError) Error() string    { return "" }
func (anyError) Error() string     { return "" }
func (e blindError) Error() string { return e.text }

func TestRegisterErrorTypePanicsOnMisuse(t *testing.T) {
	r := lambdapool.NewRegistry()
	lambdapool.RegisterErrorTypeIn[codeError](r, "taken")
	for name, tt := range map[string]struct {
		register func()
		want     string
	}{
		"interface":   {func() { lambdapool.RegisterErrorTypeIn[error](r) }, "it is an interface"},
		"own":         {func() { lambdapool.RegisterErrorTypeIn[*lambdapool.PoolError](r) }, "lambdapool's own"},
		"chan":        {func() { lambdapool.RegisterErrorTypeIn[chanError](r) }, "chan int"},
		"any":         {func() { lambdapool.RegisterErrorTypeIn[*anyError](r) }, "V"},
		"unexported":  {func() { lambdapool.RegisterErrorTypeIn[blindError](r) }, "all its fields are unexported"},
		"two codes":   {func() { lambdapool.RegisterErrorTypeIn[pairError](r, "a", "b") }, "2 codes"},
		"empty code":  {func() { lambdapool.RegisterErrorTypeIn[pairError](r, "") }, "the name is empty"},
		"taken code":  {func() { lambdapool.RegisterErrorTypeIn[pairError](r, "taken") }, `the code "taken" stands for lambdapool_test.codeError already`},
		"taken type":  {func() { lambdapool.RegisterErrorTypeIn[codeError](r, "other") }, `it is registered already, as "taken"`},
		"where it is": {func() { lambdapool.RegisterErrorTypeIn[error](r) }, "errortype_test.go:"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "lambdapool: register error type ") || !strings.Contains(text, tt.want) {
					t.Errorf("panic %q, want %q in it", text, tt.want)
				}
			}()
			tt.register()
		})
	}
}

func TestErrorTypesAreNoPartOfTheFingerprint(t *testing.T) {
	a, b := lambdapool.NewRegistry(), lambdapool.NewRegistry()
	errorTypes(a)
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("fingerprints differ")
	}
	if _, ok := b.ErrorValue(codeError(1)); ok {
		t.Errorf("%v is not registered", reflect.TypeFor[codeError]())
	}
}
