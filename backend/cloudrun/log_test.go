package cloudrun_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
)

// Where the log may be read, the error of a death says what the log does; elsewhere it has the link alone.
func TestPostmortem(t *testing.T) {
	c, google := startGoogle(t, googlelocal.Options{})
	name := c.create(settings{instances: 1, concurrency: 1, memory: "256Mi"})
	google.Allow(invoker, name)
	open := func() *cloudrun.Backend {
		b := c.open(name)
		b.AskLog(patience, time.Hour)
		return b
	}
	die := func(t *testing.T, b *cloudrun.Backend, o order) *lambdapool.PoolError {
		t.Helper()
		_, err := lambdapool.Call(soon(t), executor(t, b), work, o)
		pool := poolError(t, err)
		if !errors.Is(err, lambdapool.ErrUnknownOutcome) || pool.Outcome != lambdapool.OutcomeUnknown || !strings.Contains(pool.Hint, "console.cloud.google.com/logs") {
			t.Errorf("%s: %v, outcome %v", o.Do, err, pool.Outcome)
		}
		return pool
	}
	for what, tt := range map[string]struct {
		order order
		says  []string
	}{
		"exit":   {order{"exit", 3}, []string{"Cloud Run's log says: Container called exit(3);", "only an idempotent one"}},
		"memory": {order{"hoard", 0}, []string{"Memory limit of 256 MiB exceeded", "give the service more memory"}},
	} {
		t.Run(what, func(t *testing.T) {
			pool := die(t, open(), tt.order)
			for _, want := range tt.says {
				if !strings.Contains(pool.Hint, want) {
					t.Errorf("%q, want %q", pool.Hint, want)
				}
			}
			if !strings.Contains(pool.LogTail, "serving HTTP") {
				t.Errorf("the instance has printed %q", pool.LogTail)
			}
		})
	}
	t.Run("one question after the other", func(t *testing.T) {
		b := open()
		die(t, b, order{"exit", 3})
		if pool := die(t, b, order{"exit", 3}); !strings.Contains(pool.Hint, "crashed, ran out of memory or did not start") {
			t.Errorf("%q", pool.Hint)
		}
	})
	t.Run("without the right", func(t *testing.T) {
		c.Revoke("roles/logging.viewer", invoker, "")
		defer c.Grant("roles/logging.viewer", invoker, "")
		b := open()
		for range 2 {
			if pool := die(t, b, order{"exit", 3}); !strings.Contains(pool.Hint, "crashed, ran out of memory or did not start") || pool.LogTail != "" {
				t.Errorf("%q, %q", pool.Hint, pool.LogTail)
			}
		}
	})
}
