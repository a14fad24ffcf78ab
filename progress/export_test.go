package progress

import (
	"io"
	"time"

	"github.com/lambdapool/lambdapool"
)

// Show and ShowJSON are what Bar and JSON hand to the executor.
func Show(w io.Writer, opts ...Option) func(lambdapool.Snapshot) {
	return newBar(w, good(opts))
}

func ShowJSON(w io.Writer, opts ...Option) func(lambdapool.Snapshot) {
	return newJSON(w, good(opts))
}

func good(opts []Option) config {
	cfg, err := newConfig(opts)
	if err != nil {
		panic(err)
	}
	return cfg
}

// OnTerminal has any writer taken for a terminal.
func OnTerminal(size func() (columns, rows int), color, unicode bool) Option {
	return func(c *config) {
		c.terminal = func(io.Writer) *terminal {
			return &terminal{size: size, color: colors(color), unicode: unicode}
		}
	}
}

// At sets the clock.
func At(now func() time.Time) Option { return func(c *config) { c.now = now } }

// Screens counts the terminals that have bars.
func Screens() int {
	screens.Lock()
	defer screens.Unlock()
	return len(screens.of)
}

var (
	ShowsUnicode = showsUnicode
	Span         = span
	Count        = count
	Rate         = rate
	Sweep        = sweep
)
