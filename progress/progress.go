// Package progress shows how far a run has come: a live bar on a terminal,
// plain lines elsewhere, JSON for machines. Each is a
// [github.com/lambdapool/lambdapool.MapOption]:
//
//	results, err := lambdapool.Map(ctx, pool, resize, images, progress.Bar(os.Stderr))
//
// On a terminal a run takes two lines, which are redrawn ten times a second
// and give way to one line of summary when it ends:
//
//	resize ━━━━━━━━━━━━━━━━━━━━━──────────────────────  52%   5,200/10,000  ETA 6s    813/s
//	  256 running  4,544 queued  3 failed  12 retried  40 throttled  614 s billed  $0.0103
//
// Several runs may share a terminal: their bars lie below each other. What else
// is written to it should go through [Writer], which keeps it above the bars.
// The cursor is never hidden, each update is one write of whole lines, and no
// signal is caught: an interrupt leaves the terminal as it should be.
//
// Colors are used unless the environment has NO_COLOR. A terminal of the type
// "dumb", and the console of Windows, get plain lines.
package progress

import (
	"errors"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/lambdapool/lambdapool"
)

// An Option configures [Bar] or [JSON].
type Option func(*config)

type config struct {
	name     string
	interval time.Duration
	plain    bool

	now      func() time.Time
	terminal func(io.Writer) *terminal
}

// defaultInterval is often enough to see that a job lives, and seldom enough
// for its log to be read.
const defaultInterval = 10 * time.Second

func newConfig(opts []Option) config {
	cfg := config{interval: defaultInterval, now: time.Now, terminal: openTerminal}
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	return cfg
}

// Name sets what the run is called. The default is the function's name.
func Name(name string) Option {
	return func(c *config) { c.name = name }
}

// Interval sets how often a plain line, or one of JSON, is written. The default
// is 10 s. With zero or less there is a line for each update, of which the
// executor makes up to ten a second. The live bar does not depend on it.
func Interval(d time.Duration) Option {
	return func(c *config) { c.interval = d }
}

// Plain asks for plain lines on a terminal too.
func Plain() Option {
	return func(c *config) { c.plain = true }
}

// Bar shows a run on w: live if w is an *os.File that is a terminal, as plain
// lines at intervals otherwise; one line of summary ends it. Errors of writing
// are ignored: a lost terminal does not fail a run. w must not be nil.
//
// The option that Bar returns serves one run at a time.
func Bar(w io.Writer, opts ...Option) lambdapool.MapOption {
	if w == nil {
		return noWriter
	}
	return lambdapool.Progress(newBar(w, newConfig(opts)))
}

// newBar chooses how to show a run on w.
func newBar(w io.Writer, cfg config) func(lambdapool.Snapshot) {
	if !cfg.plain {
		if t := cfg.terminal(w); t != nil {
			return (&liveBar{out: w, terminal: t, cfg: cfg}).update
		}
	}
	return (&plainBar{out: w, cfg: cfg}).update
}

// noWriter is a MapOption, whose parameter has no name outside lambdapool.
func noWriter[C any](*C) error {
	return errors.New("progress: the writer is nil; pass os.Stderr")
}

// A plainBar writes lines.
type plainBar struct {
	out io.Writer
	cfg config

	mu   sync.Mutex
	next time.Time // zero: before the run
}

func (b *plainBar) update(s lambdapool.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := b.cfg.label(s)
	switch now := b.cfg.now(); {
	case s.Final:
		b.next = time.Time{}
		printLine(b.out, name+": "+summary(s, noColors))
	case b.next.IsZero() && b.cfg.interval > 0:
		// Nothing is known yet; a short run needs no more than its summary.
		b.next = now.Add(b.cfg.interval)
	case !now.Before(b.next):
		b.next = now.Add(b.cfg.interval)
		printLine(b.out, name+": "+strings.Join(plainParts(s), ", "))
	}
}

// label names a run. What could move the cursor is left out.
func (c config) label(s lambdapool.Snapshot) string {
	name := c.name
	if name == "" {
		name = s.Func
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
}
