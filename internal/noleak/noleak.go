// Package noleak holds tests to leaving no goroutine behind. It is goleak without the hurry:
// goleak gives goroutines half a second to end, and those of closed connections need more on
// a busy machine.
package noleak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end.
const patience = time.Minute

// Main runs the tests and ends the process, with an error if one failed or if goroutines are left.
func Main(m *testing.M, options ...goleak.Option) { os.Exit(Run(m, options...)) }

// Run is Main for who has something to do before the process ends.
func Run(m *testing.M, options ...goleak.Option) (code int) { return After(m.Run(), options...) }

// After is what remains of Run for who closes something between the tests and the look: code is what the tests ended
// with.
func After(code int, options ...goleak.Option) int {
	if code != 0 {
		return code
	}
	if err := find(patience, options...); err != nil {
		fmt.Fprintf(os.Stderr, "left by the tests: %v\n", err)
		return 1
	}
	return 0
}

// Check fails t if goroutines are left.
func Check(t testing.TB, options ...goleak.Option) {
	t.Helper()
	if err := find(patience, options...); err != nil {
		t.Error(err)
	}
}

// find waits for goroutines to end, and returns those that do not.
func find(patience time.Duration, options ...goleak.Option) error {
	for began := time.Now(); ; {
		err := goleak.Find(options...)
		if err == nil || time.Since(began) > patience {
			return err
		}
	}
}
