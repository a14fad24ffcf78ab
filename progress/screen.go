package progress

import (
	"bytes"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
)

// refresh is how often bars are drawn: smooth to the eye, and nothing to a
// terminal behind a slow line.
const refresh = 100 * time.Millisecond

// A screen is a terminal with at least one bar. Runs that share it know
// nothing of each other, so it is found by its writer.
type screen struct {
	console *console
	pool    *mpb.Progress
	bars    int
}

// screens is the state of this process's terminals, of which there is one each.
var screens = struct {
	sync.Mutex

	of map[io.Writer]*screen
}{of: map[io.Writer]*screen{}}

// addBar draws one more bar on out.
func addBar(out io.Writer, t *terminal, filler mpb.BarFiller, opts ...mpb.BarOption) (*screen, *mpb.Bar) {
	screens.Lock()
	defer screens.Unlock()
	s := screens.of[out]
	if s == nil {
		s = &screen{console: &console{out: out, terminal: t}}
		s.pool = mpb.New(mpb.WithConsoleWriter(s.console), mpb.WithRefreshRate(refresh))
		screens.of[out] = s
	}
	s.bars++
	bar, err := s.pool.Add(0, filler, opts...)
	if err != nil {
		return s, nil // the terminal is gone; the run goes on without a bar
	}
	return s, bar
}

// removeBar takes a bar away and leaves a line in its place. It blocks until
// the last bar's terminal is as if there never was one.
func (s *screen) removeBar(bar *mpb.Bar, line string) {
	screens.Lock()
	defer screens.Unlock()
	s.console.above.add([]byte(line + "\n"))
	if bar != nil {
		bar.Abort(true)
	}
	s.bars--
	if s.bars > 0 {
		return
	}
	s.pool.Wait()
	_ = s.console.Flush(0) // nobody is left to tell
	delete(screens.of, s.console.out)
}

// Writer returns a writer for what should be seen on w while bars are: log lines, results. They
// appear above the bars, whole lines at the next redraw. Without bars, Writer writes to w
// directly. It needs the same w as [Bar], and is safe for concurrent use.
//
//	slog.SetDefault(slog.New(slog.NewTextHandler(progress.Writer(os.Stderr), nil)))
//
// While there are bars, a write never fails, and the end of a line that is not complete waits
// for the rest. Make one Writer per source: two sources that share one mix their unfinished
// lines. w must not be nil.
func Writer(w io.Writer) io.Writer { return &aside{out: w} }

// An aside is what Writer returns.
type aside struct {
	out io.Writer

	mu   sync.Mutex
	rest []byte // of a line that has not ended
}

func (a *aside) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return writeAside(a.out, &a.rest, p)
}

// writeAside writes p above the bars on out. Where there are some, what is
// after the last line waits in rest.
func writeAside(out io.Writer, rest *[]byte, p []byte) (int, error) {
	screens.Lock()
	defer screens.Unlock()
	data := append(*rest, p...)
	if s := shared(out); s != nil {
		end := bytes.LastIndexByte(data, '\n') + 1
		s.console.above.add(data[:end])
		*rest = bytes.Clone(data[end:])
		return len(p), nil
	}
	*rest = nil
	if _, err := out.Write(data); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shared returns the screen of out, if there is one. A writer that cannot be
// compared has none.
func shared(out io.Writer) *screen {
	if !reflect.TypeOf(out).Comparable() {
		return nil
	}
	return screens.of[out]
}

// printLine writes a line to out, above the bars that may be there. Lines of
// several runs do not mix.
func printLine(out io.Writer, line string) {
	var rest []byte
	_, _ = writeAside(out, &rest, []byte(line+"\n")) // see Bar
}

// pending is text that waits for the next frame.
type pending struct {
	mu   sync.Mutex
	text []byte
}

func (p *pending) add(text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, text...)
}

func (p *pending) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text
	p.text = nil
	return text
}
