package objects

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// maxPage is what a listing has at most. Sources:
// docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and
// cloud.google.com/storage/docs/xml-api/get-bucket-list, 2026-11.
const maxPage = 1000

// A Page is what is to be listed.
type Page struct {
	Prefix, Delimiter string
	After             string // keys up to here are not listed; nor are those that begin so, if it is a group
	Max               int
}

// A Listing is what a page has.
type Listing struct {
	Keys      []string // of objects
	Values    [][]byte
	Groups    []string
	Last      string // key or group
	Truncated bool
}

// group returns what the keys that are listed as one with key begin with, or nothing.
func (p *Page) group(key string) string {
	if p.Delimiter == "" {
		return ""
	}
	rest := key[len(p.Prefix):]
	i := strings.Index(rest, p.Delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(p.Prefix)+i+len(p.Delimiter)]
}

// beyond is behind all that begins with a prefix.
func beyond(prefix string) []byte {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil // nothing is
}

// List reads a table in the order of its keys.
func (p *Page) List(table *bbolt.Bucket) *Listing {
	var l Listing
	if p.Max == 0 {
		return &l
	}
	c := table.Cursor()
	from := []byte(max(p.Prefix, p.After))
	afterGroup := strings.HasPrefix(p.After, p.Prefix) && p.After != "" && p.group(p.After) == p.After
	if afterGroup {
		if from = beyond(p.After); from == nil {
			return &l
		}
	}
	k, v := c.Seek(from)
	if p.After != "" && string(k) == p.After && !afterGroup {
		k, v = c.Next()
	}
	for k != nil && bytes.HasPrefix(k, []byte(p.Prefix)) {
		if len(l.Keys)+len(l.Groups) == p.Max {
			l.Truncated = true
			return &l
		}
		key := string(k)
		if group := p.group(key); group != "" {
			l.Groups = append(l.Groups, group)
			l.Last = group
			next := beyond(group)
			if next == nil {
				return &l
			}
			k, v = c.Seek(next)
			continue
		}
		l.Keys, l.Values, l.Last = append(l.Keys, key), append(l.Values, v), key
		k, v = c.Next()
	}
	return &l
}

// Timestamp is how documents write times.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Limit reads from a query how many a page is to have.
func Limit(query map[string]string, name string) (int, error) {
	value, ok := query[name]
	if !ok || value == "" {
		return maxPage, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, Invalid("InvalidArgument", "Argument %s must be an integer between 0 and 2147483647", name)
	}
	return min(n, maxPage), nil
}

// Encoding returns how a query wants names to be written.
func Encoding(query map[string]string) (func(string) string, error) {
	switch query["encoding-type"] {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return func(s string) string { return Escape(s, true) }, nil
	}
	return nil, Invalid("InvalidArgument", "Invalid Encoding Method specified in Request")
}
