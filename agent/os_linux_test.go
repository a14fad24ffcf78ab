package agent_test

import (
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/agent"
)

var loaded = time.Now()

// A start that took long before this package was initialized is measured all
// the same; a short one is not blurred by the kernel's clock.
func TestSinceStart(t *testing.T) {
	const long = 200 * time.Millisecond
	<-time.After(long - time.Since(loaded))
	now := time.Now()
	if got, least := agent.SinceStart(now), now.Sub(loaded)-20*time.Millisecond; got < least || got > patience {
		t.Errorf("the process has been running for %v, want %v at least", got, least)
	}
	before := now.Add(-time.Hour)
	if got := agent.SinceStart(before); got < time.Hour || got > time.Hour+patience {
		t.Errorf("begun an hour ago, running for %v", got)
	}
}
