package gcs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lambdapool/lambdapool/driver"
)

// Who had no time to wait for a token is not told to sign in again.
func TestNoTokenInTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		kind error
	}{
		{&credentialsError{errors.New("revoked")}, driver.ErrAccessDenied},
		{&credentialsError{fmt.Errorf("ask for one: %w", context.DeadlineExceeded)}, nil},
		{&credentialsError{context.Canceled}, nil},
	} {
		e := &driver.InvokeError{Outcome: driver.OutcomeUnknown}
		judge(e, tt.err, "")
		if !errors.Is(e.Kind, tt.kind) || (e.Hint == "") != (tt.kind == nil) || e.Outcome != driver.OutcomeNotRun {
			t.Errorf("%v: %v, %q, %v", tt.err, e.Kind, e.Hint, e.Outcome)
		}
	}
}
