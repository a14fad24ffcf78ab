package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/internal/registry"
)

func join(sep string, parts ...string) string { return strings.Join(parts, sep) }

// filled returns a registry with join in it, and join.
func filled(t *testing.T) (*registry.Registry, *registry.Function) {
	t.Helper()
	r := registry.New([]registry.Sentinel{{Code: "full", Err: errFull}})
	f, err := registry.NewDynamic("join", join)
	if err == nil {
		err = registry.Add(r, f, join, registry.Caller(1))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, f
}

var errFull = errors.New("full")

// What a call names is found, or the problem says what to do.
func TestResolve(t *testing.T) {
	t.Parallel()
	r, f := filled(t)
	for _, by := range []any{"join", join} {
		if got, err := registry.Resolve(r, by); got != f || err != nil {
			t.Errorf("Resolve(%T) = %v, %v", by, got, err)
		}
	}
	for _, test := range []struct {
		by   any
		want registry.Problem
	}{
		{"jion", registry.Problem{Func: "jion", Kind: registry.ErrNotRegistered, Hint: "did you mean join?"}},
		{nil, registry.Problem{Kind: registry.ErrBadArguments, Hint: "pass a *Func, a registered function or its name"}},
		{7, registry.Problem{Kind: registry.ErrBadArguments, Hint: "pass a *Func, a registered function or its name"}},
	} {
		_, err := registry.Resolve(r, test.by)
		var got *registry.Problem
		if !errors.As(err, &got) || got.Func != test.want.Func || !errors.Is(err, test.want.Kind) || got.Hint != test.want.Hint || got.Err == nil {
			t.Errorf("Resolve(%v): %+v, want %+v", test.by, err, test.want)
		}
	}
	elsewhere, _ := filled(t)
	if _, err := registry.Own(elsewhere, f); !errors.Is(err, registry.ErrNotRegistered) {
		t.Errorf("the function of another registry: %v", err)
	}
}

// Arguments become bytes, the function runs, and its result is a value again.
func TestACallThereAndBack(t *testing.T) {
	t.Parallel()
	_, f := filled(t)
	values, err := registry.Bind(f, []any{"-", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	args, err := registry.Encode(f, values)
	if err != nil {
		t.Fatal(err)
	}
	result, err := f.Call(t.Context(), args)
	if err != nil {
		t.Fatal(err)
	}
	var typed string
	var dynamic any
	if err := errors.Join(registry.Decode(t.Context(), &typed, f, result, false), registry.Decode(t.Context(), &dynamic, f, result, true)); err != nil {
		t.Fatal(err)
	}
	if typed != "a-b" || dynamic != any("a-b") {
		t.Errorf("%q, %v", typed, dynamic)
	}
	if _, err := registry.Bind(f, nil); !errors.Is(err, registry.ErrBadArguments) {
		t.Errorf("no arguments: %v", err)
	}
}

// A list that does not fit costs itself, not those behind it.
func TestEncodeLists(t *testing.T) {
	t.Parallel()
	_, f := filled(t)
	var kinds []error
	for data, err := range registry.EncodeLists(f, [][]any{{"-"}, {1}, {"-", "a"}}) {
		var p *registry.Problem
		if errors.As(err, &p) {
			kinds = append(kinds, p.Kind)
			continue
		}
		if len(data) == 0 || err != nil {
			t.Errorf("%v, %v", data, err)
		}
		kinds = append(kinds, nil)
	}
	if !slices.Equal(kinds, []error{nil, registry.ErrBadArguments, nil}) {
		t.Errorf("kinds %v", kinds)
	}
}

// What is known of a function elsewhere has the fingerprint that it has there.
func TestForeign(t *testing.T) {
	t.Parallel()
	_, f := filled(t)
	g, err := registry.NewForeign(f.Name(), f.Shape(), f.Signature())
	if err != nil || g.Fingerprint() != f.Fingerprint() || !g.Foreign() || f.Foreign() {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := registry.NewForeign("join", "func()", ""); err == nil {
		t.Error("a function without a signature")
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	r, f := filled(t)
	_, nameless := registry.NewTyped("", func(context.Context, int) (int, error) { return 0, nil })
	_, channel := registry.NewDynamic("chan", func(chan int) {})
	again := registry.Add(r, f, join, registry.Caller(1))
	got := []string{fmt.Sprint(nameless), fmt.Sprint(registry.AddError(r, "full", errFull)), fmt.Sprint(registry.AddError(r, "none", nil))}
	if diff := cmp.Diff([]string{"the name is empty", `the code stands for "full" already`, "the error is nil"}, got); diff != "" {
		t.Error(diff)
	}
	if channel == nil || !strings.HasPrefix(channel.Error(), "argument 1: ") {
		t.Errorf("a channel: %v", channel)
	}
	if again == nil || !strings.HasPrefix(again.Error(), "the name was registered at registry_test.go:") {
		t.Errorf("twice: %v", again)
	}
}
