package ask_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/deploy/internal/ask"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

func TestConverter(t *testing.T) {
	r := echoes()
	foreign := func(name string) lambdapool.Foreign {
		f, ok := r.Lookup(name)
		if !ok {
			t.Fatalf("%s is not registered", name)
		}
		return lambdapool.Foreign{Name: name, Shape: f.Shape(), Signature: f.Signature()}
	}
	to, err := ask.NewConverter(foreign("order"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Arguments(`{"Items":[{"X":"1"}]}`); !errors.Is(err, shared.ErrInvalid) || !strings.Contains(err.Error(), "order: argument 1") {
		t.Errorf("arguments that do not fit: %v", err)
	}
	if value, err := to.Result([]byte{0xc1}); err == nil || !strings.Contains(err.Error(), "the result of order") {
		t.Errorf("a result that is none: %s, %v", value, err)
	}
	if _, err := ask.NewConverter(foreign("tree")); err == nil || !strings.Contains(err.Error(), "tree") || !strings.Contains(err.Error(), "a Go program") {
		t.Errorf("a type without JSON: %v", err)
	}
}
