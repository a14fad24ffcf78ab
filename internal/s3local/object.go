package s3local

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/internal/objects"
)

const (
	sseHeader          = "x-amz-server-side-encryption"
	sseKeyHeader       = "x-amz-server-side-encryption-aws-kms-key-id"
	sseBucketKeyHeader = "x-amz-server-side-encryption-bucket-key-enabled"

	defaultType = "binary/octet-stream"

	// maxKey is how long a key is at most, maxMeta what user metadata takes, in bytes. Sources:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html and UsingMetadata.html, 2026-11.
	maxKey  = 1024
	maxMeta = 2 << 10
)

// kept are the headers of an object that are given back with it. Encryption is only noted:
// the bytes are as they came.
var kept = []string{
	"content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
	sseHeader, sseKeyHeader, sseBucketKeyHeader,
}

// checkKey refuses keys that S3 refuses. Slashes and dots are characters like others: no key is a
// path here.
func checkKey(key string) error {
	switch {
	case key == "":
		return objects.Invalid("InvalidArgument", "A key has one character at least.")
	case len(key) > maxKey:
		return objects.Invalid("KeyTooLongError", "Your key is too long")
	case !utf8.ValidString(key):
		return objects.Invalid("InvalidURI", "Couldn't parse the specified URI.")
	}
	return nil
}

// newEntry is what the headers of a request, or the fields of a form, say of an object.
func newEntry(header map[string]string) (*objects.Entry, error) {
	e := &objects.Entry{Metadata: map[string]string{}}
	meta := 0
	for name, value := range header {
		if user, ok := strings.CutPrefix(name, metaPrefix); ok {
			meta += len(user) + len(value)
			e.Metadata[name] = value
		}
	}
	if meta > maxMeta {
		return nil, objects.Invalid("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	for _, name := range kept {
		if value := header[name]; value != "" {
			e.Metadata[name] = value
		}
	}
	// How it was sent is not how it is.
	var codings []string
	for coding := range strings.SplitSeq(e.Metadata["content-encoding"], ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "aws-chunked" {
			codings = append(codings, coding)
		}
	}
	delete(e.Metadata, "content-encoding")
	if len(codings) > 0 {
		e.Metadata["content-encoding"] = strings.Join(codings, ",")
	}
	var err error
	if tags, ok := header["x-amz-tagging"]; ok {
		e.Tags, err = parseTags(tags)
	}
	return e, err
}

// describe answers what was said of an object.
func describe(h http.Header, e *objects.Entry) {
	h["ETag"] = []string{e.ETag()}
	h.Set("Last-Modified", e.ModifiedTime())
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", defaultType)
	for name, value := range e.Metadata {
		name = strings.ToLower(name) // earlier versions did not
		for _, k := range kept {
			if name == k {
				h.Set(name, value)
			}
		}
		if strings.HasPrefix(name, metaPrefix) {
			h[name] = []string{value} // as S3 writes it: some clients take the case for the key's
		}
	}
	if len(e.Tags) > 0 {
		h["x-amz-tagging-count"] = []string{strconv.Itoa(len(e.Tags))}
	}
}

// encrypted answers how it is said to be encrypted.
func encrypted(h http.Header, e *objects.Entry) {
	for _, name := range []string{sseHeader, sseKeyHeader, sseBucketKeyHeader} {
		if value := e.Metadata[name]; value != "" {
			h[name] = []string{value}
		}
	}
}

// sayChecksum adds what is known of an object's bytes.
func sayChecksum(h http.Header, c *objects.Stored) {
	if c == nil {
		return
	}
	h[checksumPrefix+strings.ToLower(c.Algorithm)] = []string{c.Value}
	h[checksumPrefix+"type"] = []string{kindOf(c)}
}

const (
	composite  = "COMPOSITE"
	fullObject = "FULL_OBJECT"
)

// kindOf says what a checksum is of.
func kindOf(c *objects.Stored) string {
	if c.Composite {
		return composite
	}
	return fullObject
}

// putObject stores an object. It is asked before the body whether the condition holds and the
// bucket is there, so that nobody sends gigabytes in vain, and again where the entry is made, since
// another request may have been faster.
func (s *service) putObject(w http.ResponseWriter, q *request) error {
	body, err := q.content()
	if err != nil {
		return err
	}
	e, err := newEntry(q.header)
	if err == nil {
		err = checkKey(q.key)
	}
	if err != nil {
		return err
	}
	condition, err := q.writeCondition()
	if err == nil { // before the body is sent
		err = s.disk.WouldPut(q.bucket, q.key, condition)
	}
	if err != nil {
		return err
	}
	small, err := s.disk.Receive(e, body)
	if err == nil {
		err = s.disk.Put(q.bucket, q.key, e, small, condition)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h["ETag"] = []string{e.ETag()}
	encrypted(h, e)
	sayChecksum(h, e.Checksum)
	w.WriteHeader(http.StatusOK)
	return nil
}

// getObject answers GET and HEAD, of all of an object, of a range or of a part. Headers that the
// query wants changed are changed in the answer only.
func (s *service) getObject(w http.ResponseWriter, q *request) error {
	o, err := s.disk.Open(q.bucket, q.key)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // it was only read
	if err := objects.ReadCondition(q.header, "", &o.Entry); err != nil {
		return err
	}
	h := w.Header()
	from, n, partial, err := q.span(&o.Entry, h)
	if err != nil {
		return err
	}
	describe(h, &o.Entry)
	for _, name := range answered {
		if value, ok := q.query[name]; ok {
			h.Set(strings.TrimPrefix(name, "response-"), value)
		}
	}
	if !partial && q.header["x-amz-checksum-mode"] != "" {
		sayChecksum(h, o.Checksum) // of the whole: a part has another
	}
	o.Send(w, q.method, from, n, partial)
	return nil
}

// span returns which bytes of an object are asked for.
func (q *request) span(e *objects.Entry, h http.Header) (from, n int64, partial bool, err error) {
	asked, ranged := q.header["range"]
	number, parted := q.query["partNumber"]
	switch {
	case ranged && parted:
		return 0, 0, false, objects.Invalid("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
	case parted:
		i, err := strconv.Atoi(number)
		if err != nil || i < 1 || i > maxParts {
			return 0, 0, false, objects.Invalid("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
		}
		sizes := e.Parts
		if len(sizes) == 0 {
			sizes = []int64{e.Size}
		} else {
			h["x-amz-mp-parts-count"] = []string{strconv.Itoa(len(sizes))}
		}
		if i > len(sizes) {
			return 0, 0, false, objects.Fail(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
		}
		for _, size := range sizes[:i-1] {
			from += size
		}
		return from, sizes[i-1], len(sizes) > 1 && e.Size > 0, nil
	case ranged:
		return objects.ParseRange(asked, e.Size)
	}
	return 0, e.Size, false, nil
}
