package price

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Format returns US dollars for people: cents above one dollar, three significant digits below
// it, so that small amounts do not become zero: $1,234.50, $0.250, $0.0000208. Less than a
// billionth is "<$0.000000001", zero is "$0", and what is no number is "$?". A negative sum has
// its sign before the dollar. Programs should keep the number.
func Format(usd float64) string {
	switch {
	case math.IsNaN(usd) || math.IsInf(usd, 0):
		return "$?"
	case usd < 0:
		return "-" + Format(-usd)
	case usd == 0:
		return "$0"
	case usd < 1e-9:
		return "<$0.000000001"
	case usd < 0.9995:
		return "$" + strconv.FormatFloat(usd, 'f', 2-int(math.Floor(math.Log10(usd))), 64)
	}
	whole, cents, _ := strings.Cut(fmt.Sprintf("%.2f", usd), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return "$" + whole + "." + cents
}
