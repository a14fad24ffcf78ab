package progress

import (
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/vbauerster/cupwriter"
)

// A terminal is what is known of the one that bars are drawn on.
type terminal struct {
	size    func() (columns, rows int)
	color   colors
	unicode bool // whether it is known to show more than ASCII
}

// What a terminal that does not tell its size is taken for.
const (
	defaultColumns = 80
	defaultRows    = 24
)

// openTerminal returns nil if w is no terminal that can move its cursor.
func openTerminal(w io.Writer) *terminal {
	file, ok := w.(*os.File)
	if !ok || file == nil || os.Getenv("TERM") == "dumb" || runtime.GOOS == "windows" {
		return nil // consoles of Windows take control sequences only after they were told to
	}
	console := cupwriter.New(file, false)
	if !console.IsTerminal() {
		return nil
	}
	return &terminal{
		size: func() (int, int) {
			columns, rows, err := console.GetTermSize()
			if err != nil || columns <= 0 || rows <= 0 {
				return defaultColumns, defaultRows
			}
			return columns, rows
		},
		color:   os.Getenv("NO_COLOR") == "", // https://no-color.org
		unicode: showsUnicode(runtime.GOOS, os.Getenv),
	}
}

// showsUnicode goes by the locale; where none is set, by the system's habit.
func showsUnicode(goos string, getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return goos == "darwin"
}
