package failure_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/codec"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/failure"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/registry"
)

func TestMain(m *testing.M) { noleak.Main(m) }

func TestPoolMatchesKindAndCause(t *testing.T) {
	t.Parallel()
	p := failure.NotRun("submit", "sqrt", driver.ErrEncode, fs.ErrInvalid, "send less")
	if !errors.Is(p, driver.ErrEncode) || !errors.Is(p, fs.ErrInvalid) || errors.Is(p, driver.ErrDecode) {
		t.Errorf("%v does not match its kind and its cause alone", p)
	}
	if p.Outcome != driver.OutcomeNotRun || p.Attempts != 0 {
		t.Errorf("%+v: nothing has run", *p)
	}
	if got := failure.NotRun("submit", "sqrt", driver.ErrClosed, nil, "").Unwrap(); len(got) != 1 || got[0] != driver.ErrClosed { //nolint:errorlint // the very one
		t.Errorf("of a kind alone it wraps %v", got)
	}
	if got := new(failure.Pool).Unwrap(); len(got) != 0 {
		t.Errorf("an empty one wraps %v", got)
	}
}

func TestPoolText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pool failure.Pool
		want string
	}{
		{failure.Pool{Op: "close"}, "lambdapool: close"},
		{failure.Pool{Op: "call", Func: "f", Kind: driver.ErrTimeout, Err: driver.ErrTimeout}, "lambdapool: call f: timed out"},
		{
			failure.Pool{Op: "call", Func: "f", Kind: driver.ErrThrottled, Err: errors.New("429"), Hint: "wait", RequestID: "r-1"},
			"lambdapool: call f: throttled: 429 (wait) [request r-1]",
		},
		{failure.Pool{Op: "call", Func: "f", Err: errors.New("request r-1 was lost"), RequestID: "r-1"}, "lambdapool: call f: request r-1 was lost"},
		{failure.Pool{Op: "call", Func: "f", Err: errors.New("red \x1b[31m")}, `lambdapool: call f: red \x1b[31m`},
	} {
		if got := tt.pool.Error(); got != tt.want {
			t.Errorf("%+v says %q, want %q", tt.pool, got, tt.want)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	p := failure.NotRun("call", "f", driver.ErrClosed, nil, "")
	said := &failure.Function{Wire: &codec.Error{Message: "no such user"}}
	for _, tt := range []struct {
		err  error
		want *failure.Pool
	}{
		{p, p},
		{fmt.Errorf("somebody says: %w", p), nil},
		{said, nil},
		{nil, nil},
	} {
		if got := failure.Of(tt.err); got != tt.want {
			t.Errorf("of %v: %v, want %v", tt.err, got, tt.want)
		}
	}
	if said.Error() != "no such user" {
		t.Errorf("the function said %q", said)
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the user left")
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	plain, stop := context.WithCancel(t.Context())
	stop()
	late, done := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer done()
	for _, tt := range []struct {
		name        string
		ctx         context.Context
		kind        error
		cause       []error
		sameAsCause bool
	}{
		{"canceled", plain, driver.ErrCanceled, []error{context.Canceled}, true},
		{"with a cause", canceled, driver.ErrCanceled, []error{context.Canceled, why}, false},
		{"late", late, driver.ErrTimeout, []error{context.DeadlineExceeded}, true},
	} {
		kind, cause := failure.Context(tt.ctx)
		if !errors.Is(kind, tt.kind) {
			t.Errorf("%s: kind %v", tt.name, kind)
		}
		for _, want := range tt.cause {
			if !errors.Is(cause, want) {
				t.Errorf("%s: cause %v, want %v", tt.name, cause, want)
			}
		}
		if same := cause == tt.ctx.Err(); same != tt.sameAsCause { //nolint:errorlint // the very one
			t.Errorf("%s: cause %v is the context's: %t", tt.name, cause, same)
		}
	}
}

// A wild error's methods do what no error's should.
type wild struct{ how func() }

func (w wild) Error() string { w.how(); return "wild" }

func TestTame(t *testing.T) {
	t.Parallel()
	if failure.Tame(nil) != nil {
		t.Error("nothing became an error")
	}
	good := &driver.InvokeError{Kind: driver.ErrThrottled, Err: errors.New("429"), RetryAfter: time.Second}
	if got := failure.Tame(good); got != error(good) { //nolint:errorlint // the very one
		t.Errorf("a good one became %v", got)
	}
	for name, err := range map[string]error{
		"panics":  wild{func() { panic("no") }},
		"ends":    wild{runtime.Goexit},
		"nothing": nil,
		"another": &driver.InvokeError{Err: errors.New("below")},
	} {
		of := &driver.InvokeError{Outcome: driver.OutcomeRan, Kind: driver.ErrTooLarge, Err: err, Permanent: true, RequestID: "r"}
		var got *driver.InvokeError
		if !errors.As(failure.Tame(of), &got) {
			t.Errorf("%s: no InvokeError is left", name)
			continue
		}
		if got.Outcome != driver.OutcomeRan || !got.Permanent || got.RequestID != "r" || !errors.Is(got, driver.ErrTooLarge) {
			t.Errorf("%s: what was said of the attempt is lost: %+v", name, got)
		}
		if text := got.Error(); !strings.Contains(text, "too large") {
			t.Errorf("%s: says %q", name, text)
		}
	}
	if got := failure.Tame(wild{func() { panic("no") }}); got == nil || !strings.Contains(got.Error(), "whose methods fail") {
		t.Errorf("of a wild one: %v", got)
	}
}

func TestItemsAndProblems(t *testing.T) {
	t.Parallel()
	_, err := registry.Resolve(registry.New(nil), "sqrt")
	pool := failure.Of(failure.Problem(err))
	if pool == nil || pool.Op != "submit" || pool.Func != "sqrt" || pool.Outcome != driver.OutcomeNotRun || !errors.Is(pool, driver.ErrNotRegistered) || pool.Hint == "" {
		t.Fatalf("the failure of %v is %+v", err, pool)
	}
	if got := failure.Problem(fs.ErrClosed); got != fs.ErrClosed { //nolint:errorlint // the very one
		t.Errorf("another's error became %v", got)
	}
	item := &failure.Item{Index: 3, Err: pool}
	if !errors.Is(item, driver.ErrNotRegistered) || !strings.HasPrefix(item.Error(), "item 3: lambdapool: submit sqrt") {
		t.Errorf("the item's says %q", item)
	}
}

func TestWhatABackendSaid(t *testing.T) {
	t.Parallel()
	said := &driver.InvokeError{Outcome: driver.OutcomeRan, Kind: driver.ErrStore, Err: fs.ErrPermission, Hint: "sign in", RequestID: "r"}
	got := *failure.Invoke("start run of", "f", said)
	want := failure.Pool{Op: "start run of", Func: "f", Outcome: driver.OutcomeRan, Kind: driver.ErrStore, Err: fs.ErrPermission, Hint: "sign in", RequestID: "r"}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
