package s3local

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what S3 calls an ETag
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// hashHeader has the SHA-256 of the body, or a word that says how else it is secured.
const (
	hashHeader      = "x-amz-content-sha256"
	unsignedPayload = "UNSIGNED-PAYLOAD"

	// maxObject is what one request stores at most. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, 2026-11.
	maxObject = 5 << 30
)

// A content is the body of a request. It is held to all that the request says of it: reading
// fails at its end, if not before, where it is another.
type content struct {
	r        io.Reader
	size     int64 // bytes; -1: as many as come
	n        int64
	md5      hash.Hash
	wantMD5  []byte // nil: any
	sha256   hash.Hash
	wantSHA  string // empty: any
	sum      hash.Hash
	expected expected
	chunks   *chunked // whose trailer has the checksum; nil: none
	checked  error    // io.EOF: all is as it should be
}

// newContent returns size bytes of r, or as many as come, of which nothing else is said.
func newContent(r io.Reader, size int64) *content {
	return &content{r: r, size: size, md5: md5.New(), sum: crc64nvme.make()} //nolint:gosec // an ETag
}

// content returns the body of a request, whose signature is verified.
func (q *request) content() (*content, error) {
	c := newContent(q.http.Body, q.http.ContentLength)
	var err error
	if c.expected, err = expectation(q.header); err != nil {
		return nil, err
	}
	switch hash := q.header[hashHeader]; {
	case strings.HasPrefix(hash, streaming):
		if c.size, err = strconv.ParseInt(q.header["x-amz-decoded-content-length"], 10, 64); err != nil || c.size < 0 {
			return nil, objects.Fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.")
		}
		trailer := ""
		if c.expected.trailer {
			trailer = c.expected.algorithm.header
		}
		if c.chunks, err = newChunked(q.http.Body, hash, &q.signed, trailer); err != nil {
			return nil, err
		}
		c.r = c.chunks
	case c.expected.trailer:
		return nil, objects.Invalid("InvalidRequest", "The x-amz-trailer header is for streamed bodies.")
	case hash == unsignedPayload || hash == "" && q.linked:
	case len(hash) != 2*sha256.Size:
		return nil, objects.Invalid("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD or a valid sha256 value.")
	default:
		c.sha256, c.wantSHA = sha256.New(), hash
	}
	switch {
	case c.size < 0:
		return nil, objects.Fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	case c.size > maxObject:
		return nil, objects.Invalid("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	return c, c.expect(q.header)
}

// expect notes what a request, or a form, says of its bytes.
func (c *content) expect(header map[string]string) error {
	value, ok := header["content-md5"]
	if ok {
		var err error
		if c.wantMD5, err = base64.StdEncoding.DecodeString(value); err != nil || len(c.wantMD5) != md5.Size {
			return objects.Invalid("InvalidDigest", "The Content-MD5 you specified was invalid.")
		}
	}
	c.sum = c.algorithm().make()
	return nil
}

// Read hashes what it reads.
func (c *content) Read(p []byte) (int, error) {
	if c.checked != nil {
		return 0, c.checked
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.md5.Write(p[:n])
	c.sum.Write(p[:n])
	if c.sha256 != nil {
		c.sha256.Write(p[:n])
	}
	switch {
	case c.size >= 0 && c.n > c.size, errors.Is(err, io.ErrUnexpectedEOF):
		err = objects.IncompleteBody()
	case errors.Is(err, io.EOF):
		if err = c.check(); err == nil {
			err = io.EOF
		}
	}
	c.checked = err
	return n, err
}

// check compares what was read with what was said of it.
func (c *content) check() error {
	want := c.expected.value
	if c.expected.trailer {
		want = c.chunks.trailer
	}
	switch {
	case c.size >= 0 && c.n != c.size:
		return objects.IncompleteBody()
	case c.sha256 != nil && hex.EncodeToString(c.sha256.Sum(nil)) != c.wantSHA:
		return objects.Invalid("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	case c.wantMD5 != nil && !bytes.Equal(c.md5.Sum(nil), c.wantMD5):
		return objects.Invalid("BadDigest", "The Content-MD5 you specified did not match what we received.")
	case c.expected.algorithm != nil && !c.expected.any && want != c.checksum():
		return objects.Invalid("BadDigest", "The %s you specified did not match the calculated checksum.", c.expected.algorithm.name)
	}
	return nil
}

// Size is what the request says of its body; -1: nothing.
func (c *content) Size() int64 { return c.size }

// Sums are of what was read.
func (c *content) Sums() objects.Sums {
	return objects.Sums{Size: c.n, MD5: c.md5.Sum(nil), Checksum: &objects.Stored{Algorithm: c.algorithm().name, Value: c.checksum()}}
}

// checksum is what was computed, once all is read.
func (c *content) checksum() string { return base64.StdEncoding.EncodeToString(c.sum.Sum(nil)) }

// algorithm is by which.
func (c *content) algorithm() *checksum {
	if c.expected.algorithm != nil {
		return c.expected.algorithm
	}
	return crc64nvme
}
