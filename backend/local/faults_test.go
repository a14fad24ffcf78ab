package local_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

func TestEachFault(t *testing.T) {
	t.Parallel()
	type outcome struct {
		kind    error // nil: an answer
		outcome lambdapool.Outcome
		runs    int
	}
	lost := func(runs int) outcome {
		return outcome{lambdapool.ErrUnknownOutcome, lambdapool.OutcomeUnknown, runs}
	}
	for _, c := range []struct {
		kind   local.Fault
		faults local.Faults
		want   outcome
	}{
		{local.FaultThrottle, local.Faults{Throttle: local.Throttle{Limit: func(time.Duration) int { return 0 }}}, outcome{lambdapool.ErrThrottled, lambdapool.OutcomeNotRun, 0}},
		{local.FaultRefuse, local.Faults{Refuse: 1}, outcome{lambdapool.ErrThrottled, lambdapool.OutcomeNotRun, 0}},
		{local.FaultErrorBefore, local.Faults{ErrorBefore: 1}, lost(0)},
		{local.FaultErrorAfter, local.Faults{ErrorAfter: 1}, lost(1)},
		{local.FaultResetBefore, local.Faults{ResetBefore: 1}, lost(0)},
		{local.FaultResetAfter, local.Faults{ResetAfter: 1}, lost(1)},
		{local.FaultSlow, local.Faults{Slow: 1, SlowFor: 80 * time.Millisecond}, outcome{runs: 1}},
		{local.FaultStraggle, local.Faults{Straggle: 1, StraggleBy: 3}, outcome{runs: 1}},
		{local.FaultOutOfMemory, local.Faults{OutOfMemory: 1}, outcome{lambdapool.ErrOutOfMemory, lambdapool.OutcomeRan, 1}},
		{local.FaultCrash, local.Faults{Crash: 1}, outcome{lambdapool.ErrAgentCrashed, lambdapool.OutcomeRan, 1}},
		{local.FaultColdStart, local.Faults{ColdStart: 80 * time.Millisecond}, outcome{runs: 1}},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			t.Parallel()
			b := open(t, as("handler"), local.WithFaults(c.faults))
			// Such a run outlives an agent that is to die, but for its beginning.
			path := filepath.Join(t.TempDir(), "runs")
			payload := must(json.Marshal(job{Do: "touch and sleep", Text: path, N: 40}))
			eventually(t, "the agent dies after its function has begun", func() bool {
				_ = os.Remove(path)
				began := time.Now()
				resp, err := b.Invoke(t.Context(), &lambdapool.Request{Payload: payload})
				took := time.Since(began)
				var got outcome
				if data, err := os.ReadFile(path); err == nil {
					got.runs = len(data)
				}
				if invoke, ok := errors.AsType[*lambdapool.InvokeError](err); ok {
					got.kind, got.outcome = invoke.Kind, invoke.Outcome
				}
				if got.runs < c.want.runs && got.kind == c.want.kind && c.want.outcome == lambdapool.OutcomeRan {
					return false
				}
				if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(outcome{}), cmpopts.EquateErrors()); diff != "" {
					t.Errorf("%v\n%s", err, diff)
				}
				switch {
				case c.kind == local.FaultStraggle && (took < 120*time.Millisecond || resp == nil || resp.Duration < 120*time.Millisecond):
					t.Errorf("a straggler took %v: %+v", took, resp)
				case c.kind == local.FaultSlow && took < 120*time.Millisecond:
					t.Errorf("a slow answer took %v", took)
				case c.kind == local.FaultColdStart && (resp == nil || resp.Init < 80*time.Millisecond):
					t.Errorf("a cold start took %+v", resp)
				}
				return true
			})
			for kind, n := range b.FaultCounts() {
				if (n > 0) != (kind == c.kind) {
					t.Errorf("%d faults of kind %v", n, kind)
				}
			}
		})
	}
}

func TestSpoiltAnswers(t *testing.T) {
	t.Parallel()
	const whole = `"a result of some length"`
	spoil := func(t *testing.T, f local.Faults, n int) (replies []reply, cut int) {
		t.Helper()
		b := open(t, as("handler"), local.WithFaults(f))
		for range n {
			r, err := try(t, b, request{body: []byte(whole)})
			if err != nil {
				cut++
			}
			replies = append(replies, r)
		}
		return replies, cut
	}
	t.Run("truncated", func(t *testing.T) {
		t.Parallel()
		replies, cut := spoil(t, local.Faults{Truncate: 1}, 30)
		for _, r := range replies {
			if r.status != http.StatusOK || len(r.body) >= len(whole) || !strings.HasPrefix(whole, r.body) {
				t.Errorf("%d %q", r.status, r.body)
			}
		}
		if cut == 0 || cut == len(replies) {
			t.Errorf("%d of %d answers end before their length, want about half", cut, len(replies))
		}
	})
	t.Run("corrupt", func(t *testing.T) {
		t.Parallel()
		replies, cut := spoil(t, local.Faults{Corrupt: 1}, 30)
		same := 0
		for _, r := range replies {
			if len(r.body) != len(whole) {
				t.Errorf("%d bytes, want %d", len(r.body), len(whole))
			}
			if r.body == whole {
				same++ // two changes can undo each other, but not often
			}
		}
		if cut > 0 || same > 1 {
			t.Errorf("%d answers were cut, %d not changed", cut, same)
		}
	})
}

func TestRefusalsAndServerErrorsAreLambdas(t *testing.T) {
	t.Parallel()
	statuses, reasons, later := map[int]int{}, map[string]int{}, map[string]int{}
	b := open(t, as("handler"), local.WithFaults(local.Faults{Refuse: 0.6, ErrorBefore: 0.4}))
	for range 200 {
		r := send(t, b, request{body: []byte("1")})
		statuses[r.status]++
		if r.status == http.StatusTooManyRequests {
			reasons[result429(t, r)]++
			later[r.header.Get("Retry-After")]++
		}
	}
	if len(statuses) != 5 || statuses[500] == 0 || statuses[502] == 0 || statuses[503] == 0 || statuses[504] == 0 {
		t.Errorf("statuses %v", statuses)
	}
	if len(reasons) != 6 || len(later) != 2 || later["1"] == 0 {
		t.Errorf("reasons %v, Retry-After %v", reasons, later)
	}

	b = open(t, as("handler"), local.WithFaults(local.Faults{Throttle: local.Throttle{
		Limit: func(time.Duration) int { return 0 }, Reason: "CallerRateLimitExceeded", RetryAfter: 1500 * time.Millisecond,
	}}))
	r := send(t, b, request{body: []byte("1")})
	if r.status != http.StatusTooManyRequests || result429(t, r) != "CallerRateLimitExceeded" || r.header.Get("Retry-After") != "2" {
		t.Errorf("%d %s %v", r.status, r.body, r.header)
	}
}

func result429(t *testing.T, r reply) string {
	t.Helper()
	var body struct{ Reason string }
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || r.errorType() != "TooManyRequestsException" {
		t.Errorf("%v: %s %s", err, r.errorType(), r.body)
	}
	return body.Reason
}

func TestResetIsAReset(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithFaults(local.Faults{ResetAfter: 1}))
	if _, err := try(t, b, request{body: []byte("1")}); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want %v", err, syscall.ECONNRESET)
	}
}

func TestStaleAgents(t *testing.T) {
	t.Parallel()
	b := open(t, local.WithFaults(local.Faults{Stale: 1}))
	e, err := lambdapool.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = lambdapool.Call(t.Context(), e, greet, "Ada")
	if !errors.Is(err, lambdapool.ErrVersionMismatch) || !strings.Contains(err.Error(), "client func(string) int, agent func(stale.Build)") {
		t.Errorf("%v", err)
	}
	// What is no call is answered as ever.
	if r := send(t, b, request{body: []byte(`"` + base64.StdEncoding.EncodeToString([]byte("no frame")) + `"`)}); r.header.Get("X-Amz-Function-Error") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := b.FaultCounts()[local.FaultStale]; got != 1 {
		t.Errorf("%d stale agents, want 1", got)
	}
}

// The same seed makes the same faults, in whatever order requests arrive.
func TestFaultsAreReproducible(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) map[local.Fault]int64 {
		b := open(t, as("handler"), local.WithConcurrency(8), local.WithFaults(local.Faults{
			Seed: seed, Refuse: 0.1, ErrorBefore: 0.1, ErrorAfter: 0.1, ResetBefore: 0.1, ResetAfter: 0.1, Truncate: 0.1, Corrupt: 0.1,
		}))
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 25 {
					// How each ends is not the question here, how many end how is.
					_, _ = b.Invoke(context.Background(), &lambdapool.Request{Payload: []byte("1")})
				}
			})
		}
		callers.Wait()
		return b.FaultCounts()
	}
	first := run(7)
	if diff := cmp.Diff(first, run(7)); diff != "" {
		t.Error(diff)
	}
	if maps.Equal(first, run(8)) {
		t.Error("another seed makes the same faults")
	}
	for kind, n := range first {
		if kind >= local.FaultRefuse && kind <= local.FaultCorrupt && (n < 5 || n > 40) {
			t.Errorf("%d faults of kind %v, want about 20", n, kind)
		}
	}
}

// Nothing that waits for a fault's sake holds Close up.
func TestCloseDoesNotWaitForFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]local.Faults{
		"slow answers": {Slow: 1, SlowFor: time.Hour},
		"stragglers":   {Straggle: 1, StraggleBy: 1e6},
		"cold starts":  {ColdStart: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, as("handler"), local.WithFaults(f), local.WithInitTimeout(15*time.Minute))
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = b.Invoke(context.Background(), &lambdapool.Request{Payload: []byte(`{"do":"sleep","n":20}`)})
			}()
			eventually(t, "the fault has begun", func() bool {
				sum := int64(0)
				for _, n := range b.FaultCounts() {
					sum += n
				}
				return sum > 0
			})
			began := time.Now()
			if err := b.Close(); err != nil || time.Since(began) > 5*time.Minute { // a third of what it would wait
				t.Errorf("Close: %v after %v", err, time.Since(began))
			}
			<-ended
		})
	}
}

func TestFaultsAreChecked(t *testing.T) {
	t.Parallel()
	nan := must(strconv.ParseFloat("NaN", 64))
	for _, c := range []struct {
		faults local.Faults
		want   string
	}{
		{local.Faults{Crash: -0.1}, "Crash is -0.1, must be from 0 to 1"},
		{local.Faults{Refuse: 1.1}, "Refuse is 1.1, must be from 0 to 1"},
		{local.Faults{Stale: nan}, "Stale is NaN, must be from 0 to 1"},
		{local.Faults{Truncate: 0.6, Corrupt: 0.6}, "the fractions from Refuse to Stale add up to 1.2, must be at most 1"},
		{local.Faults{EventDrop: 1.5}, "EventDrop is 1.5, must be from 0 to 1"},
		{local.Faults{EventDrop: 0.6, EventCrash: 0.6}, "the fractions of events add up to 1.2, must be at most 1"},
		{local.Faults{Slow: 0.1}, "SlowFor is 0s, must be positive"},
		{local.Faults{Straggle: 0.1, StraggleBy: 1}, "StraggleBy is 1, must be above 1"},
		{local.Faults{Straggle: 0.1, StraggleBy: nan}, "StraggleBy is NaN"},
		{local.Faults{ColdStart: -1}, "ColdStart is -1ns, must not be negative"},
		{local.Faults{Throttle: local.Throttle{Rate: -1}}, "Throttle.Rate is -1, must not be negative"},
		{local.Faults{Throttle: local.Throttle{Burst: -1}}, "Throttle.Burst is -1, must not be negative"},
		{local.Faults{Throttle: local.Throttle{Burst: 1, Ramp: nan}}, "Throttle.Ramp is NaN, must not be negative"},
		{local.Faults{Throttle: local.Throttle{Ramp: 1}}, "Throttle.Ramp needs a Burst"},
		{local.Faults{Throttle: local.Throttle{RetryAfter: -1}}, "Throttle.RetryAfter is -1ns, must not be negative"},
		{local.Faults{Throttle: local.Throttle{Reason: "Busy"}}, `Throttle.Reason is "Busy", must be one of [Concurrent`},
	} {
		b, err := local.New(local.WithFaults(c.faults))
		if err == nil {
			t.Errorf("want an error with %q", c.want)
			_ = b.Close()
			continue
		}
		if !strings.HasPrefix(err.Error(), "lambdapool: local: faults: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want …%s…", err, c.want)
		}
	}
	tenth := local.Faults{
		Refuse: 0.1, ErrorBefore: 0.1, ErrorAfter: 0.1, ResetBefore: 0.1, ResetAfter: 0.1,
		Truncate: 0.1, Corrupt: 0.1, Crash: 0.1, OutOfMemory: 0.1, Stale: 0.1, // which is not quite 1
		EventDrop: 0.5, EventDuplicate: 0.5,
	}
	open(t, local.WithFaults(tenth))
	if name := local.Fault(200).String(); name != "none" {
		t.Errorf("an unknown kind is %q", name)
	}
}
