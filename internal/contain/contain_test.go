package contain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

type exitingError struct{}

func (exitingError) Error() string { runtime.Goexit(); return "" }

func TestValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		f    func() (int, error)
		want string // of the error; "": the value is 7
	}{
		{"returns", func() (int, error) { return 7, nil }, ""},
		{"returns an error", func() (int, error) { return 7, io.EOF }, "EOF"},
		{"panics", func() (int, error) { panic("boom") }, "Record of *bytes.Buffer panicked: boom"},
		{"panics with nil", func() (int, error) { panic(nil) }, "Record of *bytes.Buffer panicked: " + new(runtime.PanicNilError).Error()}, //nolint:govet // what is tested
		{"panics with what cannot be printed", func() (int, error) { panic(exitingError{}) }, "Record of *bytes.Buffer panicked: a contain_test.exitingError that cannot be printed"},
		{"ends", func() (int, error) { runtime.Goexit(); return 7, nil }, "Record of *bytes.Buffer ended its goroutine by runtime.Goexit, as testing's FailNow and Skip do"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, err := contain.Value(t.Context(), "Record of *bytes.Buffer", nil, test.f)
			if test.want == "" {
				if v != 7 || err != nil {
					t.Errorf("got %v, %v", v, err)
				}
				return
			}
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestFaultsNameTheMethodAndHaveTheStack(t *testing.T) {
	t.Parallel()
	err := contain.Do("Record", io.Discard, func() { panic("boom") })
	var fault *contain.FaultError
	if !errors.As(err, &fault) || !strings.HasPrefix(fault.Who, "Record of io.discard") || !strings.Contains(fault.Stack, "TestFaultsName") {
		t.Errorf("fault %+v", fault)
	}
}

// What heeds nothing is left behind, Patience after its context has ended.
func TestValueOfWhatBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := contain.Value(ctx, "Commit", nil, func() (int, error) {
			time.Sleep(time.Hour)
			return 7, nil
		})
		var fault *contain.FaultError
		if took := time.Since(began); took != time.Minute+contain.Patience || !errors.As(err, &fault) {
			t.Errorf("after %v: %v", took, err)
		}
		time.Sleep(time.Hour) // it ends, too
	})
}

// A Gate lets nobody through while an earlier call is stuck, and everybody after that.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g contain.Gate
		var calls atomic.Int64
		call := func(d time.Duration) error {
			return g.Do("Handle", nil, func() {
				calls.Add(1)
				time.Sleep(d)
			})
		}
		first, second := call(time.Minute), call(0)
		if first == nil || second == nil || calls.Load() != 1 {
			t.Errorf("%d calls: %v, %v; want one, and both to fail", calls.Load(), first, second)
		}
		time.Sleep(time.Minute)
		if err := call(time.Second); err != nil || calls.Load() != 2 {
			t.Errorf("%d calls: %v; want two, the last without fault", calls.Load(), err)
		}
	})
}

type wild struct {
	error

	unwrap func() error
	is     func() bool
}

func (w *wild) Unwrap() error {
	if w.unwrap == nil {
		return nil
	}
	return w.unwrap()
}

func (w *wild) Is(error) bool { return w.is != nil && w.is() }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestTame(t *testing.T) {
	t.Parallel()
	cycle := &wild{error: errors.New("cycle")}
	cycle.unwrap = func() error { return cycle }
	many := make([]error, 5000)
	for i := range many {
		many[i] = fmt.Errorf("error %d", i)
	}
	for name, test := range map[string]struct {
		err  error
		want string // "": the error itself
	}{
		"good":         {fmt.Errorf("read: %w", io.EOF), ""},
		"many":         {errors.Join(many...), ""},
		"nil pointer":  {(*nilError)(nil), "a *contain_test.nilError whose methods fail"},
		"cycle":        {cycle, "cycle (a *contain_test.wild that wraps itself)"},
		"cycle inside": {fmt.Errorf("read: %w", cycle), "read: cycle (a *fmt.wrapError that wraps itself)"},
		"Unwrap exits": {&wild{error: io.EOF, unwrap: func() error { runtime.Goexit(); return nil }}, "a *contain_test.wild whose methods fail"},
		"Is panics":    {&wild{error: io.EOF, is: func() bool { panic("is") }}, "a *contain_test.wild whose methods fail"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := contain.Tame(test.err)
			if test.want == "" {
				if got != test.err { //nolint:errorlint // the very same
					t.Errorf("got %v, want the error itself", got)
				}
				return
			}
			if got.Error() != test.want || errors.Unwrap(got) != nil {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
	if contain.Tame(nil) != nil {
		t.Error("an error out of nothing")
	}
}
