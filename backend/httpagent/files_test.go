package httpagent_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/httpagent"
)

// A process that may open no further file sends nothing, and its user hears what to raise.
func TestNoFileForAConnection(t *testing.T) {
	t.Parallel()
	b := open(t, "http://127.0.0.1:1", httpagent.WithHTTPTransport(func(tr *http.Transport) {
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
	}))
	_, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: []byte("{}")})
	e, ok := errors.AsType[*lambdapool.InvokeError](err)
	if !ok || !errors.Is(err, syscall.EMFILE) || e.Outcome != lambdapool.OutcomeNotRun || e.Permanent || !strings.Contains(e.Hint, "ulimit -n") {
		t.Errorf("%v: %+v; want not run, not permanent, and a hint that names ulimit -n", err, e)
	}
}
