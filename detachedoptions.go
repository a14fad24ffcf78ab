package lambdapool

import (
	"errors"
	"fmt"
	"time"

	"github.com/lambdapool/lambdapool/internal/detached"
)

// How long detached runs live unless they say otherwise.
const (
	// defaultRetention is how long a run is kept.
	defaultRetention = 7 * 24 * time.Hour

	// defaultEventAge is how long a request may wait where the backend does not say: as
	// long as AWS Lambda keeps it.
	defaultEventAge = 6 * time.Hour
)

// detachedConfig are the options of detached runs.
type detachedConfig struct {
	name          string // "": chosen
	startWithin   time.Duration
	retention     time.Duration
	failOnTimeout bool
	resend        bool
}

// RunName names a detached run: letters, digits, '-', '_' and '.', at most 128 bytes.
// Starting a run of the same name, function and input again goes on with it: what is
// sent is not sent again, what is recorded is not run again. The default is a new name
// that begins with the time.
func RunName(name string) MapOption {
	return func(c *mapConfig) error {
		if err := detached.CheckID(name); err != nil {
			return fmt.Errorf("RunName: %w", err)
		}
		c.detached.name = name
		return nil
	}
}

// StartWithin bounds how long the calls of a detached run may wait for an agent, from
// when the run begins. What has not begun by then never will, and is reported as
// [ErrExpired]. The default is what the platform allows: six hours on AWS Lambda.
func StartWithin(d time.Duration) MapOption {
	return func(c *mapConfig) error {
		const least = time.Minute
		if d < least {
			return fmt.Errorf("StartWithin(%v): must be at least %v", d, least)
		}
		c.detached.startWithin = d
		return nil
	}
}

// Retention sets how long a detached run and its results are kept, from when the run
// begins; whoever cleans up deletes it then. The default is seven days.
func Retention(d time.Duration) MapOption {
	return func(c *mapConfig) error {
		const least = time.Hour
		if d < least {
			return fmt.Errorf("Retention(%v): must be at least %v", d, least)
		}
		c.detached.retention = d
		return nil
	}
}

// FailOnTimeout has [Run.Wait] and [Run.Results] end at the first call that was not
// finished in time: its function's time was up, it expired, or its agent died. The
// default is partial results: each such call has its error, and the others their values.
func FailOnTimeout() MapOption {
	return func(c *mapConfig) error {
		c.detached.failOnTimeout = true
		return nil
	}
}

// Resend has a run that is started again under its name send all calls once more that no agent
// has begun, although the platform has accepted them: for one that has lost its queue, as
// `lambdapool local` does when it ends. It is harmless otherwise: of two deliveries one runs.
func Resend() MapOption {
	return func(c *mapConfig) error {
		c.detached.resend = true
		return nil
	}
}

// forMaps refuses what only detached runs have.
func (c *mapConfig) forMaps() error {
	if c.detached != (detachedConfig{}) {
		return errors.New("RunName, StartWithin, Retention, Resend and FailOnTimeout are of detached runs: use MapDetached")
	}
	return nil
}

// forDetached refuses what only runs have for which the caller waits.
func (c *mapConfig) forDetached() error {
	switch {
	case c.window > 0:
		return errors.New("Window does not apply to a detached run: its items are all sent")
	case c.journal != nil:
		return errors.New("a detached run needs no journal: its results are recorded in the object store")
	case c.budget != (Budget{}):
		return errors.New("WithBudget does not apply to a detached run: nobody is there to stop it")
	case c.continueOnError:
		return errors.New("ContinueOnError does not apply to a detached run: it always goes on; see FailOnTimeout")
	}
	return nil
}
