package backendtest

import (
	"net/http"
	"testing"
	"time"
)

// testRanges checks that a link to GET serves parts of an object, of the version that is asked
// for: large inputs are read in parts, by many, and must not be mixtures of two versions.
func (s *storeSuite) testRanges(t *testing.T) {
	const key = storeKey + "parts"
	defer s.remove(t, key)
	s.put(t, key, []byte("0123456789"))
	tag := s.tag(t, key)
	get := s.link(t, http.MethodGet, key, time.Minute)
	part := func(want, match string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Range", want)
			if match != "" {
				r.Header.Set("If-Match", match)
			}
		}
	}
	for _, tt := range []struct{ part, match, want string }{
		{"bytes=0-3", "", "0123"},
		{"bytes=4-8", tag, "45678"},
		{"bytes=8-100", tag, "89"},
	} {
		if status, got := s.use(t, http.MethodGet, get, nil, part(tt.part, tt.match)); status != http.StatusPartialContent || string(got) != tt.want {
			t.Errorf("%s: HTTP %d %q, want 206 and %q", tt.part, status, got, tt.want)
		}
	}
	if status, _ := s.use(t, http.MethodGet, get, nil, part("bytes=10-12", "")); status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: HTTP %d, want 416", status)
	}
	if tag == "" {
		return // the store does not tell versions apart
	}
	s.put(t, key, []byte("abcdefghij"))
	if now := s.tag(t, key); now == tag {
		t.Errorf("another object has the ETag %s too", tag)
	}
	if status, got := s.use(t, http.MethodGet, get, nil, part("bytes=0-3", tag)); status != http.StatusPreconditionFailed {
		t.Errorf("a part of a version that was replaced: HTTP %d %q, want 412", status, got)
	}
}

// tag returns the ETag that a listing tells.
func (s *storeSuite) tag(t *testing.T, key string) string {
	t.Helper()
	list, err := s.List(short(t), key, "")
	if err != nil || len(list.Objects) != 1 {
		t.Fatalf("the listing of one object: %+v, %v", list, err)
	}
	return list.Objects[0].ETag
}
