package progress

import (
	"bytes"
	"io"
	"regexp"

	"github.com/mattn/go-runewidth"
)

// A console draws frames, each over the one before, in one write of whole
// lines: the cursor always rests at the start of the line below the bars. It
// implements mpb.ConsoleWriter. That of mpb would do if terminals were never
// resized: a line that has become longer than the terminal is wide takes
// several rows, and the cursor must go up over all of them.
//
// It is not safe for concurrent use, but for above.
type console struct {
	out      io.Writer
	terminal *terminal
	above    pending
	frame    bytes.Buffer // being made
	shown    []int        // columns of each line on the terminal
}

func (c *console) Write(p []byte) (int, error)               { return c.frame.Write(p) }
func (c *console) ReadFrom(r io.Reader) (n int64, err error) { return c.frame.ReadFrom(r) }
func (c *console) IsTerminal() bool                          { return true }

// GetTermSize leaves the last column free, since terminals differ in where the
// cursor is after it was written, and the last row to the cursor.
func (c *console) GetTermSize() (width, height int, err error) {
	columns, rows := c.terminal.size()
	return max(columns-1, 1), max(rows-1, 1), nil
}

// Flush replaces what is shown by the frame.
func (c *console) Flush(int) error {
	frame, above := c.frame.Bytes(), c.above.take()
	if len(frame) == 0 && len(above) == 0 && len(c.shown) == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("\r\x1b[2K") // what was typed
	for range c.rowsShown() {
		// Row by row: tmux takes an erasing of the whole screen for a reason to keep it.
		b.WriteString("\x1b[A\x1b[2K")
	}
	b.Write(above)
	b.Write(frame)
	c.shown = c.shown[:0]
	for line := range bytes.Lines(frame) {
		c.shown = append(c.shown, columns(line))
	}
	c.frame.Reset()
	_, err := c.out.Write(b.Bytes())
	return err
}

// rowsShown counts rows at the present width: narrowed terminals wrap.
func (c *console) rowsShown() int {
	width, _ := c.terminal.size()
	rows := 0
	for _, columns := range c.shown {
		rows += max(1, (columns+width-1)/width)
	}
	return rows
}

var styling = regexp.MustCompile("\x1b\\[[0-9;]*m")

// columns returns how wide a line of ours is shown.
func columns(line []byte) int {
	line = styling.ReplaceAll(bytes.TrimRight(line, "\n"), nil)
	return runewidth.StringWidth(string(line))
}
