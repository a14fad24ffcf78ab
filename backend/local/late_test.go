package local_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
)

// A function that main registers behind agent.Main exists in the client only.
func TestLateRegistrationIsExplained(t *testing.T) {
	t.Parallel()
	r := lambdapool.NewRegistry()
	late := lambdapool.RegisterIn(r, "local_test.late", func(_ context.Context, n int) (int, error) { return n, nil })
	e := must(lambdapool.New(open(t), lambdapool.WithRegistry(r)))
	defer e.Close()
	_, err := lambdapool.Call(t.Context(), e, late, 1)
	if !errors.Is(err, lambdapool.ErrNotRegistered) || !strings.Contains(err.Error(), "registered after agent.Main") {
		t.Errorf("%v", err)
	}
}
