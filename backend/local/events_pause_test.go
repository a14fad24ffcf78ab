package local

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An event for which no agent can be started is not to blame: it tries again less and
// less often, which costs it none of its retries, until it is too old.
func TestEventsOutlastErrorsOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var log bytes.Buffer
		var tries []time.Duration
		fn := &function{cfg: config{logger: slog.New(slog.NewTextHandler(&log, nil))}}
		fn.pool = newPool(1, time.Minute, func() (*sandbox, error) {
			tries = append(tries, time.Since(began))
			return nil, errors.New("no more processes")
		})
		e := newEvents(fn)
		fn.events = e
		over := time.Duration(0)
		inv := &invocation{id: "1", payload: []byte("{}"), over: func() { over = time.Since(began) }}
		if refused := e.push(inv, eventTerms{age: 15 * time.Minute}); refused != nil {
			t.Fatal(refused.message)
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
