package local_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/local"
)

// startFails is the variable with which an agent of these tests fails to start.
const startFails = "TEST_START_FAILS"

// thisProcess names it.
var thisProcess = rand.Text()

func init() {
	agent.OnStart(func(context.Context) error {
		if why := os.Getenv(startFails); why != "" {
			return errors.New(why)
		}
		return nil
	})
}

// leaving has its agent end after three calls, and says which it is.
var leaving = lambdapool.Register("test.Leaving", func(_ context.Context, client string) (string, error) {
	if client != thisProcess {
		agent.MaxCallsPerAgent(3)
	}
	return thisProcess, nil
})

// Agents end after so many calls, isolated or not, and no call is lost or sent twice: single calls and chunks.
func TestMaxCallsPerAgent(t *testing.T) {
	t.Parallel()
	for _, isolated := range []bool{true, false} {
		for _, chunk := range []int{1, 2, 5} {
			t.Run(fmt.Sprint(isolated, chunk), func(t *testing.T) {
				t.Parallel()
				b := open(t, local.WithConcurrency(1), local.WithIsolation(isolated))
				e, err := lambdapool.New(b)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = e.Close() })
				agents, err := lambdapool.Map(t.Context(), e, leaving, slices.Repeat([]string{"another"}, 20), lambdapool.ChunkSize(chunk), lambdapool.Parallel(1))
				if err != nil {
					t.Fatal(err)
				}
				most := (3 + chunk - 1) / chunk * chunk // it ends between invocations
				for i, name := range slices.Compact(agents) {
					n := 0
					for _, other := range agents {
						if other == name {
							n++
						}
					}
					if n > most {
						t.Errorf("agent %d ran %d calls, %d are allowed", i, n, most)
					}
				}
				if s := e.Stats(); s.Retries > 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// An agent that cannot start says why, and lives on: it is no crash loop.
func TestAgentThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, isolated := range []bool{true, false} {
		t.Run(fmt.Sprint(isolated), func(t *testing.T) {
			t.Parallel()
			b := open(t, local.WithConcurrency(1), local.WithIsolation(isolated), local.WithEnv(map[string]string{startFails: "the model is not there"}))
			e, err := lambdapool.New(b)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			for range 3 {
				_, err := lambdapool.Call(t.Context(), e, leaving, thisProcess)
				var pool *lambdapool.PoolError
				if !errors.Is(err, lambdapool.ErrAgentStart) || !errors.As(err, &pool) || pool.Outcome != lambdapool.OutcomeNotRun ||
					!strings.Contains(err.Error(), "the model is not there") || !strings.Contains(err.Error(), "agents_test.go:") {
					t.Errorf("%v", err)
				}
			}
			_, err = lambdapool.Map(t.Context(), e, leaving, []string{"a", "b", "c"}, lambdapool.ContinueOnError())
			if n := len(slices.Collect(lambdapool.ItemErrors(err))); n != 3 || !errors.Is(err, lambdapool.ErrAgentStart) {
				t.Errorf("%d items: %v", n, err)
			}
			if s := e.Stats(); s.ColdStarts > 1 || s.Retries > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
