package grouping

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/internal/legible"
)

// Gap stands in a key for what was taken out, whatever it was: so an id that happens to have only
// digits makes no other group than the id before it.
const Gap = "…"

// What of a text is looked at. What distinguishes causes is said first.
const (
	maxText = 1 << 10 // bytes
	maxKey  = 300     // bytes
)

// Key returns what texts of the same failure have in common, on one line that is safe to show: text
// with [Gap] for each number with its unit, id, quoted value, path and URL. Small numbers that name
// a failure stay: those after words such as status, code and signal.
//
// Key of a key is the key itself.
func Key(text string) string {
	s := scanner{in: []rune(strings.ToValidUTF8(text[:min(len(text), maxText)], Gap))}
	for s.at < len(s.in) {
		s.next()
	}
	key := legible.Line(strings.TrimSpace(s.out.String()))
	if len(key) > maxKey {
		key = strings.TrimRight(strings.ToValidUTF8(key[:maxKey-len(Gap)], ""), " "+Gap) + Gap
	}
	return key
}

// A scanner writes the key of in to out.
type scanner struct {
	in   []rune
	at   int
	out  strings.Builder
	last string // the word before, in lower case
	gap  bool   // out ends with a Gap, and what separates lists may follow
	sep  string // what did follow it
}

// next takes one thing of the text.
func (s *scanner) next() {
	r := s.in[s.at]
	switch {
	case unicode.IsSpace(r):
		s.skip(unicode.IsSpace)
		s.separator(" ")
	case r == ',':
		s.at++
		s.separator(",")
	case r == '\\' && strings.ContainsRune("xuU", s.peek(1)): // an escape, as legible writes it
		s.at += 2
		start := s.at
		s.skip(isHex)
		s.keep(`\` + string(s.in[start-1:s.at]))
	case s.quoted(r), s.path(), s.id(), s.number():
	case r == '…':
		s.at++
		s.drop()
	case wordRune(r):
		s.word()
	default:
		s.at++
		s.keep(string(r))
	}
}

// separator keeps what may stand between the parts of a list: lists of gaps become one gap, so that
// their lengths make no difference.
func (s *scanner) separator(text string) {
	if s.gap {
		s.sep += text
		return
	}
	if text != " " || !strings.HasSuffix(s.out.String(), " ") {
		s.out.WriteString(text)
	}
}

func (s *scanner) keep(text string) {
	s.out.WriteString(strings.TrimRight(s.sep, " "))
	if strings.HasSuffix(s.sep, " ") {
		s.out.WriteByte(' ')
	}
	s.out.WriteString(text)
	s.gap, s.sep = false, ""
}

func (s *scanner) drop() {
	if !s.gap {
		s.out.WriteString(Gap)
	}
	s.gap, s.sep = true, ""
}

// skip passes what is of a kind.
func (s *scanner) skip(of func(rune) bool) {
	for s.at < len(s.in) && of(s.in[s.at]) {
		s.at++
	}
}

// peek is the rune so far from here, or 0 outside of the text.
func (s *scanner) peek(n int) rune {
	if i := s.at + n; i >= 0 && i < len(s.in) {
		return s.in[i]
	}
	return 0
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func digit(r rune) bool { return r >= '0' && r <= '9' }

func isHex(r rune) bool { return digit(r) || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' }

// closing is what ends a quotation.
var closing = map[rune]rune{'"': '"', '`': '`', '\'': '\'', '“': '”', '‘': '’', '«': '»'}

// maxQuoted bounds how far the end of a quoted value is looked for.
const maxQuoted = 300

// quoted drops a quoted value. An apostrophe begins one only where a word cannot have it.
func (s *scanner) quoted(r rune) bool {
	end := closing[r]
	if end == 0 || wordRune(s.peek(-1)) {
		return false
	}
	for i := s.at + 1; i < min(len(s.in), s.at+maxQuoted); i++ {
		switch {
		case s.in[i] == '\\':
			i++
		case s.in[i] == end && (i+1 == len(s.in) || end != '\'' || !wordRune(s.in[i+1])):
			s.at = i + 1
			s.drop()
			return true
		}
	}
	return false
}

// path drops a path or URL: what has a scheme, begins at a root, or has two slashes at least.
func (s *scanner) path() bool {
	r, before := s.in[s.at], s.peek(-1)
	if !wordRune(r) && r != '/' && r != '.' && r != '~' || wordRune(before) || before == '/' || before == '.' || before == '-' || before == '<' {
		return false
	}
	end, slashes, url := s.pathEnd()
	if slashes == 0 {
		return false
	}
	for end > s.at && strings.ContainsRune(".,:!?", s.in[end-1]) {
		end--
	}
	if !url && !isPath(string(s.in[s.at:end]), slashes) {
		return false
	}
	s.at = end
	s.skip(func(r rune) bool { return r == ':' && digit(s.peek(1)) || digit(r) }) // line and column
	s.drop()
	return true
}

// pathEnd returns where a path from here on would end, how many slashes it has, and whether a scheme or
// a drive says that it is one.
func (s *scanner) pathEnd() (end, slashes int, certain bool) {
	slash := func(i int) bool { return i < len(s.in) && (s.in[i] == '/' || s.in[i] == '\\') }
	for end = s.at; end < len(s.in) && !endsPath(s.in[end]); end++ {
		switch {
		case slash(end):
			slashes++
		case s.in[end] != ':' || certain:
		case slash(end+1) && (slash(end+2) || end == s.at+1):
			certain = true
		default:
			return end, slashes, certain
		}
	}
	return end, slashes, certain
}

func endsPath(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("\"'`<>()[]{},;|…", r)
}

func isPath(text string, slashes int) bool {
	for _, root := range []string{"/", "./", "../", "~/"} {
		if len(text) > len(root) && strings.HasPrefix(text, root) {
			return strings.IndexFunc(text, wordRune) >= 0
		}
	}
	return slashes > 1 && strings.IndexFunc(text, wordRune) == 0
}

// number drops a number with its sign and its unit: also dates, times, addresses, versions and
// durations such as 1m30s.
func (s *scanner) number() bool {
	start := s.at
	if strings.ContainsRune("+-", s.peek(0)) && !wordRune(s.peek(-1)) && digit(s.peek(1)) {
		s.at++
	}
	if !digit(s.peek(0)) || wordRune(s.peek(-1)) {
		s.at = start
		return false
	}
	first := s.at
	s.digits()
	if wordRune(s.peek(0)) && !s.unit() { // it begins a word
		s.at = start
		return false
	}
	if s.names(string(s.in[first:s.at])) {
		s.keep(string(s.in[start:s.at]))
		return true
	}
	s.units()
	s.drop()
	return true
}

// digits passes digits, and what joins them in dates, addresses and large numbers.
func (s *scanner) digits() {
	for {
		s.skip(digit)
		switch joint := s.peek(0); {
		case strings.ContainsRune(".,:/_-T", joint) && joint != 0 && digit(s.peek(1)):
			s.at++
		case (joint == 'e' || joint == 'E') && strings.ContainsRune("+-", s.peek(1)) && s.peek(1) != 0 && digit(s.peek(2)):
			s.at += 2
		default:
			return
		}
	}
}

// unitNames are what a number is counted in. It is dropped too, since it changes with the size.
var unitNames = strings.Fields("b kb mb gb tb kib mib gib tib byte bytes ns us µs μs ms s m h d sec secs min mins " +
	"second seconds minute minutes hour hours day days z")

// unit passes a unit right here, and for durations what follows it; false where there is another word.
func (s *scanner) unit() bool {
	start := s.at
	s.skip(unicode.IsLetter)
	if !slices.Contains(unitNames, strings.ToLower(string(s.in[start:s.at]))) {
		s.at = start
		return false
	}
	if digit(s.peek(0)) {
		s.digits()
		if !s.unit() {
			s.at = start
			return false
		}
	}
	if wordRune(s.peek(0)) {
		s.at = start
		return false
	}
	return true
}

// units passes a percent sign, or a unit after a space.
func (s *scanner) units() {
	if s.peek(0) == '%' {
		s.at++
		return
	}
	if s.peek(0) == ' ' && unicode.IsLetter(s.peek(1)) {
		s.at++
		if !s.unit() {
			s.at--
		}
	}
}

// names reports whether a number after the word before is the name of a failure: HTTP 503, exit status 2.
func (s *scanner) names(number string) bool {
	if len(number) > 3 {
		return false
	}
	return slices.ContainsFunc([]string{"status", "code", "http", "signal", "errno"}, func(word string) bool {
		return strings.HasSuffix(s.last, word)
	})
}

// keptWords have digits that are no numbers.
var keptWords = strings.Fields("s3 ec2 x86 arm64 amd64 utf8 sha1 sha256 md5 base64 http2 ipv4 ipv6 " +
	"int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128")

// id drops an id, which may have dashes.
func (s *scanner) id() bool {
	if wordRune(s.peek(-1)) {
		return false
	}
	start := s.at
	for _, of := range []func(rune) bool{func(r rune) bool { return wordRune(r) || r == '-' }, wordRune} {
		s.at = start
		s.skip(of)
		if isID(string(s.in[start:s.at])) {
			s.drop()
			return true
		}
	}
	s.at = start
	return false
}

// word keeps a word, but for its digits: worker7 is worker….
func (s *scanner) word() {
	start := s.at
	s.skip(wordRune)
	text := string(s.in[start:s.at])
	switch lower := strings.ToLower(text); {
	case strings.IndexFunc(text, digit) < 0 || slices.Contains(keptWords, lower):
		s.keep(text)
		s.last = lower
	default:
		for len(text) > 0 {
			n := strings.IndexFunc(text, digit)
			if n < 0 {
				n = len(text)
			}
			if n > 0 {
				s.keep(text[:n])
			}
			if rest := strings.TrimLeftFunc(text[n:], digit); len(rest) < len(text[n:]) {
				s.drop()
				text = rest
			} else {
				text = text[n:]
			}
		}
		s.last = lower
	}
}

// isID reports whether a word is a hexadecimal or random id rather than something to read, or a number.
func isID(word string) bool {
	hex, digits, letters := 0, 0, 0
	body := strings.TrimPrefix(word, "0x")
	for _, r := range body {
		switch {
		case digit(r):
			digits++
		case r < utf8.RuneSelf && unicode.IsLetter(r):
			letters++
		case r != '-' && r != '_':
			return false
		}
		if isHex(r) {
			hex++
		}
	}
	switch {
	case len(body) < len(word):
		return hex == len(body)
	case digits == 0 || letters == 0:
		return false
	case hex >= 8 && hex == digits+letters:
		return true
	default: // base64 and the like
		return digits+letters >= 12 && digits >= 3 && letters >= 3 && !strings.ContainsAny(word, "-")
	}
}
