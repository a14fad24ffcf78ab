package objects_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// entry has the tag "0102", and is of 2026-03-01 12:00:00.5.
func entry() *objects.Entry {
	return &objects.Entry{Size: 10, MD5: []byte{1, 2}, Modified: time.Date(2026, 3, 1, 12, 0, 0, 5e8, time.UTC)}
}

func status(err error) int {
	if err == nil {
		return 0
	}
	return objects.FailureOf(err).Status
}

func TestReadConditions(t *testing.T) {
	const (
		at     = "Sun, 01 Mar 2026 12:00:00 GMT"
		before = "Sun, 01 Mar 2026 11:59:59 GMT"
	)
	for _, test := range []struct {
		header string // NAME: VALUE, several by "|"
		read   int    // 0: it is read
		copied int    // where prefix is before the names
	}{
		{"", 0, 0},
		{`if-match: "0102"`, 0, 0},
		{`if-match: 0102`, 0, 0},
		{`if-match: "03", "0102"`, 0, 0},
		{`if-match: *`, 0, 0},
		{`if-match: "03"`, 412, 412},
		{`if-match: ""`, 412, 412},
		{`if-none-match: "0102"`, 304, 412},
		{`if-none-match: W/"0102"`, 304, 412},
		{`if-none-match: *`, 304, 412},
		{`if-none-match: "03"`, 0, 0},
		{`if-modified-since: ` + at, 304, 412}, // headers have no halves of seconds
		{`if-modified-since: ` + before, 0, 0},
		{`if-unmodified-since: ` + at, 0, 0},
		{`if-unmodified-since: ` + before, 412, 412},
		{`if-modified-since: yesterday`, 0, 0}, // no date
		{`if-unmodified-since: yesterday`, 0, 0},
		{`if-match: "0102"|if-unmodified-since: ` + before, 0, 0}, // a tag says more than a time
		{`if-none-match: "03"|if-modified-since: ` + at, 0, 0},
		{`if-match: "03"|if-none-match: "0102"`, 412, 412},
	} {
		for prefix, want := range map[string]int{"": test.read, "x-amz-copy-source-": test.copied} {
			header := map[string]string{}
			for one := range strings.SplitSeq(test.header, "|") {
				if name, value, ok := strings.Cut(one, ": "); ok {
					header[prefix+name] = value
				}
			}
			if got := status(objects.ReadCondition(header, prefix, entry())); got != want {
				t.Errorf("%q%s: %d, want %d", prefix, test.header, got, want)
			}
		}
	}
	// Whoever has it already is told what it has.
	f := objects.FailureOf(objects.ReadCondition(map[string]string{"if-none-match": "*"}, "", entry()))
	if !slices.Equal(f.Header["ETag"], []string{`"0102"`}) || //nolint:staticcheck // as stores write it, which net/http would not
		f.Header.Get("Last-Modified") != at {
		t.Errorf("not modified: %v", f.Header)
	}
}

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		asked   string
		from, n int64
		partial bool
	}{
		{"", 0, 10, false},
		{"bytes=0-9", 0, 10, true},
		{"bytes=3-5", 3, 3, true},
		{"bytes=3-", 3, 7, true},
		{"bytes=9-", 9, 1, true},
		{"bytes=5-100", 5, 5, true},
		{"bytes=-4", 6, 4, true},
		{"bytes=-100", 0, 10, true},
		{"bytes=5-4", 0, 10, false}, // what cannot be read says nothing
		{"bytes=a-b", 0, 10, false},
		{"bytes=1-b", 0, 10, false},
		{"bytes=-", 0, 10, false},
		{"bytes=1", 0, 10, false},
		{"bytes=+1-2", 0, 10, false},
		{"bytes=0-1,3-4", 0, 10, false},
		{"lines=0-1", 0, 10, false},
		{"bytes=0-99999999999999999999", 0, 10, false},
	} {
		from, n, partial, err := objects.ParseRange(test.asked, 10)
		if from != test.from || n != test.n || partial != test.partial || err != nil {
			t.Errorf("%q: %d bytes from %d, %v, %v", test.asked, n, from, partial, err)
		}
	}
	for asked, size := range map[string]int64{"bytes=10-": 10, "bytes=10-12": 10, "bytes=0-": 0, "bytes=-0": 10, "bytes=-5": 0} {
		_, _, _, err := objects.ParseRange(asked, size)
		if status(err) != http.StatusRequestedRangeNotSatisfiable || objects.FailureOf(err).Header.Get("Content-Range") == "" {
			t.Errorf("%q of %d bytes: %v", asked, size, err)
		}
	}
}

func TestETags(t *testing.T) {
	whole, parts := entry(), entry()
	parts.Parts = []int64{5, 5}
	for _, test := range []struct {
		asked string
		e     *objects.Entry
		same  bool
	}{
		{`"0102"`, whole, true}, {"0102", whole, true}, {` "0102" `, whole, true}, {`"0102-2"`, whole, false}, {"", whole, false},
		{`"0102-2"`, parts, true}, {"0102-2", parts, true}, {`"0102"`, parts, false},
	} {
		if objects.SameETag(test.asked, test.e) != test.same {
			t.Errorf("%q and %s: want %v", test.asked, test.e.ETag(), test.same)
		}
	}
}
