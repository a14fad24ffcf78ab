package s3local

import (
	"net/http"
	"sync/atomic"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// A service does what requests ask for that the owner has signed: in a header, in the query
// of a link, or in a form.
type service struct {
	disk  *objects.Disk
	keys  keys
	clock objects.Clock
	owner identity

	swept atomic.Int64 // the midnight of the last sweep by lifecycle rules, in seconds
}

// serve does what a request asks for, in an order that matters: it is read, its signature is
// verified, the operation is found, and only then is anything done. An operation that is not served
// is told to its owner only. Forms carry their own signature, which postObject verifies.
func (s *service) serve(w http.ResponseWriter, r *http.Request) error {
	q, err := parse(r)
	if err != nil {
		return err
	}
	if objects.IsForm(r) && !q.linked {
		return s.postObject(w, q)
	}
	if err := s.verify(q); err != nil {
		return err
	}
	o, err := q.operation()
	if err != nil {
		return err
	}
	if err := s.expire(); err != nil {
		return err
	}
	return o.serve(s, w, q)
}

// namespace is of the documents of S3. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, 2026-11.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// document reads the body of a request as XML, and returns io.EOF where there is none. must: it
// has to come with a checksum.
func (q *request) document(into any, must bool) error {
	c, err := q.content()
	if err != nil {
		return err
	}
	if must && c.size <= objects.MaxDocument && c.expected.algorithm == nil && c.wantMD5 == nil {
		return objects.Invalid("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	return objects.ReadDocument(c, into)
}
