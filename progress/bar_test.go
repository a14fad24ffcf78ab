package progress_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/progress"
)

// half is a run of 10,000 items after 5 s.
func half() lambdapool.Snapshot {
	return lambdapool.Snapshot{
		Func: "resize", Total: 10_000, Items: 10_000, Done: 5_197, Failed: 3, Running: 256, Queued: 4_544,
		Retried: 12, Throttled: 40, Hedged: 2, ColdStarts: 1,
		Elapsed: 5 * time.Second, Rate: 813.2, ETA: 6 * time.Second,
		Billed: 614 * time.Second, GBSeconds: 614, Cost: 0.010233,
	}
}

func end(s lambdapool.Snapshot) lambdapool.Snapshot {
	s.Done, s.Running, s.Queued, s.Final, s.ETA = s.Total-s.Failed, 0, 0, true, 0
	s.Elapsed = 12 * time.Second
	return s
}

// settle lets the bars be drawn.
func settle() {
	time.Sleep(150 * time.Millisecond)
	synctest.Wait()
}

func check(t *testing.T, v *vt, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), v.text()); diff != "" {
		t.Errorf("terminal, -want +got:\n%s", diff)
	}
	if len(v.faults) > 0 {
		t.Errorf("sent to the terminal: %v", v.faults)
	}
}

func TestALiveBarBecomesASummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(100, 24)
		show := progress.Show(v, progress.OnTerminal(v.size, true, true))
		show(half())
		settle()
		check(t, v, `
resize ━━━━━━━━━━━━━━━━━━━━━━━━━━━────────────────────────  52%   5,200/10,000  ETA 5.9s      813/s
  5.1s  256 running  4,544 queued  3 failed  12 retried  40 throttled  2 hedged  1 cold start
`)
		show(end(half()))
		check(t, v, `
resize: 10,000 items in 12s (833/s), 3 failed, 12 retried, 40 throttled, 2 hedged, 1 cold start, 614
 s billed, $0.0102
`)
		if n := progress.Screens(); n != 0 {
			t.Errorf("%d screens are left", n)
		}
	})
}

func TestARunThatIsQuietDoesNotLookDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(100, 24)
		show := progress.Show(v, progress.OnTerminal(v.size, false, false))
		show(half())
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, v, `
resize [==========================>----------------------] ~54%   5,200/10,000  ETA 0s        813/s
  1m05s  256 running  4,544 queued  3 failed  12 retried  40 throttled  2 hedged  1 cold start
`)
		show(end(half()))
	})
}

func TestTheTotalMayBeUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(80, 24)
		show := progress.Show(v, progress.OnTerminal(v.size, false, false), progress.Name("a stream"))
		s := lambdapool.Snapshot{Func: "f", Total: -1, Items: 300, Done: 44, Running: 256, Elapsed: time.Second, Rate: 44, ETA: -1}
		show(s)
		settle()
		check(t, v, `
a stream -----------==========-------------------------------  44 done     44/s
  1.1s  256 running  0 queued
`)
		s.Done, s.Running, s.Final = 300, 0, true
		show(s)
		check(t, v, "a stream: 300 items in 1s (300/s)\n")
	})
}

func TestRunsShareATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(60, 24)
		on := progress.OnTerminal(v.size, true, true)
		log := progress.Writer(v)
		fmt.Fprintln(log, "before")
		first, second := half(), half()
		second.Func, second.Done = "thumbnail", 97
		showFirst, showSecond := progress.Show(v, on), progress.Show(v, on)
		showFirst(first)
		showSecond(second)
		settle()
		fmt.Fprint(log, "while two run\nhalf a li")
		settle()
		check(t, v, `
before
while two run
resize    ━━━━━━━━━────────  52%   5,200/10,000  ETA 5.7s
  5.3s  256 running  4,544 queued  3 failed  12 retried
thumbnail ─────────────────   1%     100/10,000  ETA 5.7s
  5.3s  256 running  4,544 queued  3 failed  12 retried
`)
		fmt.Fprintln(log, "ne")
		progress.Show(v, on, progress.Plain(), progress.Name("plain"))(lambdapool.Snapshot{Final: true})
		showFirst(end(first))
		settle()
		settle()
		check(t, v, `
before
while two run
half a line
plain: 0 items in 0s
resize: 10,000 items in 12s (833/s), 3 failed, 12 retried, 4
0 throttled, 2 hedged, 1 cold start, 614 s billed, $0.0102
thumbnail ─────────────────   1%     100/10,000  ETA 5.4s
  5.6s  256 running  4,544 queued  3 failed  12 retried
`)
		second.Final = true
		showSecond(second)
		fmt.Fprintln(log, "after")
		check(t, v, `
before
while two run
half a line
plain: 0 items in 0s
resize: 10,000 items in 12s (833/s), 3 failed, 12 retried, 4
0 throttled, 2 hedged, 1 cold start, 614 s billed, $0.0102
thumbnail: stopped after 100 of 10,000 items in 5s (20/s), 3
 failed, 12 retried, 40 throttled, 2 hedged, 1 cold start, 6
14 s billed, $0.0102
after
`)
	})
}

func TestTheTerminalIsResized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(100, 24)
		on := progress.OnTerminal(v.size, true, true)
		show, other := progress.Show(v, on), progress.Show(v, on)
		show(half())
		other(half())
		settle()
		v.resize(30)
		settle()
		narrow := `
resize ━━━━━━━━━────────  52%
  5.3s  256 running
resize ━━━━━━━━━────────  52%
  5.3s  256 running
`
		check(t, v, narrow)
		v.resize(7)
		settle()
		v.resize(30)
		settle()
		check(t, v, strings.ReplaceAll(narrow, "5.3s", "5.6s"))
		other(end(half()))
		v.resize(10)
		show(end(half()))
		v.resize(120)
		check(t, v, strings.Repeat("resize: 10,000 items in 12s (833/s), 3 failed, 12 retried, 40 throttled, 2 hedged, 1 cold start, 614 s billed, $0.0102\n", 2))
	})
}

func TestMoreBarsThanRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(60, 5)
		var shows []func(lambdapool.Snapshot)
		for i := range 6 {
			shows = append(shows, progress.Show(v, progress.OnTerminal(v.size, false, false), progress.Name(fmt.Sprint("run ", i))))
			shows[i](half())
			settle()
		}
		if n := strings.Count(v.text(), "\n"); n > 4 {
			t.Errorf("%d lines on a terminal of 5 rows:\n%s", n, v.text())
		}
		for _, show := range shows {
			show(end(half()))
		}
		if got := strings.Count(v.text(), ": 10,000 items in"); got != 6 {
			t.Errorf("%d summaries:\n%s", got, v.text())
		}
	})
}

// The option may be kept and used for the next run.
func TestABarServesOneRunAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(100, 24)
		show := progress.Show(v, progress.OnTerminal(v.size, false, false))
		for range 2 {
			show(lambdapool.Snapshot{Func: "f", Total: 1})
			settle()
			show(lambdapool.Snapshot{Func: "f", Total: 1, Done: 1, Elapsed: time.Second, Final: true})
		}
		check(t, v, "f: 1 item in 1s (1.0/s)\nf: 1 item in 1s (1.0/s)\n")
	})
}

// A run that is over before anything was drawn, and a name that is an attack.
func TestAShortRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(100, 24)
		show := progress.Show(v, progress.OnTerminal(v.size, true, true), progress.Name("a\x1b[2J\r\nb"))
		show(lambdapool.Snapshot{Final: true})
		check(t, v, "a[2Jb: 0 items in 0s\n")
	})
}

type lost struct{}

func (*lost) Write([]byte) (int, error) { return 0, errors.New("hung up") }

func TestALostTerminalDoesNotHoldTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVT(80, 24)
		out := new(lost)
		for range 2 {
			show, late := progress.Show(out, progress.OnTerminal(v.size, true, true)), progress.Show(out, progress.OnTerminal(v.size, true, true))
			show(half())
			settle()
			late(half())
			settle()
			late(end(half()))
			show(end(half()))
		}
		if _, err := io.WriteString(progress.Writer(out), "x"); err == nil {
			t.Error("no bar is left, so an error of writing must be seen")
		}
	})
}

func TestBarsAreSafeForConcurrentUse(t *testing.T) {
	v := newVT(80, 24)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			show := progress.Show(v, progress.OnTerminal(v.size, true, true))
			for i := range 200 {
				s := half()
				s.Done = i
				show(s)
				if i%50 == 0 {
					fmt.Fprintln(progress.Writer(v), "line", i)
				}
			}
			show(end(half()))
		})
	}
	wg.Wait()
	if got := strings.Count(v.text(), "resize: 10,000 items"); got != 4 {
		t.Errorf("%d summaries:\n%s", got, v.text())
	}
	if len(v.faults) > 0 {
		t.Errorf("sent to the terminal: %v", v.faults)
	}
}

func BenchmarkUpdate(b *testing.B) {
	v := newVT(80, 24)
	show := progress.Show(v, progress.OnTerminal(v.size, true, true))
	s := half()
	for b.Loop() {
		show(s)
	}
	show(end(s))
}
