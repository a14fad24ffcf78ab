package legible_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// hostile is what text of others may try on a terminal.
var hostile = map[string]string{
	"clear the screen":     "a\x1b[2Jb",
	"set the title":        "a\x1b]0;owned\ab",
	"C1 CSI":               "a\u009b2Jb",
	"raw C1 byte":          "a\x9b2Jb",
	"backspace":            "secret\b\b\b\b\b\bpublic",
	"carriage return":      "failed\rdone  ",
	"direction":            "user\u202etxt.exe",
	"isolate":              "a\u2066b\u2069c",
	"mark":                 "a\u200fb\u061cc",
	"zero width":           "ad\u200bmin\u200d\ufeff\u2060",
	"soft hyphen":          "ad\u00admin",
	"filler":               "a\u3164b\u115fc",
	"tag":                  "a\U000e0041b",
	"line separator":       "a\u2028lambdapool: deleted prod",
	"next line":            "a\u0085lambdapool: deleted prod",
	"newline":              "a\nlambdapool: deleted prod",
	"newline with returns": "a\r\nlambdapool: deleted prod\r\n",
	"vertical tab":         "a\vb\fc",
	"NUL and DEL":          "a\x00b\x7fc",
	"private use":          "a\ue000b",
	"broken UTF-8":         "a\xff\xc3(b",
	"a surrogate in UTF-8": "a\xed\xa0\x80b",
}

func TestNothingHostileIsShown(t *testing.T) {
	for name, text := range hostile {
		for kind, shown := range map[string]string{
			"Line": legible.Line(text), "Text": legible.Text(text), "Quote": legible.Quote(text), "Layout": legible.Layout(text),
		} {
			for i, line := range strings.Split(shown, "\n") {
				for _, r := range line {
					if r != '\t' && (!legible.Shown(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
						t.Errorf("%s of %s: %q has %U", kind, name, shown, r)
					}
				}
				if i > 0 && (kind == "Line" || !strings.HasPrefix(line, legible.Continued)) {
					t.Errorf("%s of %s: %q begins a line that is not marked", kind, name, shown)
				}
			}
		}
		for kind, f := range map[string]func(string) string{"Line": legible.Line, "Text": legible.Text, "Layout": legible.Layout} {
			if once := f(text); f(once) != once {
				t.Errorf("%s of %s: %q becomes %q when it is shown again", kind, name, once, f(once))
			}
		}
	}
}

// What people write stays as it is, in any script.
func TestOrdinaryTextStays(t *testing.T) {
	for _, text := range []string{"", "sqrt(-1): negative", "Größe 5 µs, 30 €", "数字が負です", "שלום", "नमस्ते", "naïve → 😀", `C:\new\x1b`} {
		if legible.Line(text) != text || legible.Text(text) != text || legible.Layout(text) != text || string(legible.JSON([]byte(text))) != text {
			t.Errorf("%q is changed", text)
		}
	}
}

// JSON that was made safe says the same.
func TestJSONKeepsItsValue(t *testing.T) {
	for name, text := range hostile {
		text = strings.ToValidUTF8(text, "?")
		for _, indent := range []string{"", "\t"} {
			data, err := json.MarshalIndent(map[string]string{text: text}, "", indent)
			if err != nil {
				t.Fatal(err)
			}
			shown := legible.JSON(data)
			for _, r := range string(shown) {
				if r != '\n' && r != '\t' && !legible.Shown(r) {
					t.Errorf("%s: %q has %U", name, shown, r)
				}
			}
			var back map[string]string
			if err := json.Unmarshal(shown, &back); err != nil || back[text] != text {
				t.Errorf("%s: %q says %q, %v", name, shown, back, err)
			}
		}
	}
}

// Lines of ours stay in the layout of an error; those of others cannot pass for them.
func TestLayoutKeepsWhatIsIndented(t *testing.T) {
	const own = "lambdapool: create demo: denied; left behind:\n  role demo, remove it with\n    aws iam delete-role"
	if got := legible.Layout(own); got != own {
		t.Errorf("Layout changed it to %q", got)
	}
}

func ExampleLine() {
	fmt.Println(legible.Line("done\nlambdapool: deleted \x1b[2Jprod"))
	// Output: done\nlambdapool: deleted \x1b[2Jprod
}

func ExampleText() {
	fmt.Println(strings.ReplaceAll(legible.Text("two causes:\nlambdapool: \u202enone"), "\t", "  "))
	// Output:
	// two causes:
	//   | lambdapool: \u202enone
}
