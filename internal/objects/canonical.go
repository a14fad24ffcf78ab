package objects

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Pairs reads a query, as it was sent: each name once.
func Pairs(raw string) ([][2]string, error) {
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, Invalid("InvalidURI", "Couldn't parse the specified URI.")
		}
		if slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] == name }) {
			return nil, Invalid("InvalidArgument", "The query parameter %s is given more than once.", name)
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

// Header reads those of a request's headers that mean something, by name in lower case, each once; again says
// which may come more than once.
func Header(header http.Header, meaningful, again func(name string) bool) (map[string]string, error) {
	read := map[string]string{}
	for name, values := range header {
		name = strings.ToLower(name)
		if !meaningful(name) {
			continue
		}
		if len(values) > 1 && !again(name) {
			return nil, Invalid("InvalidArgument", "The header %s is given more than once.", name)
		}
		trimmed := make([]string, len(values))
		for i, v := range values {
			trimmed[i] = strings.TrimSpace(v)
		}
		read[name] = strings.Join(trimmed, ",")
	}
	return read, nil
}

// Canonical is the form of a request that signatures of version 4 are made of, whoever's they are. path is
// decoded; pairs are the query, of which except is no part; headers are those that are signed; hash stands
// for the body. Sources: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and
// cloud.google.com/storage/docs/authentication/canonical-requests, 2026-11.
func Canonical(r *http.Request, path string, pairs [][2]string, except string, headers []string, hash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + Escape(path, true) + "\n" + canonicalQuery(pairs, except) + "\n")
	for _, name := range headers {
		b.WriteString(name + ":")
		switch name {
		case "host":
			b.WriteString(r.Host)
		case "content-length":
			b.WriteString(strconv.FormatInt(r.ContentLength, 10))
		case "transfer-encoding":
			b.WriteString(strings.Join(r.TransferEncoding, ","))
		default:
			for i, value := range r.Header.Values(name) {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(strings.Join(strings.Fields(value), " "))
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(headers, ";") + "\n" + hash)
	return b.String()
}

// canonicalQuery is sorted by name: not by name and value in one, since some characters of
// names come before the equals sign. No name comes twice.
func canonicalQuery(pairs [][2]string, except string) string {
	escaped := make([][2]string, 0, len(pairs))
	for _, p := range pairs {
		if p[0] != except {
			escaped = append(escaped, [2]string{Escape(p[0], false), Escape(p[1], false)})
		}
	}
	slices.SortFunc(escaped, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	var b strings.Builder
	for i, p := range escaped {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + p[1])
	}
	return b.String()
}

// Escape escapes all but what RFC 3986 calls unreserved.
func Escape(s string, slashes bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && slashes:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
