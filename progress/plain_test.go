package progress_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/progress"
)

// clock is set by hand.
type clock struct{ now time.Time }

func newClock() *clock                   { return &clock{time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }
func (c *clock) read() time.Time         { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

// play reports a run of the given number of updates, a second apart.
func play(show func(lambdapool.Snapshot), c *clock, updates int) {
	s := half()
	for i := range updates {
		s.Elapsed = time.Duration(i) * time.Second
		show(s)
		c.advance(time.Second)
	}
	show(end(s))
}

func TestPlainLinesAtIntervals(t *testing.T) {
	const going = "resize: 5,200/10,000 (52%), 256 running, 4,544 queued, 3 failed, 12 retried, 40 throttled, 2 hedged, 1 cold start, 614 s billed, $0.0102, 813/s, ETA 6s, "
	const ended = "resize: 10,000 items in 12s (833/s), 3 failed, 12 retried, 40 throttled, 2 hedged, 1 cold start, 614 s billed, $0.0102\n"
	for _, test := range []struct {
		name    string
		updates int
		opts    []progress.Option
		want    string
	}{
		{"every 10 s", 25, nil, going + "10s elapsed\n" + going + "20s elapsed\n" + ended},
		{"as asked for", 8, []progress.Option{progress.Interval(3 * time.Second)}, going + "3s elapsed\n" + going + "6s elapsed\n" + ended},
		{"each update", 2, []progress.Option{progress.Interval(0)}, going + "0s elapsed\n" + going + "1s elapsed\n" + ended},
		{"a short run has its summary", 3, nil, ended},
		{"another name", 1, []progress.Option{progress.Name("job 7")}, strings.Replace(ended, "resize", "job 7", 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			c := newClock()
			play(progress.Show(&out, append(test.opts, progress.At(c.read))...), c, test.updates)
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPlainLinesWithoutATotal(t *testing.T) {
	var out bytes.Buffer
	show := progress.Show(&out, progress.Interval(0))
	show(lambdapool.Snapshot{Func: "f", Total: -1, Items: 9, Done: 5, Running: 4, Elapsed: 2 * time.Second, Rate: 0.25, ETA: -1})
	show(lambdapool.Snapshot{Func: "f", Total: 9, Items: 9, Done: 5, Failed: 1, Skipped: 2, Elapsed: 2 * time.Second, Final: true})
	show(lambdapool.Snapshot{Func: "f", Total: 5000, Items: 5000, Done: 118, Failed: 2, Canceled: 4880, Elapsed: 2 * time.Second, Final: true})
	show(lambdapool.Snapshot{Func: "f", Total: -1, Items: 9, Done: 1, Canceled: 8, Elapsed: 2 * time.Second, Final: true})
	show(lambdapool.Snapshot{Func: "f", Total: 5, Items: 5, Done: 2, Failed: 3, Elapsed: 2 * time.Second, Final: true})
	want := "f: 5 done, 4 running, 0 queued, 0.25/s, 2s elapsed\n" +
		"f: stopped after 6 of 9 items in 2s (3.0/s), 1 failed, 2 from the journal\n" +
		"f: stopped after 120 of 5,000 items in 2s (60/s), 2 failed, 4,880 canceled\n" +
		"f: stopped after 1 item in 2s (0.50/s), 8 canceled\n" +
		"f: 5 items in 2s (2.5/s), 3 failed\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A writer that cannot be a map's key is as good as another.
type joined []*bytes.Buffer

func (j joined) Write(p []byte) (int, error) {
	for _, b := range j {
		b.Write(p)
	}
	return len(p), nil
}

func TestAnyWriterWillDo(t *testing.T) {
	var one, two bytes.Buffer
	progress.Show(joined{&one, &two})(lambdapool.Snapshot{Func: "f", Final: true})
	if one.String() != "f: 0 items in 0s\n" || two.String() != one.String() {
		t.Errorf("got %q and %q", &one, &two)
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	show := progress.ShowJSON(&out, progress.At(c.read), progress.Interval(2*time.Second))
	s := half()
	show(s)
	c.advance(time.Second)
	show(s)
	c.advance(time.Second)
	s.Total, s.ETA = -1, -1
	show(s)
	s.Total = 10_000
	show(end(s))
	show(lambdapool.Snapshot{Func: "<next>", Final: true})
	const rest = `"failed":3,"canceled":0,"skipped":0,"running":256,"queued":4544,"invocations":0,"retried":12,"throttled":40,"hedged":2,"cold_starts":1,` +
		`"elapsed_seconds":5,"items_per_second":813.2,`
	want := []string{
		`{"time":"2026-11-20T12:00:00Z","name":"resize","total":10000,"items":10000,"done":5197,` + rest + `"eta_seconds":6,"billed_seconds":614,"gb_seconds":614,"cost_usd":0.010233,"final":false}`,
		`{"time":"2026-11-20T12:00:02Z","name":"resize","total":null,"items":10000,"done":5197,` + rest + `"eta_seconds":null,"billed_seconds":614,"gb_seconds":614,"cost_usd":0.010233,"final":false}`,
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4:\n%s", len(lines), &out)
	}
	if diff := cmp.Diff(want, lines[:2]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, last := range lines[2:] {
		if !strings.HasSuffix(last, `"final":true}`) {
			t.Errorf("not final: %s", last)
		}
	}
}

func TestTexts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 5 * time.Millisecond: "0.0s", 440 * time.Millisecond: "0.4s", time.Second: "1s",
		9940 * time.Millisecond: "9.9s", 9960 * time.Millisecond: "10s", 59600 * time.Millisecond: "1m00s",
		65 * time.Second: "1m05s", 2*time.Hour + 3*time.Minute: "2h03m", 101 * time.Hour: "4d05h",
	} {
		if got := progress.Span(d); got != want {
			t.Errorf("span of %v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 10_000_000: "10,000,000", -123: "-123", -1234: "-1,234"} {
		if got := progress.Count(n); got != want {
			t.Errorf("count of %d: %q, want %q", n, got, want)
		}
	}
	nan := 0.0
	for r, want := range map[float64]string{0: "0/s", -1: "0/s", nan / nan: "0/s", 0.25: "0.25/s", 9.94: "9.9/s", 12.6: "13/s", 1e6: "1,000,000/s", 1e300: "1,000,000,000,000,000/s"} {
		if got := progress.Rate(r); got != want {
			t.Errorf("rate of %v: %q, want %q", r, got, want)
		}
	}
}

func TestTheSweepStaysWithinItsWidth(t *testing.T) {
	seen := map[int]bool{}
	for width := -1; width < 40; width++ {
		for tick := range 100 {
			before, block, after := progress.Sweep(width, time.Duration(tick)*100*time.Millisecond)
			if before < 0 || after < 0 || before+block+after != max(width, 0) {
				t.Fatalf("width %d, tick %d: %d + %d + %d", width, tick, before, block, after)
			}
			if width == 20 {
				seen[before] = true
			}
		}
	}
	if len(seen) != 17 {
		t.Errorf("a block of 4 in 20 columns was seen at %d places, want 17", len(seen))
	}
}
