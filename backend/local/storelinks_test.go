package local_test

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

func formLink(t *testing.T, s lambdapool.Store) lambdapool.Link {
	t.Helper()
	form, err := s.LinkUnder(t.Context(), "run/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// formBody is what an agent sends; without data there is no file.
func formBody(t *testing.T, form lambdapool.Link, extra map[string]string, key string, data []byte) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fields := maps.Clone(form.Form)
	maps.Copy(fields, extra)
	fields["key"] = key
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := w.WriteField(name, fields[name]); err != nil {
			t.Fatal(err)
		}
	}
	if data != nil {
		file, err := w.CreateFormFile("file", "file")
		if err == nil {
			_, err = file.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func postForm(t *testing.T, url, contentType string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
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

func TestStoreForms(t *testing.T) {
	b := open(t, local.WithStoreSize(1<<20))
	s := b.Store()
	form := formLink(t, s)
	whole, kind := formBody(t, form, nil, "run/key", bytesOf(300_000))
	expired, err := s.LinkUnder(t.Context(), "run/", -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	late, lateKind := formBody(t, expired, nil, "run/key", []byte("planted"))
	full, fullKind := formBody(t, form, nil, "run/key", bytesOf(2<<20))
	none, noneKind := formBody(t, form, nil, "run/key", nil)
	large, largeKind := formBody(t, form, map[string]string{"a": strings.Repeat("x", 30<<10)}, "run/key", []byte("planted"))
	elsewhere, elsewhereKind := formBody(t, form, nil, "other/key", []byte("planted"))
	wider, widerKind := formBody(t, form, map[string]string{"prefix": ""}, "other/key", []byte("planted"))
	for name, tt := range map[string]struct {
		kind   string
		body   io.Reader
		status int
		says   string
	}{
		"whole":          {kind, bytes.NewReader(whole), 204, ""},
		"expired":        {lateKind, bytes.NewReader(late), 403, "Request has expired"},
		"too large":      {fullKind, bytes.NewReader(full), 507, "QuotaExceeded"},
		"no file":        {noneKind, bytes.NewReader(none), 400, "exactly one file"},
		"large fields":   {largeKind, bytes.NewReader(large), 400, "MaxPostPreDataLengthExceeded"},
		"elsewhere":      {elsewhereKind, bytes.NewReader(elsewhere), 403, "Policy"},
		"wider":          {widerKind, bytes.NewReader(wider), 403, "SignatureDoesNotMatch"},
		"no form":        {"text/plain", bytes.NewReader(whole), 412, "multipart/form-data"},
		"no boundary":    {"multipart/form-data", bytes.NewReader(whole), 412, "multipart/form-data"},
		"cut":            {kind, bytes.NewReader(whole[:len(whole)-100]), 400, "IncompleteBody"},
		"cut early":      {kind, bytes.NewReader(whole[:100]), 400, "exactly one file"},
		"malformed":      {"multipart/form-data; boundary=b", strings.NewReader("--b\r\nno header\r\n\r\n"), 400, "MalformedPOSTRequest"},
		"without length": {kind, io.MultiReader(bytes.NewReader(whole)), 411, "MissingContentLength"},
	} {
		if status, body := postForm(t, form.URL, tt.kind, tt.body); status != tt.status || !strings.Contains(body, tt.says) || strings.Contains(body, "planted") {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, tt.status, tt.says)
		}
	}
	list, err := s.List(t.Context(), "", "")
	if err != nil || len(list.Objects) != 1 || list.Objects[0].Key != "run/key" || list.Objects[0].Size != 300_000 {
		t.Errorf("the store holds %+v, %v", list.Objects, err)
	}
	if status, got := exchange(t, "GET", getLink(t, s, "run/key").URL, nil); status != 200 || got != string(bytesOf(300_000)) {
		t.Errorf("GET: %d, %d bytes", status, len(got))
	}
	if text := form.String(); strings.Contains(text, form.Form["signature"]) || !strings.HasPrefix(text, b.Endpoint()+"/store/") {
		t.Errorf("a form prints as %s", text)
	}
	// What was refused takes no room.
	put(t, s, "b", bytesOf(700_000))
}

// A part of an object is enough to see that it is there.
func TestStoreRange(t *testing.T) {
	s := open(t).Store()
	put(t, s, "a", []byte("planted"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, getLink(t, s, "a").URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=0-0")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusPartialContent || string(body) != "p" {
		t.Errorf("HTTP %d %q, %v", resp.StatusCode, body, err)
	}
}
