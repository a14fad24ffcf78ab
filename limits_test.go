package lambdapool_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
)

// growing is a backend whose platform's law becomes known late.
type growing struct {
	*inproc.Backend

	mu       sync.Mutex
	burst    int
	watchers int
	begun    int // of them, so far
	tell     func(driver.Limits)
}

func (g *growing) Limits() lambdapool.Limits {
	limits := g.Backend.Limits()
	limits.Workers, limits.Burst = 100, g.burst
	return limits
}

func (g *growing) WatchLimits(f func(driver.Limits)) (stop func()) {
	f(g.Limits())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tell = f
	g.watchers++
	g.begun++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.watchers--
	}
}

func (g *growing) grow(burst int) {
	g.burst = burst
	g.tell(g.Limits())
}

// What waits for the law starts as soon as the backend knows a better one, and nobody is told of it after Close.
func TestLimitsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &growing{Backend: inproc.New(inproc.WithConcurrency(100)), burst: 2}
		e := executor(t, b)
		start := time.Now()
		var futures []*lambdapool.Future[time.Duration]
		for range 20 {
			futures = append(futures, lambdapool.Submit(t.Context(), e, sleep, time.Second))
		}
		time.Sleep(40 * time.Millisecond)
		if n := e.Stats().InFlight; n != 2 {
			t.Errorf("%d in flight by a law of two", n)
		}
		b.grow(20)
		if _, err := lambdapool.Collect(t.Context(), futures...); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 1040*time.Millisecond {
			t.Errorf("took %v: 18 calls can start after 40 ms", took)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if b.watchers != 0 {
			t.Errorf("%d watch the limits after Close", b.watchers)
		}
	})
}

// A change between Limits and WatchLimits is not missed.
func TestLimitsGrowEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executor(t, &early{growing{Backend: inproc.New(inproc.WithConcurrency(100)), burst: 1}})
		start := time.Now()
		if _, err := lambdapool.Map(t.Context(), e, sleep, []time.Duration{time.Second, time.Second}, lambdapool.ChunkSize(1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v: two can start at once", took)
		}
	})
}

type early struct{ growing }

func (b *early) WatchLimits(f func(driver.Limits)) func() {
	b.burst = 2
	return b.growing.WatchLimits(f)
}

// A watch that begins after nobody waits for it any more is ended at once, whether the executor is still open or not.
func TestLateWatchLimits(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed %v", closed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &tardy{growing{Backend: inproc.New(), burst: 1}}
				var log bytes.Buffer
				start := time.Now()
				e := executor(t, b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				if took := time.Since(start); took != contain.Patience || !strings.Contains(log.String(), "WatchLimits of *lambdapool_test.tardy has not returned") {
					t.Errorf("New took %v, and logged: %s", took, log.String())
				}
				if closed {
					if err := e.Close(); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(contain.Patience)
				synctest.Wait()
				if b.begun != 1 || b.watchers != 0 {
					t.Errorf("%d watches began, and %d go on; want 1 and none", b.begun, b.watchers)
				}
			})
		})
	}
}

// A tardy backend begins to watch its limits when an executor has lost its patience.
type tardy struct{ growing }

func (b *tardy) WatchLimits(f func(driver.Limits)) func() {
	time.Sleep(contain.Patience + time.Second)
	return b.growing.WatchLimits(f)
}

// A backend that panics when it is asked keeps the limits that New was told.
func TestFaultyWatchLimits(t *testing.T) {
	var log bytes.Buffer
	e := executor(t, unwatchable{Backend: inproc.New()}, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if got, err := lambdapool.Call(t.Context(), e, double, 4); err != nil || got != 8 {
		t.Errorf("%d, %v", got, err)
	}
	if !strings.Contains(log.String(), "WatchLimits of lambdapool_test.unwatchable") {
		t.Errorf("logged: %s", log.String())
	}
}

type unwatchable struct{ *inproc.Backend }

func (unwatchable) WatchLimits(func(driver.Limits)) func() { panic("not today") }
