package failure

import (
	"fmt"
	"strings"

	"github.com/lambdapool/lambdapool/internal/english"
)

// The text of an error that joins many: as much as is read.
const (
	shownItems     = 10      // items that are printed
	shownItem      = 1 << 10 // bytes of each
	shownItemPlus  = 8 << 10 // bytes of each with %+v
	shownItemsText = 4 << 10 // bytes after which no further one is begun
)

// ItemsText is what the joined errors of items say: the first few, a line each, and how many more there are. plus is for %+v.
func ItemsText(errs []error, plus bool) string {
	format, limit := "%v", shownItem
	if plus {
		format, limit = "%+v", shownItemPlus
	}
	if len(errs) == 1 {
		return fmt.Sprintf(format, errs[0])
	}
	var b strings.Builder
	for i, err := range errs {
		if i == shownItems || b.Len() > shownItemsText {
			fmt.Fprintf(&b, "\nand %s more", english.Number(len(errs)-i))
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		text := fmt.Sprintf(format, err)
		if short := strings.ToValidUTF8(text[:min(len(text), limit)], ""); len(short) < len(text) && len(text) > limit {
			text = short + "…"
		}
		b.WriteString(text)
	}
	return b.String()
}

// FormatText prints what a value says of itself, with any verb of text.
func FormatText(s fmt.State, verb rune, text string) {
	switch verb {
	case 'q', 'x', 'X':
		fmt.Fprintf(s, fmt.FormatString(s, verb), text)
	default:
		fmt.Fprintf(s, fmt.FormatString(s, 's'), text)
	}
}
