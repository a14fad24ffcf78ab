package service

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
)

// exhausted is a pool that can start no agent; it says when it is asked for one.
type exhausted func()

func (e exhausted) Acquire() (*sandbox.Sandbox, error) {
	e()
	return nil, errors.New("no more processes")
}

func (exhausted) Run(*sandbox.Sandbox, *sandbox.Invocation) (sandbox.Result, bool, error) {
	panic("there is no environment")
}
func (exhausted) Freed() <-chan struct{}       { return nil }
func (exhausted) Find(string) *sandbox.Sandbox { return nil }
func (exhausted) Close()                       {}

// An event for which no agent can be started is not to blame: it tries again less and
// less often, which costs it none of its retries, until it is too old.
func TestEventsOutlastErrorsOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var log bytes.Buffer
		var tries []time.Duration
		fn := &Function{cfg: Config{Spec: sandbox.Spec{Logger: slog.New(slog.NewTextHandler(&log, nil))}}}
		fn.pool = exhausted(func() { tries = append(tries, time.Since(began)) })
		e := newEvents(fn)
		fn.events = e
		over := time.Duration(0)
		inv := &sandbox.Invocation{ID: "1", Payload: []byte("{}")}
		if refused := e.push(inv, func() { over = time.Since(began) }, Terms{Age: 15 * time.Minute}); refused != nil {
			t.Fatal(refused.Message)
		}
		time.Sleep(time.Hour)
		e.close()
		e.finish()
		seconds := []int{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811}
		var want []time.Duration
		for _, s := range seconds {
			want = append(want, time.Duration(s)*time.Second)
		}
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Error(diff)
		}
		if over != 15*time.Minute || !strings.Contains(log.String(), `msg="event dropped" request=1 why="too old"`) {
			t.Errorf("it was over after %v, log %q", over, log.String())
		}
	})
}
