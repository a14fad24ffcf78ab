package gcslocal

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// formFields are those that a form may have, besides metadata and what begins with x-ignore-. Source:
// cloud.google.com/storage/docs/xml-api/post-object-forms, 2026-11.
var formFields = []string{
	"key", "bucket", "policy", "success_action_status", "cache-control", "content-type", "content-disposition",
	"x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-signature",
}

// verifyForm reads the fields of a form, and holds them to its policy, which its signature covers. The file is
// not read.
func (s *service) verifyForm(q *request) (*objects.Posted, error) {
	switch {
	case q.bucket == "":
		return nil, objects.NotServed("forms that are not for one bucket")
	case q.key != "":
		return nil, objects.Fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	case len(q.pairs) > 0:
		return nil, objects.NotServed("forms with a query")
	}
	f, err := objects.ReadPosted(q.http.Header.Get("Content-Type"), q.http.Body, q.bucket, maxObject)
	if err != nil {
		return nil, err
	}
	if f.Fields["x-goog-algorithm"] != algorithm {
		return nil, objects.Denied("Access denied.")
	}
	if _, err := s.account.scope(f.Fields["x-goog-credential"], f.Fields["x-goog-date"]); err != nil {
		return nil, err
	}
	if err := s.account.check(f.Fields["policy"], f.Fields["x-goog-signature"]); err != nil {
		return nil, err
	}
	covered := []string{"policy", "x-goog-signature"}
	if _, sent := f.Form.Fields["bucket"]; !sent {
		covered = append(covered, "bucket")
	}
	return f, f.Hold(s.clock(), covered, func(name string) bool {
		return slices.Contains(formFields, name) || strings.HasPrefix(name, metaPrefix)
	})
}

type postResponse struct {
	XMLName  xml.Name `xml:"PostResponse"`
	Location string   `xml:"Location"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	ETag     string   `xml:"ETag"`
}

// postObject stores the file of a form, whatever is there.
func (s *service) postObject(w http.ResponseWriter, q *request) error {
	f, err := s.verifyForm(q)
	if err != nil {
		return err
	}
	key := f.Fields["key"]
	if err := checkKey(key); err != nil {
		return err
	}
	e, err := newEntry(f.Fields)
	if err != nil {
		return err
	}
	body, err := newContent(f.Measured(), -1, nil)
	if err == nil {
		err = s.store(q.bucket, key, e, body, func(*objects.Entry) error { return nil })
	}
	if err != nil {
		return err
	}
	at := "http://" + q.http.Host + "/" + q.bucket + "/" + objects.Escape(key, true)
	sums(w.Header(), e)
	w.Header().Set("Location", at)
	switch f.Fields["success_action_status"] {
	case "200":
		w.WriteHeader(http.StatusOK)
	case "201":
		objects.Answer(w, http.StatusCreated, &postResponse{Location: at, Bucket: q.bucket, Key: key, ETag: e.ETag()})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}
