package engine

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// busyBackend answers only when the context ends, and refuses while refuse is set.
type busyBackend struct{ refuse bool }

func (b *busyBackend) Limits() driver.Limits { return driver.Limits{Workers: 1} }
func (b *busyBackend) Invoke(ctx context.Context, _ *driver.Request) (*driver.Response, error) {
	if b.refuse {
		return nil, &driver.InvokeError{Outcome: driver.OutcomeNotRun, Kind: driver.ErrThrottled, Err: errors.New("429"), RetryAfter: 5 * time.Second}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func cancelNow(p *Promise) { p.Cancel(driver.ErrCanceled, context.Canceled, "") }

// Whatever ends a call, and wherever it waits then, nothing of the executor keeps it or its
// arguments: not behind a head that is busy for long, nor for the rest of its time.
func TestEndedCallsLeaveNothingBehind(t *testing.T) {
	const n = 300
	take := function(t, true)
	hedging := schedule.DefaultHedgePolicy()
	for name, tc := range map[string]struct {
		refuse bool
		cfg    Config
		end    func(*Promise, context.CancelFunc)
	}{
		"canceled in the queue":             {end: func(p *Promise, _ context.CancelFunc) { cancelNow(p) }},
		"context ended in the queue":        {end: func(_ *Promise, cancel context.CancelFunc) { cancel() }},
		"timed out in the queue":            {cfg: Config{Policy: Policy{Timeout: time.Second}}, end: func(*Promise, context.CancelFunc) { time.Sleep(time.Second) }},
		"canceled with an hour left":        {cfg: Config{Policy: Policy{Timeout: time.Hour}}, end: func(p *Promise, _ context.CancelFunc) { cancelNow(p) }},
		"canceled before another attempt":   {refuse: true, end: func(p *Promise, _ context.CancelFunc) { cancelNow(p) }},
		"context ended before another":      {refuse: true, end: func(_ *Promise, cancel context.CancelFunc) { cancel() }},
		"canceled in flight, with a watch":  {cfg: Config{Hedging: &hedging, Workers: n + 1}, end: func(p *Promise, _ context.CancelFunc) { cancelNow(p) }},
		"timed out in flight, with a watch": {cfg: Config{Hedging: &hedging, Workers: n + 1, Policy: Policy{Timeout: time.Second}}, end: func(*Promise, context.CancelFunc) { time.Sleep(time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := tc.cfg
				cfg.Workers = max(cfg.Workers, 1)
				e := newTest(&busyBackend{refuse: tc.refuse}, cfg)
				head := new(Promise)
				e.Accept(head, taker{}, t.Context(), take, nil, true, nil)
				if tc.cfg.Workers == 0 && tc.cfg.Policy.Timeout == 0 || e.policy.Timeout > time.Minute {
					defer cancelNow(head)
				}
				var args []weak.Pointer[byte]
				for range n {
					ctx, cancel := context.WithCancel(t.Context())
					p, encoded := new(Promise), make([]byte, 1000)
					args = append(args, weak.Make(&encoded[0]))
					e.Accept(p, taker{}, ctx, take, encoded, true, nil)
					synctest.Wait()
					tc.end(p, cancel)
					cancel()
					<-p.Done()
					synctest.Wait()
				}
				runtime.GC()
				kept := 0
				for _, p := range args {
					if p.Value() != nil {
						kept++
					}
				}
				if kept > 1 { // the last may be on a stack
					t.Errorf("the arguments of %d of %d ended calls are kept", kept, n)
				}
				e.mu.Lock()
				if live := e.live.n; len(e.later.heap) > live || len(e.expiring.heap) > live || len(e.hedges.watched) > live || len(e.groups) > live {
					t.Errorf("%d calls live, %d wait for another attempt, %d for the end of their time, %d are watched, %d contexts",
						live, len(e.later.heap), len(e.expiring.heap), len(e.hedges.watched), len(e.groups))
				}
				e.mu.Unlock()
				if err := e.Close(); err != nil {
					t.Error(err)
				}
				if len(e.later.heap)+len(e.expiring.heap)+len(e.hedges.watched)+len(e.ready.singles.parties)+len(e.ready.runs.parties) > 0 {
					t.Error("a closed executor keeps calls")
				}
			})
		})
	}
}

// A delayQueue gives back the memory of a crowd.
func TestDelayQueueShrinks(t *testing.T) {
	q := delayQueue{place: laterPlace}
	at := time.Now()
	calls := make([]*Call, 100_000)
	for i := range calls {
		calls[i] = &Call{Promise: new(Promise)}
		q.push(calls[i], at.Add(time.Duration(i*7919%100_003)))
	}
	for i, c := range calls { // again, at the same time: it is in once
		q.push(c, at.Add(time.Duration(i*7919%100_003)))
	}
	if len(q.heap) != len(calls) {
		t.Fatalf("%d places for %d calls", len(q.heap), len(calls))
	}
	for i, c := range calls {
		if i%2 == 0 {
			q.remove(c)
			q.remove(c)
		}
	}
	due, next := q.due(at.Add(50_000))
	for i := 1; i < len(due); i++ {
		if due[i].inLater != 0 {
			t.Fatal("a call that is due is still in the queue")
		}
	}
	if len(due)+len(q.heap) != 50_000 || !next.After(at.Add(50_000)) {
		t.Errorf("%d due, %d left, the next at %v", len(due), len(q.heap), next.Sub(at))
	}
	for _, c := range calls {
		q.remove(c)
	}
	if len(q.heap) != 0 || cap(q.heap) > 1024 {
		t.Errorf("%d left, room for %d", len(q.heap), cap(q.heap))
	}
}
