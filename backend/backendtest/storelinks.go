package backendtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
)

func (s *storeSuite) link(t *testing.T, method, key string, life time.Duration) lambdapool.Link {
	t.Helper()
	sign := s.LinkGet
	if method == http.MethodPut {
		sign = s.LinkPut
	}
	link, err := sign(short(t), key, life)
	if err != nil {
		t.Fatalf("link: %v", err)
	}
	if left := time.Until(link.Expires); left <= 0 || left > life+time.Second {
		t.Errorf("a link for %v ends in %v", life, left)
	}
	return link
}

// use sends what a link allows, or what change makes of it.
func (s *storeSuite) use(t *testing.T, method string, link lambdapool.Link, body []byte, change ...func(*http.Request)) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(short(t), method, link.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range link.Header {
		r.Header.Set(name, value)
	}
	for _, f := range change {
		f(r)
	}
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, data
}

// testLinks checks that a link allows one thing with one object for a time.
func (s *storeSuite) testLinks(t *testing.T) {
	s.put(t, storeKey+"a", []byte("planted"))
	s.put(t, storeKey+"b", []byte("planted"))
	get, put := s.link(t, http.MethodGet, storeKey+"a", time.Minute), s.link(t, http.MethodPut, storeKey+"a", time.Minute)
	brief := s.link(t, http.MethodGet, storeKey+"a", time.Second)
	other := func(r *http.Request) { r.URL.Path = strings.TrimSuffix(r.URL.Path, "a") + "b" }
	bare := func(r *http.Request) { r.URL.RawQuery = "" }
	for name, tt := range map[string]struct {
		method string
		link   lambdapool.Link
		change func(*http.Request)
	}{
		"PUT by a GET link":    {http.MethodPut, get, nil},
		"GET by a PUT link":    {http.MethodGet, put, nil},
		"DELETE by a PUT link": {http.MethodDelete, put, nil},
		"GET another object":   {http.MethodGet, get, other},
		"PUT another object":   {http.MethodPut, put, other},
		"without signature":    {http.MethodGet, get, bare},
	} {
		if tt.change == nil {
			tt.change = func(*http.Request) {}
		}
		if status, body := s.use(t, tt.method, tt.link, nil, tt.change); status/100 != 4 || bytes.Contains(body, []byte("planted")) {
			t.Errorf("%s: HTTP %d %s", name, status, body)
		}
	}
	if got := s.read(t, storeKey+"b"); string(got) != "planted" {
		t.Errorf("the other object is %q now", got)
	}
	late := time.NewTimer(time.Until(brief.Expires) + 1500*time.Millisecond) // a store may count whole seconds
	defer late.Stop()
	<-late.C
	if status, body := s.use(t, http.MethodGet, brief, nil); status != http.StatusForbidden {
		t.Errorf("expired: HTTP %d %s", status, body)
	}
}

// testCreationLinks checks that such a link stores what is not there, and nothing else.
func (s *storeSuite) testCreationLinks(t *testing.T) {
	const key = storeKey + "a"
	s.remove(t, key)
	link, err := s.LinkCreate(short(t), key, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(link.Expires); left <= 0 || left > time.Minute+time.Second {
		t.Errorf("a link for a minute ends in %v", left)
	}
	bare := func(r *http.Request) { clear(r.Header) }
	if status, body := s.use(t, http.MethodPut, link, []byte("x"), bare); status != http.StatusForbidden {
		t.Errorf("without what was signed: HTTP %d %s", status, body)
	}
	if status, body := s.use(t, http.MethodPut, link, []byte("first")); status != http.StatusOK {
		t.Errorf("HTTP %d %s", status, body)
	}
	status, body := s.use(t, http.MethodPut, link, []byte("second"))
	if status != http.StatusPreconditionFailed || !bytes.Contains(body, []byte("<Code>PreconditionFailed</Code>")) {
		t.Errorf("a second time: HTTP %d %s", status, body)
	}
	if status, body := s.use(t, http.MethodGet, link, nil); status/100 != 4 || bytes.Contains(body, []byte("first")) {
		t.Errorf("GET: HTTP %d %s", status, body)
	}
	if got := s.read(t, key); string(got) != "first" {
		t.Errorf("the object is %q", got)
	}
	if !s.create(t, key, []byte("third")) {
		t.Error("what a link has created can be created again")
	}
}

// post sends a form, as an agent does.
func (s *storeSuite) post(t *testing.T, form lambdapool.Link, key string, data []byte) (int, []byte) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(form.Form)) {
		if err := w.WriteField(name, form.Form[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteField("key", key); err != nil {
		t.Fatal(err)
	}
	file, err := w.CreateFormFile("file", "file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s.use(t, http.MethodPost, form, body.Bytes(), func(r *http.Request) { r.Header.Set("Content-Type", w.FormDataContentType()) })
}

// testForms checks that a form stores any objects below its prefix for a time, and none
// elsewhere.
func (s *storeSuite) testForms(t *testing.T) {
	const prefix = storeKey + "form/"
	form, err := s.LinkUnder(short(t), prefix, time.Minute)
	if errors.Is(err, errors.ErrUnsupported) {
		if _, err := s.LinkPut(short(t), prefix+"a", time.Minute); err != nil {
			t.Errorf("neither a form nor a link: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(form.Expires); left <= 0 || left > time.Minute+time.Second || !strings.HasSuffix(form.Under, prefix) || len(form.Form) == 0 {
		t.Errorf("a form for a minute ends in %v, under %q, %d fields", left, form.Under, len(form.Form))
	}
	brief, err := s.LinkUnder(short(t), prefix, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"a": 1, "b": 1000, "c": 7 << 20, "d/e f+g": 10} {
		s.remove(t, prefix+name)
		data := bytes.Repeat([]byte{1, 2, 3, 13, 10, '-', '-'}, size/7+1)[:size]
		if status, body := s.post(t, form, form.Under+name, data); status != http.StatusNoContent && status != http.StatusOK && status != http.StatusCreated {
			t.Fatalf("%d bytes: HTTP %d %s", size, status, body)
		}
		if got := s.read(t, prefix+name); !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d", size, len(got))
		}
	}
	tampered := form
	tampered.Form = maps.Clone(form.Form)
	for name, value := range tampered.Form {
		if strings.HasSuffix(strings.ToLower(name), "signature") {
			tampered.Form[name] = strings.Repeat("0", len(value))
		}
	}
	empty := form
	empty.Form = nil
	elsewhere := strings.TrimSuffix(form.Under, prefix)
	late := time.NewTimer(time.Until(brief.Expires) + 1500*time.Millisecond) // a store may count whole seconds
	defer late.Stop()
	<-late.C
	for name, tt := range map[string]struct {
		form lambdapool.Link
		key  string
	}{
		"elsewhere":     {form, elsewhere + storeKey + "z"},
		"outside":       {form, "z"},
		"wrong signed":  {tampered, form.Under + "z"},
		"not signed":    {empty, form.Under + "z"},
		"after its end": {brief, form.Under + "z"},
	} {
		if status, body := s.post(t, tt.form, tt.key, []byte("planted")); status/100 != 4 || bytes.Contains(body, []byte("planted")) {
			t.Errorf("%s: HTTP %d %s", name, status, body)
		}
	}
	for _, key := range []string{storeKey + "z", prefix + "z"} {
		if _, _, err := s.Open(short(t), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want that it is not there", key, err)
		}
	}
}

// testLinkedUntil checks that no link lives longer than the store says.
func (s *storeSuite) testLinkedUntil(t *testing.T) {
	until, err := s.LinkedUntil(short(t))
	if err != nil || time.Until(until) <= 0 {
		t.Fatalf("links end at %v, %v", until, err)
	}
	link, err := s.LinkGet(short(t), storeKey+"a", 10_000*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if link.Expires.Sub(until) > time.Minute {
		t.Errorf("a link ends at %v, the longest at %v", link.Expires, until)
	}
}
