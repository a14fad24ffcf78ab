package lambdapool_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
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

// mistaken is a backend whose limits are somebody's mistake.
type mistaken struct {
	*inproc.Backend

	limits lambdapool.Limits
}

func (m mistaken) Limits() lambdapool.Limits { return m.limits }

// badLimits are one mistake each, and the field that an error about it names.
var badLimits = []struct {
	field string
	spoil func(*lambdapool.Limits)
}{
	{"Workers is -1", func(l *lambdapool.Limits) { l.Workers = -1 }},
	{"Request is -2", func(l *lambdapool.Limits) { l.Request = -2 }},
	{"Response is -3", func(l *lambdapool.Limits) { l.Response = -3 }},
	{"Burst is -4", func(l *lambdapool.Limits) { l.Burst = -4 }},
	{"Timeout is -1s", func(l *lambdapool.Limits) { l.Timeout = -time.Second }},
	{"Granularity is -1ns", func(l *lambdapool.Limits) { l.Granularity = -1 }},
	{"Wait is -1m0s", func(l *lambdapool.Limits) { l.Wait = -time.Minute }},
	{"PerGBSecond is NaN", func(l *lambdapool.Limits) { l.PerGBSecond = math.NaN() }},
	{"PerGBSecond is -0.5", func(l *lambdapool.Limits) { l.PerGBSecond = -0.5 }},
	{"PerRequest is NaN", func(l *lambdapool.Limits) { l.PerRequest = math.NaN() }},
	{"PerRequest is +Inf", func(l *lambdapool.Limits) { l.PerRequest = math.Inf(1) }},
	{"Ramp is NaN", func(l *lambdapool.Limits) { l.Ramp = math.NaN() }},
	{"Ramp is -Inf", func(l *lambdapool.Limits) { l.Ramp = math.Inf(-1) }},
	{"Rate is NaN", func(l *lambdapool.Limits) { l.Rate = math.NaN() }},
	{"Rate is -10", func(l *lambdapool.Limits) { l.Rate = -10 }},
}

// New refuses limits that nobody can compute with, and says whose they are.
func TestBadLimits(t *testing.T) {
	t.Parallel()
	good := lambdapool.Limits{
		Workers: 2, Request: 1 << 20, Response: 1 << 20, Timeout: time.Minute, Granularity: time.Millisecond, Wait: time.Second,
		PerGBSecond: 1e-5, PerRequest: 1e-7, Burst: 10, Ramp: 1, Rate: 10,
	}
	for _, limits := range []lambdapool.Limits{{}, good} {
		e, err := lambdapool.New(mistaken{inproc.New(), limits})
		if err != nil {
			t.Fatalf("%+v: %v", limits, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range badLimits {
		for _, limits := range []lambdapool.Limits{{}, good} {
			bad.spoil(&limits)
			_, err := lambdapool.New(mistaken{inproc.New(), limits})
			if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "backend lambdapool_test.mistaken: "+bad.field+": must be") {
				t.Errorf("%s: %v", bad.field, err)
			}
		}
	}
}

// EventLimits are mistaken when they are asked for.
func (m mistakenEvents) EventLimits() lambdapool.EventLimits { return m.events }

type mistakenEvents struct {
	*inproc.Backend

	events lambdapool.EventLimits
}

// A detached run does not begin where the limits of its requests are nonsense.
func TestBadEventLimits(t *testing.T) {
	t.Parallel()
	for want, limits := range map[string]lambdapool.EventLimits{
		"Request is -1":  {Request: -1, Age: time.Hour},
		"Age is -1h0m0s": {Age: -time.Hour},
		"Retries is -2":  {Age: time.Hour, Retries: -2},
	} {
		e := executor(t, mistakenEvents{inproc.New(), limits})
		_, err := lambdapool.MapDetached(t.Context(), e, sleep, []time.Duration{0})
		if !errors.Is(err, lambdapool.ErrBadArguments) || !strings.Contains(err.Error(), "backend lambdapool_test.mistakenEvents: "+want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What a backend learns late is left out if nobody can compute with it: the limits before hold.
func TestBadLimitsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := &growing{Backend: inproc.New(inproc.WithConcurrency(100)), burst: 2}
		e := executor(t, b, lambdapool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		var futures []*lambdapool.Future[time.Duration]
		for range 4 {
			futures = append(futures, lambdapool.Submit(t.Context(), e, sleep, time.Second))
		}
		synctest.Wait()
		for _, bad := range badLimits {
			limits := b.Limits()
			limits.Burst = 100
			bad.spoil(&limits)
			b.tell(limits)
		}
		synctest.Wait()
		if n := e.Stats().InFlight; n != 2 {
			t.Errorf("%d in flight by a law of two", n)
		}
		if n := strings.Count(log.String(), "Workers is -1"); n != 1 || strings.Count(log.String(), "left out") != 1 {
			t.Errorf("logged: %s", &log)
		}
		b.grow(20)
		if _, err := lambdapool.Collect(t.Context(), futures...); err != nil {
			t.Fatal(err)
		}
	})
}
