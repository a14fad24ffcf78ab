package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"
)

// top is how many packages and functions the report lists.
const top = 8

// A report is what the program prints, as text or as JSON.
type report struct {
	Dir        string        `json:"dir"`
	Backend    string        `json:"backend"`
	Totals     *tally        `json:"totals"`
	Pool       *cost         `json:"pool"`
	Goroutines time.Duration `json:"goroutines_ns,omitempty"` // the same work in this process
}

func (r *report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// writeText prints for people. Times of agents and of the client stand beside each other, as they
// tell different things: all agents together work longer than the run lasts.
func (r *report) writeText(out io.Writer) error {
	w := bufio.NewWriter(out)
	title := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if isTerminal(out) {
			text = "\x1b[1m" + text + "\x1b[0m"
		}
		fmt.Fprintf(w, "\n  %s\n", text)
	}
	t, c := r.Totals, r.Pool

	title("%s", r.Dir)
	row := func(n int, what string) { fmt.Fprintf(w, "  %12s  %s\n", count(n), what) }
	row(t.Files, "files in "+count(t.Packages)+" packages")
	if t.Invalid > 0 {
		row(t.Invalid, "more that are not valid Go, as test data may be")
	}
	row(t.Bytes, "bytes")
	row(t.Lines, "lines")
	row(t.Functions, "functions and methods")
	row(t.Types, "types")

	title("%12s  %7s  %10s  largest packages", "lines", "files", "functions")
	for _, p := range t.Largest {
		fmt.Fprintf(w, "  %12s  %7s  %10s  %s\n", count(p.Lines), count(p.Files), count(p.Functions), p.Path)
	}

	title("%12s  longest functions", "lines")
	for _, f := range t.Longest {
		fmt.Fprintf(w, "  %12s  %s, %s:%d\n", count(f.Lines), f.Name, f.File, f.Line)
	}

	title("The run on %s", r.Backend)
	line := func(quantity, format string, args ...any) {
		fmt.Fprintf(w, "  %12s  %s\n", quantity, fmt.Sprintf(format, args...))
	}
	calls := int(c.Stats.Submitted)
	line(seconds(c.Wall), "wall, for %s calls of one file each: %s files/s, %.1f MB/s", count(calls),
		count(int(float64(calls)/c.Wall.Seconds())), megabytes(t.Bytes)/c.Wall.Seconds())
	billed := ""
	if c.Stats.Billed > 0 { // not every platform says it
		billed = "; charged for " + seconds(c.Stats.Billed)
	}
	line(seconds(c.Stats.Run), "in the function, all calls together%s", billed)
	line(count(int(c.Stats.ColdStarts)), "cold starts, one per agent process; the largest held %.0f MB", megabytes(int(c.MemoryPeak)))
	line(count(int(c.Stats.Invocations)), "invocations, %s of them throttled; %.1f MB sent, %.1f MB received",
		count(int(c.Stats.Throttles)), megabytes(int(c.Stats.Sent)), megabytes(int(c.Stats.Received)))
	if r.Goroutines > 0 {
		line(seconds(r.Goroutines), "for the same in %d goroutines of this process, with equal totals", runtime.GOMAXPROCS(0))
		line(perCall(c.Wall-r.Goroutines, calls), "more per call on the pool: encoding, HTTP, another process")
	}
	return w.Flush()
}

// perCall is negative where the pool was faster, which it cannot be while its
// agents have the same CPUs as the goroutines.
func perCall(d time.Duration, calls int) string {
	return strconv.FormatInt((d/time.Duration(calls)).Microseconds(), 10) + " µs"
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s" }

func megabytes(n int) float64 { return float64(n) / 1e6 }

// count prints 1234567 as 1,234,567.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// A progress is one line on a terminal, and nothing elsewhere.
type progress struct {
	w     io.Writer // nil: nowhere
	total int
	last  time.Time
}

func newProgress(w io.Writer, total int) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, total: total}
}

func (p *progress) done(n int) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[Kparsed %s of %s files", count(n), count(p.total))
}

func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
