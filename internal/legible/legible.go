// Package legible shows text of others on a terminal and in errors, so that it can
// do nothing but be read: no escape sequence moves the cursor, nothing is
// invisible or in another order than it seems, and no newline begins a line that
// could be taken for one of ours.
//
// What cannot be shown becomes its escape as Go writes it: \x1b, \u202e. Text
// that already went through here does not change again.
package legible

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Continued begins every line but the first of [Text], and every line of [Quote].
const Continued = "\t| "

// Shown reports whether a rune can be shown as it is. Not control characters (C0
// and C1, newline and tab among them), what changes the direction of text, what
// is invisible, line separators, and what no font has.
func Shown(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return r != utf8.RuneError && unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Line returns s on one line. Newlines are escaped, too; tabs stay.
func Line(s string) string {
	return escaped(s, func(r rune) bool { return r == '\t' })
}

// Text returns s with its lines, of which all but the first begin with
// [Continued], so that none can be taken for a line of ours. Newlines at the
// end are dropped.
func Text(s string) string {
	if shownWhole(s) {
		return s
	}
	return lines(s, Continued)
}

// Quote is [Text] with every line marked, for what has lines of its own, such as a
// stack or the end of a log.
func Quote(s string) string { return Continued + Text(s) }

// Marked returns lines, each escaped as in [Line] and after the same mark. The last one
// need not have an end, but gets one.
func Marked(mark string, text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString(mark)
		b.WriteString(Line(strings.TrimRight(string(line), "\r\n")))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Marking returns a writer of what is [Marked]. Each Write is whole lines, and
// becomes one to w.
func Marking(w io.Writer, mark string) io.Writer { return &marking{w, mark} }

type marking struct {
	w    io.Writer
	mark string
}

func (m *marking) Write(p []byte) (int, error) {
	if _, err := m.w.Write(Marked(m.mark, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Layout returns a text whose lines are ours, such as an error that lists what is
// left behind: lines that are indented stay as they are, others are marked as in
// [Text].
func Layout(s string) string {
	if shownWhole(s) {
		return s
	}
	return lines(s, "\t", " ")
}

// lines escapes each line, and marks those after the first that begin with none of
// the prefixes.
func lines(s string, prefixes ...string) string {
	all := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i, line := range all {
		line = Line(strings.TrimSuffix(line, "\r"))
		if i > 0 && !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(line, prefix) }) {
			line = Continued + line
		}
		all[i] = line
	}
	return strings.Join(all, "\n")
}

// JSON escapes in JSON what a terminal should not be given, as JSON writes it. The
// value stays the same: outside of strings there is nothing of that kind but
// newlines and tabs, which stay.
func JSON(data []byte) []byte {
	blank := func(r rune) bool { return r == '\n' || r == '\t' || r == '\r' }
	if !bytes.ContainsFunc(data, func(r rune) bool { return !Shown(r) && !blank(r) }) {
		return data
	}
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case Shown(r), blank(r):
			b.WriteRune(r)
		case r > 0xffff:
			for _, half := range []rune{0xd800 + (r-0x10000)>>10, 0xdc00 + (r-0x10000)&0x3ff} {
				writeHex(&b, 'u', half, 4)
			}
		default:
			writeHex(&b, 'u', r, 4)
		}
	}
	return []byte(b.String())
}

// shownWhole is the way of nearly all text: nothing is to be done.
func shownWhole(s string) bool {
	for _, r := range s {
		if !Shown(r) {
			return false
		}
	}
	return true
}

// escaped writes what is not shown, and not kept, as Go does in a string.
func escaped(s string, keep func(rune) bool) string {
	if shownWhole(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			writeHex(&b, 'x', rune(s[0]), 2)
		case Shown(r) || keep(r):
			b.WriteString(s[:size])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < utf8.RuneSelf:
			writeHex(&b, 'x', r, 2)
		case r > 0xffff:
			writeHex(&b, 'U', r, 8)
		default:
			writeHex(&b, 'u', r, 4)
		}
		s = s[size:]
	}
	return b.String()
}

func writeHex(b *strings.Builder, kind byte, r rune, digits int) {
	hex := strconv.FormatInt(int64(r), 16)
	b.WriteByte('\\')
	b.WriteByte(kind)
	b.WriteString(strings.Repeat("0", digits-len(hex)))
	b.WriteString(hex)
}
