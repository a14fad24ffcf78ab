package cloudrun_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// ledger, in the environment of a container, is the file in which its functions note that they have begun.
const ledger = "TEST_LEDGER"

var (
	once  = lambdapool.Register("cloudrun.once", note)
	again = lambdapool.Register("cloudrun.again", note, lambdapool.Idempotent())
)

func note(_ context.Context, n int) (int, error) {
	f, err := os.OpenFile(os.Getenv(ledger), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, n); err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Millisecond)
	return 2 * n, nil
}

// entries reads the ledger: how often each item began.
func entries(t *testing.T, file string) map[int]int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begun := map[int]int{}
	for line := range strings.Lines(string(data)) {
		var n int
		if _, err := fmt.Sscanln(line, &n); err == nil {
			begun[n]++
		}
	}
	return begun
}

const items = 240

// chaos makes a service whose instances are killed while it lasts.
func chaos(t *testing.T) (*lambdapool.Executor, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, runlocal.Options{})
	name := c.create(settings{instances: 3, concurrency: 2, env: map[string]string{ledger: file}})
	c.asInvoker(name)
	e := executor(t, c.open(name), lambdapool.WithTimeout(patience), lambdapool.WithRetry(lambdapool.RetryPolicy{MaxAttempts: 30, MaxDelay: 100 * time.Millisecond}))
	var over sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); over.Wait() })
	random := rand.New(rand.NewPCG(1, 2))
	over.Go(func() {
		for ctx.Err() == nil {
			c.Crash(name)
			select {
			case <-time.After(time.Duration(50+random.IntN(100)) * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	return e, file
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Whatever happens to instances: an item has a value and ran once, or nobody knows and it ran at most once.
func TestNothingTwice(t *testing.T) {
	e, file := chaos(t)
	values, err := lambdapool.Map(soon(t), e, once, upTo(items), lambdapool.ContinueOnError(), lambdapool.ChunkSize(2))
	lost := map[int]bool{}
	if err != nil {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
			item, ok := errors.AsType[*lambdapool.ItemError](err)
			if !ok || !errors.Is(err, lambdapool.ErrUnknownOutcome) || poolError(t, err).Outcome != lambdapool.OutcomeUnknown {
				t.Fatalf("%v; want an item whose outcome is unknown", err)
			}
			lost[item.Index] = true
		}
	}
	begun := entries(t, file)
	for n := range items {
		switch {
		case begun[n] > 1:
			t.Errorf("item %d ran %d times", n, begun[n])
		case lost[n]:
		case begun[n] != 1 || values[n] != 2*n:
			t.Errorf("item %d ran %d times, and has %d", n, begun[n], values[n])
		}
	}
	t.Logf("%d of %d items are unknown", len(lost), items)
}

// Idempotent items all have their value in the end.
func TestNothingLost(t *testing.T) {
	e, _ := chaos(t)
	values, err := lambdapool.Map(soon(t), e, again, upTo(items), lambdapool.ContinueOnError(), lambdapool.ChunkSize(2))
	if err != nil {
		t.Error(err)
	}
	for n, v := range values {
		if v != 2*n {
			t.Errorf("item %d has %d", n, v)
		}
	}
}

// A deployment while a run goes on costs no call: instances of the old revision finish what they have.
func TestDeploymentsDuringARun(t *testing.T) {
	if !apart.Here(t) {
		return
	}
	c := start(t, runlocal.Options{})
	name := c.create(settings{instances: 2, concurrency: 2})
	c.asInvoker(name)
	e := executor(t, c.open(name))
	var over sync.WaitGroup
	defer over.Wait()
	done := make(chan struct{})
	defer close(done)
	over.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			labels := map[string]any{"labels": map[string]string{"n": fmt.Sprint(n)}}
			if err := c.Update(t.Context(), name, "labels", labels); err != nil {
				t.Error(err)
				return
			}
		}
	})
	orders := make([]order, 200)
	for i := range orders {
		orders[i] = order{"wait", 20}
	}
	pids, err := lambdapool.Map(soon(t), e, work, orders, lambdapool.ChunkSize(1))
	if err != nil {
		t.Error(err)
	}
	seen := map[int]bool{}
	for _, pid := range pids {
		seen[pid] = true
	}
	t.Logf("%d processes answered", len(seen))
}
