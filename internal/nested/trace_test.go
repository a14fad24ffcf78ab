package nested_test

import (
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/nested"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for parent, want := range map[string]bool{
		good: true,
		strings.Replace(good, "00", "cc", 1) + "-more": true,
		"":                    false,
		good[:54]:             false,
		good + "-more":        false,
		"ff" + good[2:]:       false,
		strings.ToUpper(good): false,
		"00-" + strings.Repeat("0", 32) + good[35:]:      false,
		good[:36] + strings.Repeat("0", 16) + good[52:]:  false,
		strings.ReplaceAll(good, "-", "_"):               false,
		"cc" + good[2:] + "-" + strings.Repeat("x", 300): false,
		"cc" + good[2:] + "more":                         false,
	} {
		if got := nested.Trace(nested.WithTrace(t.Context(), parent)); (got == parent && got != "") != want {
			t.Errorf("%q: %q", parent, got)
		}
	}
}
