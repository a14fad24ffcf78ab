package gcs_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/gcslocal"
)

// What a link allows is what was signed: no byte of it can be another one, and nothing can be left out.
func TestLinksAreExact(t *testing.T) {
	t.Parallel()
	s, tr := open(t, serve(t)), transport(t)
	if err := put(t, s, "a", "there"); err != nil {
		t.Fatal(err)
	}
	link, err := s.LinkCreate(t.Context(), "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(from, to string) func(*driver.Link) {
		return func(l *driver.Link) {
			changed := strings.Replace(l.URL, from, to, 1)
			if changed == l.URL {
				t.Errorf("%s is not in it", from)
			}
			l.URL = changed
		}
	}
	for name, tt := range map[string]struct {
		change func(*driver.Link)
		status int
		code   string
	}{
		"as it is":              {func(*driver.Link) {}, 412, "PreconditionFailed"},
		"a destroyed signature": {func(l *driver.Link) { l.URL = l.URL[:len(l.URL)-2] + "00" }, 403, "SignatureDoesNotMatch"},
		"no signature":          {func(l *driver.Link) { l.URL, _, _ = strings.Cut(l.URL, "&X-Goog-Signature") }, 403, "AccessDenied"},
		"an empty signature": {func(l *driver.Link) {
			l.URL, _, _ = strings.Cut(l.URL, "&X-Goog-Signature")
			l.URL += "&X-Goog-Signature="
		}, 403, "SignatureDoesNotMatch"},
		"its lower-case twin":    {replace("X-Goog-Signature", "x-goog-signature"), 403, "SignatureDoesNotMatch"},
		"without the condition":  {func(l *driver.Link) { l.Header = nil }, 400, "MalformedSecurityHeader"},
		"another condition":      {func(l *driver.Link) { l.Header = map[string]string{"X-Goog-If-Generation-Match": "1"} }, 403, "SignatureDoesNotMatch"},
		"the condition unsigned": {replace("host%3Bx-goog-if-generation-match", "host"), 400, "MalformedSecurityHeader"},
		"no signed headers":      {replace("X-Goog-SignedHeaders=host%3Bx-goog-if-generation-match", "X-Goog-SignedHeaders="), 400, "MalformedSecurityHeader"},
		"more headers": {func(l *driver.Link) {
			l.Header = map[string]string{"X-Goog-If-Generation-Match": "0", "X-Goog-Acl": "public-read"}
		}, 400, "MalformedSecurityHeader"},
		"another object":    {replace("/lambdapool/a?", "/lambdapool/b?"), 403, "SignatureDoesNotMatch"},
		"a longer life":     {replace("X-Goog-Expires=60", "X-Goog-Expires=600"), 403, "SignatureDoesNotMatch"},
		"more than a week":  {replace("X-Goog-Expires=60", "X-Goog-Expires=604801"), 400, "MalformedSecurityHeader"},
		"another algorithm": {replace("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256"), 400, "MalformedSecurityHeader"},
		"another account":   {replace("signer%40", "other%40"), 403, "SignatureDoesNotMatch"},
		"another service":   {replace("%2Fstorage%2F", "%2Fqueue%2F"), 400, "MalformedSecurityHeader"},
		"a query more":      {func(l *driver.Link) { l.URL += "&acl" }, 403, "SignatureDoesNotMatch"},
	} {
		changed := link
		changed.Header = maps.Clone(link.Header)
		tt.change(&changed)
		status, body := use(t, tr, http.MethodPut, changed, "FORGED")
		if status != tt.status || !strings.Contains(body, "<Code>"+tt.code+"</Code>") {
			t.Errorf("%s: HTTP %d %s, want %d %s", name, status, body, tt.status, tt.code)
		}
	}
	list, err := s.List(t.Context(), "", "")
	if got, wrong := get(t, s, "a"); got != "there" || errors.Join(err, wrong) != nil || len(list.Objects) != 1 {
		t.Errorf("it is %q now, of %d objects, %v", got, len(list.Objects), errors.Join(err, wrong))
	}
}

// Links and forms are good for nothing after their end, by the store's clock.
func TestExpired(t *testing.T) {
	t.Parallel()
	now := time.Now()
	endpoint := serve(t, func(cfg *gcslocal.Config) { cfg.Now = func() time.Time { return now } })
	s, tr := open(t, endpoint), transport(t)
	if err := put(t, s, "a", "planted"); err != nil { // and the clock is known
		t.Fatal(err)
	}
	link, err := s.LinkGet(t.Context(), "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	form, err := s.LinkUnder(t.Context(), "mine/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	try := func(when string, get, post int) {
		t.Helper()
		if status, body := use(t, tr, http.MethodGet, link, ""); status != get {
			t.Errorf("%s: a link HTTP %d %s", when, status, body)
		}
		if status, body := postForm(t, tr, form, form.Under+"x", "x"); status != post {
			t.Errorf("%s: a form HTTP %d %s", when, status, body)
		}
	}
	try("at once", http.StatusOK, http.StatusNoContent)
	now = now.Add(58 * time.Second)
	try("before the end", http.StatusOK, http.StatusNoContent)
	now = now.Add(4 * time.Second)
	try("after the end", http.StatusBadRequest, http.StatusForbidden)
	now = now.Add(-2 * time.Hour)
	try("before the beginning", http.StatusForbidden, http.StatusNoContent) // a policy has none
}

// A machine whose clock is wrong signs links by the store's, as soon as it has heard of it.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		endpoint := serve(t, func(cfg *gcslocal.Config) { cfg.Now = func() time.Time { return time.Now().Add(off) } })
		s, tr := open(t, endpoint), transport(t)
		for when, want := range []int{http.StatusBadRequest, http.StatusOK} {
			if off < 0 && when == 0 {
				want = http.StatusForbidden // not valid yet
			}
			link, err := s.LinkPut(t.Context(), "a", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(link.Expires); left < 59*time.Minute || left > time.Hour {
				t.Errorf("%v off: a link for an hour ends in %v", off, left)
			}
			if status, body := use(t, tr, http.MethodPut, link, "x"); status != want {
				t.Errorf("%v off: HTTP %d %s, want %d", off, status, body, want)
			}
			if err := put(t, s, "b", "x"); err != nil { // tokens mind no clock
				t.Fatal(err)
			}
		}
	}
}

// A form says what is sent with it: nothing of it can be left out, changed or added, and it is for one prefix.
func TestFormsAreExact(t *testing.T) {
	t.Parallel()
	s, tr := open(t, serve(t)), transport(t)
	if err := put(t, s, "theirs", "theirs"); err != nil {
		t.Fatal(err)
	}
	form, err := s.LinkUnder(t.Context(), "mine/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.LinkUnder(t.Context(), "theirs", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	own := form.Under + "x"
	for name, tt := range map[string]struct {
		key    string
		change func(map[string]string)
		status int
	}{
		"as it is":                  {own, func(map[string]string) {}, 204},
		"another key":               {"lambdapool/theirs", func(map[string]string) {}, 403},
		"its prefix without slash":  {strings.TrimSuffix(form.Under, "/"), func(map[string]string) {}, 403},
		"above the store's prefix":  {"x", func(map[string]string) {}, 403},
		"a destroyed signature":     {own, func(f map[string]string) { f["x-goog-signature"] = strings.Repeat("0", 512) }, 403},
		"another form's signature":  {own, func(f map[string]string) { f["x-goog-signature"] = other.Form["x-goog-signature"] }, 403},
		"another form's policy":     {own, func(f map[string]string) { f["policy"] = other.Form["policy"] }, 403},
		"no policy":                 {own, func(f map[string]string) { delete(f, "policy") }, 403},
		"no signature":              {own, func(f map[string]string) { delete(f, "x-goog-signature") }, 403},
		"no date":                   {own, func(f map[string]string) { delete(f, "x-goog-date") }, 400},
		"another account":           {own, func(f map[string]string) { f["x-goog-credential"] = "x" + f["x-goog-credential"] }, 403},
		"another algorithm":         {own, func(f map[string]string) { f["x-goog-algorithm"] = "GOOG4-HMAC-SHA256" }, 403},
		"an ACL":                    {own, func(f map[string]string) { f["acl"] = "public-read" }, 403},
		"metadata":                  {own, func(f map[string]string) { f["x-goog-meta-a"] = "b" }, 403},
		"a type":                    {own, func(f map[string]string) { f["content-type"] = "text/html" }, 403},
		"a redirect":                {own, func(f map[string]string) { f["success_action_redirect"] = "https://example.com" }, 403},
		"its bucket":                {own, func(f map[string]string) { f["bucket"] = bucket }, 204},
		"another bucket":            {own, func(f map[string]string) { f["bucket"] = "another" }, 403},
		"the name of the file":      {"${filename}", func(map[string]string) {}, 403},
		"what is ignored":           {own, func(f map[string]string) { f["x-ignore-a"] = "b" }, 204},
		"a condition for the owner": {own, func(f map[string]string) { f["x-goog-if-generation-match"] = "0" }, 403},
	} {
		changed := form
		changed.Form = maps.Clone(form.Form)
		tt.change(changed.Form)
		if status, body := postForm(t, tr, changed, tt.key, "FORGED"); status != tt.status {
			t.Errorf("%s: HTTP %d %s, want %d", name, status, body, tt.status)
		}
	}
	list, err := s.List(t.Context(), "", "")
	if err != nil || len(list.Objects) != 2 {
		t.Errorf("%+v, %v", list.Objects, err)
	}
	if got, err := get(t, s, "theirs"); got != "theirs" || err != nil {
		t.Errorf("another's object is %q, %v", got, err)
	}
}

// use sends what a link allows.
func use(t *testing.T, tr http.RoundTripper, method string, link driver.Link, content string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, link.URL, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range link.Header {
		r.Header.Set(name, value)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// postForm sends a form, as an agent does.
func postForm(t *testing.T, tr http.RoundTripper, form driver.Link, key, content string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	fields := maps.Clone(form.Form)
	fields["key"] = key
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("file", "../theirs")
	if err == nil {
		_, err = io.WriteString(file, content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	form.Header = map[string]string{"Content-Type": w.FormDataContentType()}
	return use(t, tr, http.MethodPost, form, body.String())
}
