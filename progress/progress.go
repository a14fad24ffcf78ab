// Package progress shows how far a run has come: a live bar on a terminal, plain lines
// elsewhere, JSON for machines. Each is a [github.com/lambdapool/lambdapool.MapOption]:
//
//	results, err := lambdapool.Map(ctx, pool, resize, images, progress.Bar(os.Stderr))
//
// Use [Bar] where people look, and [JSON] where a program does. For a display of your own,
// lambdapool.Progress gives you the numbers. For a look at a run afterwards, package report has
// more.
//
// On a terminal a run takes two lines, which are redrawn ten times a second and give way to one
// line of summary when it ends:
//
//	resize ━━━━━━━━━━━━━━━━━━━━━──────────────────────  52%   5,200/10,000  ETA 6s    813/s
//	  256 running  4,544 queued  3 failed  12 retried  40 throttled  614 s billed  $0.0103
//
// The percentage is of items that have ended by themselves, with a value or an error. It is
// rounded down, so 100% means all. Items of a large chunk end together. Where nothing ends for a
// second, the bar goes on at the pace so far, at most as far as what runs, and the percentage has
// a ~ before it: "~54%". The count beside it is always what has ended. The cost is an estimate: see
// package price.
//
// Words that are not there count zero. They mean:
//
//	running           items that have been sent and not answered
//	queued            items that wait for a worker, or for their next attempt
//	failed            items that ended in an error of their own
//	canceled          items that ended because the run did
//	from the journal  items that an earlier run has computed; they were not sent
//	retried           items that were sent again; a throttle is none
//	throttled         requests that the platform refused; nothing is lost by one
//	hedged            duplicates of slow requests
//	cold starts       invocations that had to start an agent
//	s billed          seconds that the platform charges
//
// This package may know the root, price and a terminal. It reads numbers and decides nothing:
// whatever changes a run must never enter it.
//
// Several runs may share a terminal: their bars lie below each other. What else is written to
// it should go through [Writer], which keeps it above the bars. The cursor is never hidden,
// each update is one write of whole lines, and no signal is caught: an interrupt leaves the
// terminal as it should be.
//
// Colors are used unless the environment has NO_COLOR. A terminal of the type "dumb", and the
// console of Windows, get plain lines.
package progress

import (
	"cmp"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// An Option configures [Bar] or [JSON]. Nil fails the run before it begins. Where the same
// option is given twice, the last one counts.
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

func newConfig(opts []Option) (config, error) {
	cfg := config{interval: defaultInterval, now: time.Now, terminal: openTerminal}
	for _, opt := range opts {
		if opt == nil {
			return cfg, errors.New("progress: an option is nil; leave it out")
		}
		opt(&cfg)
	}
	return cfg, nil
}

// Name sets what the run is called. The default is the function's name. Use it where one
// function is mapped several times, so that a reader can tell the runs apart. [Bar] leaves out
// characters that are invisible or could move the cursor.
func Name(name string) Option {
	return func(c *config) { c.name = name }
}

// Interval sets how often a plain line, or one of [JSON], is written. The default is 10 s:
// often enough to see that a job lives, and seldom enough for its log to be read. A run that is
// shorter has one line, its summary. With zero or less there is a line for each update, of
// which the executor makes up to ten a second. The live bar does not depend on it.
func Interval(d time.Duration) Option {
	return func(c *config) { c.interval = d }
}

// Plain asks for plain lines on a terminal too, for example because a screen reader is in use
// or the output is copied. [JSON] does not need it.
func Plain() Option {
	return func(c *config) { c.plain = true }
}

// Bar shows a run on w: live if w is an *os.File that is a terminal, as plain lines at
// intervals otherwise. One line of summary ends it. w is usually os.Stderr, so that results on
// os.Stdout stay clean.
//
// Errors of writing are ignored: a lost terminal does not fail a run. A w that blocks holds up
// the display, and the end of the run by at most five seconds, not the calls. A nil w fails the
// run before it begins.
//
// The option that Bar returns serves one run at a time. It may be used again for the next.
func Bar(w io.Writer, opts ...Option) lambdapool.MapOption {
	return option(w, opts, newBar)
}

// option is that of a display, or of what is wrong with it.
func option(w io.Writer, opts []Option, display func(io.Writer, config) func(lambdapool.Snapshot)) lambdapool.MapOption {
	if w == nil {
		return lambdapool.InvalidOption(errors.New("progress: the writer is nil; pass os.Stderr"))
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return lambdapool.InvalidOption(err)
	}
	return lambdapool.Progress(display(w, cfg))
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

// A plainBar writes lines.
type plainBar struct {
	out io.Writer
	cfg config

	mu   sync.Mutex
	next time.Time // zero: before the run
}

// update writes a line when one is due, and the summary at the end.
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

// label names a run. What could move the cursor, is invisible or turns text around is
// left out.
func (c config) label(s lambdapool.Snapshot) string {
	return strings.Map(func(r rune) rune {
		if !legible.Shown(r) {
			return -1
		}
		return r
	}, cmp.Or(c.name, s.Func))
}
