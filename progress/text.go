package progress

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/english"
	"github.com/lambdapool/lambdapool/price"
)

// plainParts are what a plain line says of a run that goes on.
func plainParts(s lambdapool.Snapshot) []string {
	var parts []string
	if s.Total >= 0 {
		parts = append(parts, fmt.Sprintf("%s/%s (%d%%)", count(processed(s)), count(s.Total), percent(s)))
	} else {
		parts = append(parts, count(processed(s))+" done")
	}
	for _, p := range details(s) {
		parts = append(parts, p.text)
	}
	parts = append(parts, rate(s.Rate))
	if s.ETA >= 0 {
		parts = append(parts, "ETA "+span(s.ETA))
	}
	return append(parts, span(s.Elapsed)+" elapsed")
}

// A part is a piece of a line. What matters most comes first, since a narrow
// terminal loses the last.
type part struct {
	text  string
	color color
}

// details are the numbers that change all the time, then those that should stay zero.
func details(s lambdapool.Snapshot) []part {
	parts := []part{{count(s.Running) + " running", plain}, {count(s.Queued) + " queued", plain}}
	return append(parts, events(s)...)
}

// events are the counts that are left out while they are zero.
func events(s lambdapool.Snapshot) []part {
	var parts []part
	add := func(n int, what string, c color) {
		if n > 0 {
			parts = append(parts, part{count(n) + " " + what, c})
		}
	}
	add(s.Failed, "failed", red)
	add(s.Canceled, "canceled", yellow)
	add(s.Skipped, "from the journal", plain)
	add(s.Retried, "retried", yellow)
	add(s.Throttled, "throttled", yellow)
	add(s.Hedged, "hedged", plain)
	add(s.ColdStarts, english.Plural(s.ColdStarts, "cold start"), plain)
	if s.Billed > 0 {
		parts = append(parts, part{seconds(s.Billed) + " s billed", plain})
	}
	if s.Cost > 0 {
		parts = append(parts, part{price.Format(s.Cost), plain})
	}
	return parts
}

// summary is the line that stays when a run has ended.
func summary(s lambdapool.Snapshot, c colors) string {
	var b strings.Builder
	n := processed(s)
	switch whole := s.Total < 0 && s.Canceled == 0 || s.Total >= 0 && n >= s.Total; {
	case whole:
		fmt.Fprintf(&b, "%s in %s", english.Count(n, "item"), span(s.Elapsed))
	case s.Total < 0:
		fmt.Fprintf(&b, "%s after %s in %s", c.paint("stopped", red), english.Count(n, "item"), span(s.Elapsed))
	default:
		fmt.Fprintf(&b, "%s after %s of %s in %s", c.paint("stopped", red), count(n), english.Count(s.Total, "item"), span(s.Elapsed))
	}
	if s.Elapsed > 0 && n > 0 {
		fmt.Fprintf(&b, " (%s)", rate(float64(n)/s.Elapsed.Seconds()))
	}
	for _, p := range events(s) {
		b.WriteString(", ")
		b.WriteString(c.paint(p.text, p.color))
	}
	return b.String()
}

// processed is how many items have run to an end of their own. What was canceled has not.
func processed(s lambdapool.Snapshot) int {
	n := s.Done + s.Failed
	if s.Total >= 0 {
		n = min(n, s.Total)
	}
	return n
}

// percent is how much has ended.
func percent(s lambdapool.Snapshot) int { return share(processed(s), s.Total) }

// share rounds down, so that 100 means done.
func share(n, total int) int {
	if total <= 0 {
		return 100
	}
	return min(int(100*float64(n)/float64(total)), 100)
}

// count writes n with a comma between thousands.
func count(n int) string { return english.Number(n) }

// rate writes items per second.
func rate(perSecond float64) string {
	switch {
	case !(perSecond > 0):
		return "0/s"
	case perSecond < 1:
		return strconv.FormatFloat(perSecond, 'f', 2, 64) + "/s"
	case perSecond < 10:
		return strconv.FormatFloat(perSecond, 'f', 1, 64) + "/s"
	default:
		return count(int(min(perSecond, 1e15)+0.5)) + "/s"
	}
}

// seconds writes a sum of time, tenths while it is small.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64)
	}
	return count(int(d.Round(time.Second) / time.Second))
}

// span writes a length of time: 0.4s, 5s, 1m05s, 2h03m, 4d05h.
func span(d time.Duration) string {
	d = max(d, 0)
	if d < 9950*time.Millisecond && d%time.Second != 0 {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 60*60:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*60*60:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
}

// A color is an SGR parameter; plain is none.
type color string

const (
	plain  color = ""
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	dim    color = "2"
)

// colors says whether color is wanted.
type colors bool

const noColors colors = false

// paint puts a color around text, and ends it, so that a cut line leaves no color behind.
func (on colors) paint(text string, c color) string {
	if !on || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
