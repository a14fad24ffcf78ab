package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/contain"
	"github.com/lambdapool/lambdapool/internal/payload"
)

// Complain logs err, which it returns, if it is a fault of a function of the program's:
// that has a stack, and perhaps no call that can tell of it. Each function is logged
// once in complainEvery, since what fails once often fails for every call.
func (e *Executor) Complain(name string, err error) error {
	var fault *contain.FaultError
	if err == nil || !errors.As(err, &fault) {
		return err
	}
	logger := contain.Logger(slog.Default()) // the executor may be nil: OnDone of a call that it never had
	if e != nil {
		logger = e.on.Logger
		if !e.complaints.due(fault.Who) {
			return err
		}
	}
	attrs := []any{"func", name, "error", fault.Error()}
	if fault.Stack != "" {
		attrs = append(attrs, "stack", fault.Stack)
	}
	logger.Error("lambdapool: a function of the program's failed", attrs...)
	return err
}

// complaints are when whose faults were logged last.
type complaints struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether who may be complained about again.
func (c *complaints) due(who string) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, again := c.last[who]; again && now.Sub(at) < complainEvery {
		return false
	}
	if c.last == nil {
		c.last = map[string]time.Time{}
	}
	c.last[who] = now
	return true
}

const complainEvery = 10 * time.Second

// Inspect asks a backend what New must know, and contains it: the first mistake of a
// new backend shows here, such as a nil pointer in the interface.
func Inspect(b driver.Backend) (limits driver.Limits, s payload.Storage, err error) {
	ask := func(what string, f func() error) {
		if err == nil {
			_, err = contain.Value(contain.Ended, what, b, func() (struct{}, error) { return struct{}{}, f() })
		}
	}
	if faulty, ok := b.(interface{ Err() error }); ok {
		ask("Err", faulty.Err)
	}
	ask("Limits", func() error { limits = b.Limits(); return checkLimits(b, &limits) })
	if storer, ok := b.(driver.Storer); ok {
		ask("Store", func() error {
			s.Store, s.Option = storer.Store(), storer.StoreOption()
			if s.Store != nil {
				s.Threshold = s.Store.Threshold()
			}
			return nil
		})
	}
	return limits, s, err
}

// closeBackend closes a backend that the executor owns.
func closeBackend(b io.Closer) error {
	ctx, cancel := context.WithTimeout(context.Background(), payload.Cleanup)
	defer cancel()
	_, err := contain.Value(ctx, "Close", b, func() (struct{}, error) { return struct{}{}, b.Close() })
	return err
}
