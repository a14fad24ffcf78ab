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

// link has the store sign one, and checks that it says when it ends and does not outlive what was
// asked for. One that lives longer than it says is a credential that nobody knows of.
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

// use sends what a link allows, or what change makes of it, and returns the status and the body of
// the answer. Headers that the link names are sent, as its holder must.
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

// testLinks demands that a link allows one thing with one object. With another method, for another
// object, or without its signature the answer is 4xx and shows nothing of the object. Otherwise an
// agent that may read its arguments could overwrite or delete those of others.
func (s *storeSuite) testLinks(t *testing.T) {
	s.put(t, storeKey+"a", []byte("planted"))
	s.put(t, storeKey+"b", []byte("planted"))
	get, put := s.link(t, http.MethodGet, storeKey+"a", time.Minute), s.link(t, http.MethodPut, storeKey+"a", time.Minute)
	s.brief = s.link(t, http.MethodGet, storeKey+"a", time.Second)
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
}

// forbidden reports whether a store has refused what a link does not allow: S3 answers with 403, Google to some of
// it with 400.
func forbidden(status int) bool {
	return status == http.StatusForbidden || status == http.StatusBadRequest
}

// testExpired demands that a link and a form are good for nothing after their time. It uses those
// that earlier cases have made for a second, as the last case, so that there is little to wait for.
// A link that was leaked must stop to matter by itself, since nobody can take it back.
func (s *storeSuite) testExpired(t *testing.T) {
	if s.brief.URL == "" {
		t.Fatal("the case Links makes the link: run it, too")
	}
	ends := s.brief.Expires
	if s.briefForm.Expires.After(ends) {
		ends = s.briefForm.Expires
	}
	s.put(t, storeKey+"a", []byte("planted"))
	late := time.NewTimer(time.Until(ends) + 1500*time.Millisecond) // a store may count whole seconds
	defer late.Stop()
	<-late.C
	if status, body := s.use(t, http.MethodGet, s.brief, nil); !forbidden(status) || bytes.Contains(body, []byte("planted")) {
		t.Errorf("a link: HTTP %d %s", status, body)
	}
	if s.briefForm.URL == "" {
		return // the store has no forms
	}
	if status, body := s.post(t, s.briefForm, s.briefForm.Under+"z", []byte("planted")); status/100 != 4 {
		t.Errorf("a form: HTTP %d %s", status, body)
	}
	if _, _, err := s.Open(short(t), storeKey+"form/z"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was posted after the form's end: %v, want that it is not there", err)
	}
}

// testCreationLinks demands that such a link stores what is not there, and does nothing else. The
// second PUT is answered as S3 does: with 412 and the code PreconditionFailed. From the 412 an
// agent learns that another delivery was first, and lets it be. The condition is signed, so a PUT
// without it is refused. Otherwise an agent could replace what was recorded.
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
	if status, body := s.use(t, http.MethodPut, link, []byte("x"), bare); !forbidden(status) {
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

// A formField is one of a form, which may have several of a name.
type formField struct{ name, value string }

// post sends a form, as an agent does: the fields that the client signed, the key, the file.
func (s *storeSuite) post(t *testing.T, form lambdapool.Link, key string, data []byte) (int, []byte) {
	t.Helper()
	return s.postFields(t, form, append(fieldsOf(form), formField{"key", key}), "file", data)
}

// fieldsOf returns the fields of a form, always in the same order.
func fieldsOf(form lambdapool.Link) (fields []formField) {
	for _, name := range slices.Sorted(maps.Keys(form.Form)) {
		fields = append(fields, formField{name, form.Form[name]})
	}
	return fields
}

// postFields sends these fields, and a file with that name.
func (s *storeSuite) postFields(t *testing.T, form lambdapool.Link, fields []formField, file string, data []byte) (int, []byte) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, field := range fields {
		if err := w.WriteField(field.name, field.value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s.use(t, http.MethodPost, form, body.Bytes(), func(r *http.Request) { r.Header.Set("Content-Type", w.FormDataContentType()) })
}

// testAttacks uses a form in every way it was not made for: nothing that is there already may
// change, and nothing may appear outside of the form's prefix. It tries what multipart parsers read
// in different ways: fields that come twice or in another case, other prefixes, policies and
// buckets, folders, S3's ${filename}. A store that checks one reading of a form and executes
// another lets an agent write where it likes. An answer of 5xx is a failure too: that store did not
// expect the form.
func (s *storeSuite) testAttacks(t *testing.T) {
	const mine, theirs = storeKey + "mine/", storeKey + "theirs/result"
	form, err := s.LinkUnder(short(t), mine, time.Minute)
	if errors.Is(err, errors.ErrUnsupported) {
		return // there is nothing to attack with
	}
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, theirs, []byte("theirs"))
	// What the store itself puts before keys.
	above := strings.TrimSuffix(form.Under, mine)
	target, own := above+theirs, form.Under+"own"
	s.remove(t, mine+"own", mine+"../theirs/result", mine+"/"+theirs)
	plain := fieldsOf(form)
	with := func(more ...formField) []formField { return append(slices.Clone(plain), more...) }
	for name, fields := range map[string][]formField{
		"another key":               with(formField{"key", target}),
		"its beginning":             with(formField{"key", strings.TrimSuffix(form.Under, "/")}),
		"nothing":                   with(formField{"key", ""}),
		"no key":                    plain,
		"key and Key":               with(formField{"key", target}, formField{"Key", own}),
		"Key and key":               with(formField{"Key", own}, formField{"key", target}),
		"KEY and key":               with(formField{"KEY", target}, formField{"key", own}),
		"key twice":                 with(formField{"key", own}, formField{"key", target}),
		"key twice, the other way":  with(formField{"key", target}, formField{"key", own}),
		"another prefix":            with(formField{"prefix", above + storeKey}, formField{"key", target}),
		"another prefix, first":     append([]formField{{"prefix", above + storeKey}, {"key", target}}, plain...),
		"another policy":            with(formField{"policy", "e30="}, formField{"key", target}),
		"folders":                   with(formField{"key", form.Under + "../theirs/result"}),
		"a path as key":             with(formField{"key", form.Under + "/" + theirs}),
		"the name of the file":      with(formField{"key", "${filename}"}),
		"another bucket":            with(formField{"bucket", "another-bucket"}, formField{"key", target}),
		"a key after another field": with(formField{"Content-Type", "x"}, formField{"key", target}),
	} {
		status, body := s.postFields(t, form, fields, theirs, []byte("FORGED"))
		if status/100 == 5 {
			t.Errorf("%s: HTTP %d %s", name, status, body)
		}
		if got := s.read(t, theirs); string(got) != "theirs" {
			t.Fatalf("%s: HTTP %d, and another's object is %q", name, status, got)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost} {
		for _, path := range []string{"/" + theirs, "/" + target} {
			there := form
			there.URL = strings.TrimSuffix(form.URL, "/") + path
			if status, body := s.use(t, method, there, []byte("FORGED")); status/100 == 2 || bytes.Contains(body, []byte("theirs</")) {
				t.Errorf("%s %s by a form: HTTP %d %s", method, path, status, body)
			}
		}
	}
	list, err := s.List(short(t), storeKey, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Objects {
		if o.Key != theirs && !strings.HasPrefix(o.Key, mine) {
			t.Errorf("%s has appeared", o.Key)
		}
	}
	if got := s.read(t, theirs); string(got) != "theirs" {
		t.Errorf("another's object is %q", got)
	}
}

// testForms demands that a form stores any objects below its prefix for a time, and none elsewhere,
// whatever they contain. One form spares a signature for each result, which matters at a thousand
// calls a second. A store that has no forms says so with errors.ErrUnsupported, and then must have
// links for single objects.
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
	if s.briefForm, err = s.LinkUnder(short(t), prefix, time.Second); err != nil {
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
	for name, tt := range map[string]struct {
		form lambdapool.Link
		key  string
	}{
		"elsewhere":    {form, elsewhere + storeKey + "z"},
		"outside":      {form, "z"},
		"wrong signed": {tampered, form.Under + "z"},
		"not signed":   {empty, form.Under + "z"},
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

// testLinkedUntil demands that no link lives longer than the store says, be it for its own bound or
// for credentials that end. A detached run whose results could not be recorded any more is refused
// when it is started. With a wrong answer here it starts, and its last results are lost.
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
