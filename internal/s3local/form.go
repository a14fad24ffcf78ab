package s3local

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// formFields are those that a form may have, besides metadata, checksums and what begins with
// x-ignore-. Source: docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html, 2026-11.
var formFields = []string{
	"key", "bucket", aclName, "policy", "tagging", "success_action_status", "cache-control", "content-type", "content-disposition",
	"content-encoding", "content-language", "expires", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature",
	"x-amz-security-token", "x-amz-storage-class", sseHeader, sseKeyHeader, sseBucketKeyHeader, "content-md5", sdkAlgorithm,
}

// verifyForm reads the fields of a form, and holds them to its policy, which its signature
// covers. The file is not read.
func (s *service) verifyForm(q *request) (*objects.Posted, error) {
	switch {
	case q.bucket == "" || q.key != "":
		return nil, objects.Fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	case len(q.pairs) > 0:
		return nil, objects.NotServed("forms with a query")
	}
	f, err := objects.ReadPosted(q.http.Header.Get("Content-Type"), q.http.Body, q.bucket, maxObject)
	if err != nil {
		return nil, err
	}
	if f.Fields["x-amz-algorithm"] != algorithm {
		return nil, objects.Denied("Access Denied.")
	}
	key, _, err := s.keys.derive(f.Fields["x-amz-credential"], f.Fields["x-amz-date"])
	switch {
	case err != nil:
		return nil, err
	case !matches(key, f.Fields["policy"], f.Fields["x-amz-signature"]):
		return nil, mismatch()
	}
	if err := s.keys.checkToken(f.Fields["x-amz-security-token"]); err != nil {
		return nil, err
	}
	return f, f.Hold(s.clock(), []string{"policy", "x-amz-signature", "bucket"}, func(name string) bool {
		return slices.Contains(formFields, name) || strings.HasPrefix(name, metaPrefix) || checksumOf(name) != nil
	})
}

// postResponse is what a form may ask to be answered with.
type postResponse struct {
	XMLName  xml.Name `xml:"PostResponse"`
	Location string   `xml:"Location"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	ETag     string   `xml:"ETag"`
}

// postObject stores the file of a form.
func (s *service) postObject(w http.ResponseWriter, q *request) error {
	f, err := s.verifyForm(q)
	if err != nil {
		return err
	}
	if err := s.expire(); err != nil {
		return err
	}
	key := f.Fields["key"]
	if err := checkKey(key); err != nil {
		return err
	}
	header := f.Fields
	if acl, ok := header[aclName]; ok {
		header[aclHeader] = acl
	}
	q.header = header
	if err := q.checkValues(); err != nil {
		return err
	}
	e, err := newEntry(header)
	if document, ok := header["tagging"]; ok && err == nil {
		e.Tags, err = parseTagging(document)
	}
	if err != nil {
		return err
	}
	body := newContent(f.Measured(), -1)
	if body.expected, err = expectation(header); err == nil {
		err = body.expect(header)
	}
	if err != nil {
		return err
	}
	anything := func(*objects.Entry) error { return nil }
	if err := s.disk.WouldPut(q.bucket, key, anything); err != nil {
		return err
	}
	small, err := s.disk.Receive(e, body)
	if err == nil {
		err = s.disk.Put(q.bucket, key, e, small, anything)
	}
	if err != nil {
		return err
	}
	at := "http://" + q.http.Host + "/" + q.bucket + "/" + objects.Escape(key, true)
	w.Header()["ETag"] = []string{e.ETag()}
	w.Header().Set("Location", at)
	encrypted(w.Header(), e)
	switch header["success_action_status"] {
	case "200":
		w.WriteHeader(http.StatusOK)
	case "201":
		objects.Answer(w, http.StatusCreated, &postResponse{Location: at, Bucket: q.bucket, Key: key, ETag: e.ETag()})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}
