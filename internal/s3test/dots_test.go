package s3test_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// A dotless store is versitygw's without a fault that it has and S3 has not: it takes ".." in
// the key of a form for a folder. It is also how agents reach it.
type dotless struct{ lambdapool.Store }

func (dotless) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(body, []byte("/../")) {
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<Error><Code>AccessDenied</Code></Error>"))}, nil
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// A dotlessBackend has such a store.
type dotlessBackend struct{ *awslambda.Backend }

func (b dotlessBackend) Store() lambdapool.Store { return dotless{b.Backend.Store()} }

// Once this fails, versitygw is as S3 is, and what is above can go, as can the warning in
// docs/security.md.
func TestVersitygwTakesDotsForFolders(t *testing.T) {
	s := open(t, secretKey).Store()
	form, err := s.LinkUnder(t.Context(), "run/mine/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := post(t, &http.Transport{DisableKeepAlives: true}, form, form.Under+"../theirs", []byte("x")); status/100 != 2 {
		t.Fatalf("HTTP %d %s", status, body)
	}
	body, _, err := s.Open(t.Context(), "run/theirs")
	if err != nil {
		t.Fatalf("a form for run/mine/ does not reach run/theirs any more: %v", err)
	}
	body.Close()
	if err := s.Delete(t.Context(), "run/theirs"); err != nil {
		t.Error(err)
	}
}
