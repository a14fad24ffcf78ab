package inproc_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambdapool/lambdapool/backend/inproc"
)

// What is wrong with a form is answered as S3 does.
func TestStoreRefusesForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inproc.New()
		defer b.Close()
		s := b.Store()
		form, err := s.LinkUnder(t.Context(), "run/", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		post := func(key, file string, fields map[string]string, change func(*http.Request)) int {
			var body bytes.Buffer
			w := multipart.NewWriter(&body)
			fields["key"] = key
			for name, value := range fields {
				if err := w.WriteField(name, value); err != nil {
					t.Fatal(err)
				}
			}
			for name, value := range form.Form {
				if err := w.WriteField(name, value); err != nil {
					t.Fatal(err)
				}
			}
			if file != "" {
				part, err := w.CreateFormFile("file", "file")
				if err == nil {
					_, err = io.WriteString(part, file)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, form.URL, &body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", w.FormDataContentType())
			if change != nil {
				change(r)
			}
			resp, err := s.(http.RoundTripper).RoundTrip(r)
			if err != nil {
				return -1 // as of a connection that breaks
			}
			return resp.StatusCode
		}
		none := func() map[string]string { return map[string]string{} }
		for name, tt := range map[string]struct{ got, want int }{
			"stored":         {post("run/a", "x", none(), nil), 204},
			"elsewhere":      {post("other/a", "x", none(), nil), 403},
			"no file":        {post("run/a", "", none(), nil), 400},
			"large fields":   {post("run/a", "x", map[string]string{"a": strings.Repeat("x", 30<<10)}, nil), 400},
			"without length": {post("run/a", "x", none(), func(r *http.Request) { r.ContentLength = -1 }), 411},
			"no form":        {post("run/a", "x", none(), func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), 412},
			"another host":   {post("run/a", "x", none(), func(r *http.Request) { r.URL.Host = "example.org" }), 403},
			"cut":            {post("run/a", "x", none(), func(r *http.Request) { r.Body = io.NopCloser(io.LimitReader(r.Body, r.ContentLength-20)) }), -1},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: HTTP %d, want %d", name, tt.got, tt.want)
			}
		}
		time.Sleep(time.Minute + 1)
		if got := post("run/a", "x", none(), nil); got != 403 {
			t.Errorf("expired: HTTP %d", got)
		}
	})
}
