// Package english writes numbers and nouns as people do: it is where messages get their
// plurals, articles and thousands from.
package english

import (
	"strconv"
	"strings"
	"unicode"
)

// Count is n of what noun names: "1 item", "1,204 items".
func Count(n int, noun string) string { return Number(n) + " " + Plural(n, noun) }

// Plural is noun as it follows the number n. The noun's plural must be a regular one.
func Plural(n int, noun string) string {
	switch {
	case n == 1:
		return noun
	case strings.HasSuffix(noun, "s"), strings.HasSuffix(noun, "x"), strings.HasSuffix(noun, "ch"), strings.HasSuffix(noun, "sh"):
		return noun + "es"
	case len(noun) > 1 && strings.HasSuffix(noun, "y") && !strings.ContainsRune("aeiou", rune(noun[len(noun)-2])):
		return noun[:len(noun)-1] + "ies"
	default:
		return noun + "s"
	}
}

// Number writes n with a comma between thousands.
func Number[I int | int64](n I) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// A puts the article before a word, by its first letter: "a string", "an int", "a uint8", "an *http.Client".
// It is for names of types, so the few English words that sound other than they are
// written do not matter, but for those that Go has.
func A(word string) string {
	first := strings.TrimLeft(word, "*[]<>(.")
	switch {
	case strings.HasPrefix(first, "uint"), strings.HasPrefix(first, "unicode"), strings.HasPrefix(first, "url"), strings.HasPrefix(first, "user"), strings.HasPrefix(first, "unit"):
		return "a " + word
	case first != "" && strings.ContainsRune("aeiou", unicode.ToLower(rune(first[0]))):
		return "an " + word
	default:
		return "a " + word
	}
}

// Failure says of which kind a failure is and what caused it, and no word of them twice: causes often
// begin with their kind. Either may be nil.
func Failure(kind, err error) string {
	what, cause := "", ""
	if kind != nil {
		what = kind.Error()
	}
	if err != nil && kind != err {
		cause = strings.TrimPrefix(err.Error(), "lambdapool: ")
	}
	switch verb, _ := strings.CutPrefix(what, "cannot "); {
	case cause == "":
		return what
	case what == "" || cause == what || strings.HasPrefix(cause, what+":") || strings.HasPrefix(cause, what+" "):
		return cause
	case verb != what && strings.HasPrefix(cause, verb+" "): // cannot encode: encode value 1
		return what + strings.TrimPrefix(cause, verb)
	default:
		return what + ": " + cause
	}
}
