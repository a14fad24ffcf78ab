package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/backend/local"
)

func TestMain(m *testing.M) {
	agent.Main() // backends that start agents start this test binary
	goleak.VerifyTestMain(m)
}

func TestGuidePrintsWhatItsPagesSay(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := `inproc: 10 10
local: 3 10
true
hello true
[7 0 0 9]
1 false
2 true
[1 2] <nil>
the function failed: expected integer
did you mean guide.parse?
$0.465
3 <nil>
false <nil>
3 lines
[1 4 9] <nil>
1 <nil>
4 <nil>
9 <nil>
[8 9] <nil>
2 0
[1 4 9] <nil>
36 <nil>
49 <nil>
[1 4 9]
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// A pool of goroutines: no process is started, and a debugger sees the function.
func TestSquares(t *testing.T) {
	pool, err := lambdapool.New(inproc.New())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	squares, err := lambdapool.Map(t.Context(), pool, Square, []int{1, 2, 3})
	if err != nil || len(squares) != 3 || squares[2] != 9 {
		t.Errorf("squares %v, %v", squares, err)
	}
}

// A bad day, rehearsed: every call's agent dies. What may run twice is tried again, and then given up.
func TestCrash(t *testing.T) {
	b, err := local.New(local.WithFaults(local.Faults{Seed: 1, Crash: 1}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	pool, err := lambdapool.New(b, lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 2, BaseDelay: time.Millisecond}))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = lambdapool.Call(t.Context(), pool, Parse, "7")
	if !errors.Is(err, lambdapool.ErrAgentCrashed) {
		t.Errorf("the error is %v", err)
	}
	if n := b.FaultCounts()[local.FaultCrash]; n != 2 { // so it did happen, and there was a second attempt
		t.Errorf("%d crashes, want 2", n)
	}
}
