package progress_test

import (
	"strconv"
	"strings"
	"sync"
)

// A vt is a terminal that wraps, scrolls and, when its width changes, lays its
// lines out anew, as terminals do. It knows what package progress may send, and
// remembers what it should not have seen.
type vt struct {
	mu      sync.Mutex
	columns int
	rows    int
	lines   []vtLine // all of them, scrolled out ones too
	row     int      // of the cursor, in lines
	column  int
	faults  []string
}

// A vtLine is a row. Wrapped ones go on in the next.
type vtLine struct {
	cells   []rune
	wrapped bool
}

func newVT(columns, rows int) *vt {
	return &vt{columns: columns, rows: rows, lines: make([]vtLine, 1)}
}

func (v *vt) size() (int, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.columns, v.rows
}

func (v *vt) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := string(p)
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
			v.control(rest[:end], rest[end])
			text = rest[end+1:]
			continue
		}
		r := []rune(text)[0]
		v.put(r)
		text = text[len(string(r)):]
	}
	if v.column != 0 {
		v.faults = append(v.faults, "a write that ends within a line: "+strconv.Quote(string(p)))
	}
	return len(p), nil
}

func (v *vt) control(parameter string, command byte) {
	switch {
	case command == 'A' && parameter == "":
		if v.row > 0 && v.row > len(v.lines)-v.rows {
			v.row--
		}
	case command == 'K' && parameter == "2":
		v.lines[v.row] = vtLine{}
	case command == 'm':
	default:
		v.faults = append(v.faults, "a sequence that leaves traces: "+strconv.Quote(parameter+string(command)))
	}
}

func (v *vt) put(r rune) {
	switch r {
	case '\r':
		v.column = 0
	case '\n':
		v.down()
		v.column = 0
	default:
		if v.column == v.columns {
			v.lines[v.row].wrapped = true
			v.down()
			v.column = 0
		}
		line := &v.lines[v.row]
		for len(line.cells) <= v.column {
			line.cells = append(line.cells, ' ')
		}
		line.cells[v.column] = r
		v.column++
	}
}

func (v *vt) down() {
	v.row++
	if v.row == len(v.lines) {
		v.lines = append(v.lines, vtLine{})
	}
}

// resize wraps lines that have become too long. The cursor, which rests at the
// start of an empty line below them, stays there.
func (v *vt) resize(columns int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var lines []vtLine
	var whole []rune
	for _, line := range v.lines[:v.row+1] {
		whole = append(whole, line.cells...)
		if line.wrapped {
			continue
		}
		for len(whole) > columns {
			lines = append(lines, vtLine{cells: whole[:columns], wrapped: true})
			whole = whole[columns:]
		}
		lines = append(lines, vtLine{cells: whole})
		whole = nil
	}
	v.columns, v.lines, v.row = columns, lines, len(lines)-1
}

// text returns what is to be read, without trailing blanks.
func (v *vt) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	for _, line := range v.lines {
		b.WriteString(strings.TrimRight(string(line.cells), " "))
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
