package awslambda_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/logging"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// A call whose reply is lost without a trace ends a margin after the
// function's timeout, which is read from its configuration where that is allowed.
func TestLostWithoutATrace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options []awslambda.Option
		config  func(http.ResponseWriter)
		lookups int64
		ends    bool
	}{
		{"given", []awslambda.Option{awslambda.WithFunctionTimeout(10 * time.Millisecond)}, nil, 0, true},
		{"read", nil, func(w http.ResponseWriter) { fmt.Fprint(w, `{"FunctionName":"algorithms","Timeout":1}`) }, 1, true},
		{"not allowed", nil, func(w http.ResponseWriter) {
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
		}, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var lookups atomic.Int64
			release := make(chan struct{})
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.Method == http.MethodGet {
					if r.URL.Path != "/2015-03-31/functions/algorithms/configuration" || r.URL.Query().Get("Qualifier") != "live" {
						t.Errorf("lookup at %s", r.URL)
					}
					lookups.Add(1)
					tt.config(w)
					return
				}
				<-release
			})
			defer close(release)
			// The configuration would like to see everything in the log.
			var logged bytes.Buffer
			cfg := f.config()
			cfg.Logger = logging.NewStandardLogger(&logged)
			cfg.ClientLogMode = aws.LogSigning | aws.LogRequestWithBody | aws.LogResponseWithBody
			b := f.open(t, append(tt.options, awslambda.WithConfig(cfg), awslambda.WithQualifier("live"))...)
			// What could not be sent or looked up in that time has more of it.
			for margin := 20 * time.Millisecond; ; margin *= 2 {
				awslambda.SetGuardMargin(b, margin)
				ctx := t.Context()
				if !tt.ends {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 16*margin)
					defer cancel()
				}
				resp, err := b.Invoke(ctx, &lambdapool.Request{Payload: []byte(payload)})
				e := failure(t, resp, err)
				if (e.Outcome == lambdapool.OutcomeNotRun || lookups.Load() < tt.lookups) && margin < time.Minute {
					continue
				}
				if e.Outcome != lambdapool.OutcomeUnknown || !errors.Is(e, lambdapool.ErrTimeout) || strings.Contains(e.Error(), "lost without a trace") != tt.ends {
					t.Errorf("%v: outcome %v", e, e.Outcome)
				}
				break
			}
			if logged.Len() > 0 {
				t.Errorf("logged: %s", &logged)
			}
			if got := lookups.Load(); got != tt.lookups {
				t.Errorf("%d lookups, want %d", got, tt.lookups)
			}
		})
	}
}
