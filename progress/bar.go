package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/lambdapool/lambdapool"
)

const (
	maxLabel  = 24 // columns
	minFiller = 14 // columns of bar that texts beside it leave
)

// A liveBar shows a run on a terminal. The screen's goroutine draws it from the
// last Snapshot; an update costs no more than storing one.
type liveBar struct {
	out      io.Writer
	terminal *terminal
	cfg      config

	run    sync.Mutex // guards what follows: held by update
	screen *screen    // nil: before the run
	bar    *mpb.Bar

	mu   sync.Mutex // guards what follows: held by update and while drawing
	last lambdapool.Snapshot
	at   time.Time // when it came
	far  estimate
}

// update takes a Snapshot. The first one adds the bar, the last one replaces it by the summary.
func (b *liveBar) update(s lambdapool.Snapshot) {
	b.run.Lock()
	defer b.run.Unlock()
	b.mu.Lock()
	b.last, b.at = s, b.cfg.now()
	b.far.saw(s)
	b.mu.Unlock()
	if b.screen == nil {
		b.screen, b.bar = addBar(b.out, b.terminal, b.filler(),
			mpb.PrependDecorators(decor.Any(b.label, decor.WCSyncWidthR)),
			mpb.AppendDecorators(decor.Any(b.numbers)),
			mpb.BarExtender(mpb.BarFillerFunc(b.details), false))
	}
	if s.Final {
		b.screen.removeBar(b.bar, b.cfg.label(s)+": "+summary(s, b.terminal.color))
		b.screen, b.bar = nil, nil
	}
}

// view returns the last Snapshot with the time that has passed since: a run in
// which nothing ends for a while does not look dead.
func (b *liveBar) view() lambdapool.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.last
	since := max(b.cfg.now().Sub(b.at), 0)
	s.Elapsed += since
	if s.ETA >= 0 {
		s.ETA = max(s.ETA-since, 0)
	}
	return s
}

// reached is how far a bar is drawn, and whether that is an estimate.
func (b *liveBar) reached(s lambdapool.Snapshot) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.far.at(s)
}

// label keeps its columns: a long name does not push the bar away.
func (b *liveBar) label(decor.Statistics) string {
	return runewidth.Truncate(b.cfg.label(b.view()), maxLabel, "~")
}

// numbers are beside the bar. They keep their columns while they grow.
func (b *liveBar) numbers(stat decor.Statistics) string {
	s := b.view()
	var parts []part
	if s.Total >= 0 {
		total := count(s.Total)
		parts = append(parts,
			part{b.percent(s), plain},
			part{fmt.Sprintf("%*s/%s", len(total), count(processed(s)), total), plain})
	} else {
		parts = append(parts, part{" " + count(processed(s)) + " done", plain})
	}
	if s.ETA >= 0 {
		parts = append(parts, part{fmt.Sprintf("ETA %-6s", span(s.ETA)), plain})
	}
	parts = append(parts, part{fmt.Sprintf("%7s", rate(s.Rate)), plain})
	return b.fit(parts, stat.AvailableWidth-minFiller)
}

// percent has a mark if it is an estimate. The count beside it never is one.
func (b *liveBar) percent(s lambdapool.Snapshot) string {
	n, estimated := b.reached(s)
	text := fmt.Sprintf("%d%%", share(n, s.Total))
	if estimated {
		text = "~" + text
	}
	return fmt.Sprintf("%4s", text)
}

// details are the line below.
func (b *liveBar) details(w io.Writer, stat decor.Statistics) error {
	s := b.view()
	parts := append([]part{{"  " + span(s.Elapsed), plain}}, details(s)...)
	_, err := io.WriteString(w, b.fit(parts, stat.AvailableWidth)+"\n")
	return err
}

// fit joins as many parts as there is room for.
func (b *liveBar) fit(parts []part, columns int) string {
	var line strings.Builder
	for i, p := range parts {
		gap := ""
		if i > 0 {
			gap = "  "
		}
		columns -= len(gap) + runewidth.StringWidth(p.text)
		if columns < 0 {
			break
		}
		line.WriteString(gap)
		line.WriteString(b.terminal.color.paint(p.text, p.color))
	}
	return line.String()
}

func (b *liveBar) filler() mpb.BarFiller {
	done, left := "=", "-"
	style := mpb.BarStyle()
	if b.terminal.unicode {
		done, left = "━", "─"
		style = style.Lbound("").Rbound("").Filler(done).Tip(done).Padding(left)
	}
	green := func(text string) string { return b.terminal.color.paint(text, green) }
	dim := func(text string) string { return b.terminal.color.paint(text, dim) }
	bar := style.FillerMeta(green).TipMeta(green).PaddingMeta(dim).Build()
	return mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		s := b.view()
		n, _ := b.reached(s)
		if s.Total < 0 || n == 0 && s.Running > 0 && s.Elapsed >= quiet { // there is no pace yet to estimate by
			before, block, after := sweep(stat.AvailableWidth, s.Elapsed)
			_, err := io.WriteString(w, dim(strings.Repeat(left, before))+green(strings.Repeat(done, block))+dim(strings.Repeat(left, after)))
			return err
		}
		stat.Total, stat.Current, stat.Completed = int64(s.Total), int64(n), false
		return bar.Fill(w, stat)
	})
}

// sweep moves a block to and fro: work is done, but nobody knows how much is left.
func sweep(width int, elapsed time.Duration) (before, block, after int) {
	if width <= 0 {
		return 0, 0, 0
	}
	block = max(width/5, 1)
	free := width - block
	if free == 0 {
		return 0, block, 0
	}
	before = int(elapsed/refresh) % (2 * free)
	if before > free {
		before = 2*free - before
	}
	return before, block, free - before
}
