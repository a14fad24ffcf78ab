package objects

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SameETag compares an ETag as clients write it, with or without quotes.
func SameETag(asked string, e *Entry) bool {
	return strings.Trim(strings.TrimSpace(asked), `"`) == strings.Trim(e.ETag(), `"`)
}

// anyETag looks for an entry's in a list.
func anyETag(list string, e *Entry) bool {
	for asked := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(asked) == "*" || SameETag(strings.TrimPrefix(strings.TrimSpace(asked), "W/"), e) {
			return true
		}
	}
	return false
}

// ReadCondition refuses to read what a client does not want. header is by name in lower case; prefix is
// before the names of the headers, where it is copied from e. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, 2026-11.
func ReadCondition(header map[string]string, prefix string, e *Entry) error {
	failed := PreconditionFailed
	unchanged := func() *Failure { return NotModified(e) }
	if prefix != "" { // it is copied
		unchanged = failed
	}
	at := e.Modified.Truncate(time.Second)
	if match, ok := header[prefix+"if-match"]; ok {
		if !anyETag(match, e) {
			return failed()
		}
	} else if since, ok := date(header[prefix+"if-unmodified-since"]); ok && at.After(since) {
		return failed()
	}
	if none, ok := header[prefix+"if-none-match"]; ok {
		if anyETag(none, e) {
			return unchanged()
		}
	} else if since, ok := date(header[prefix+"if-modified-since"]); ok && !at.After(since) {
		return unchanged()
	}
	return nil
}

// date reads a header's value. One that is no date says nothing.
func date(value string) (time.Time, bool) {
	at, err := http.ParseTime(value)
	return at, err == nil
}

// position reads a number of bytes.
func position(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// ParseRange reads which bytes of an object of a size are asked for. What it cannot read says nothing, and
// several ranges are not served: so does S3. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, 2026-11.
func ParseRange(asked string, size int64) (from, n int64, partial bool, err error) {
	asked, ok := strings.CutPrefix(asked, "bytes=")
	first, last, dash := strings.Cut(asked, "-")
	if !ok || !dash || strings.Contains(asked, ",") {
		return 0, size, false, nil
	}
	from, isFrom := position(first)
	to, isTo := position(last)
	switch {
	case first == "" && isTo: // the last so many
		from, to = max(size-to, 0), size-1
	case !isFrom || !isTo && last != "" || isTo && to < from:
		return 0, size, false, nil
	case last == "" || to >= size:
		to = size - 1
	}
	if from >= size {
		f := Fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
		f.Header = http.Header{"Content-Range": {"bytes */" + strconv.FormatInt(size, 10)}}
		return 0, 0, false, f
	}
	return from, to - from + 1, true, nil
}
