package gcslocal

import (
	"bytes"
	"crypto/md5" //nolint:gosec // one of Google's checksums
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/internal/objects"
)

const (
	// maxKey is how long a name is at most, maxMeta what user metadata takes, maxObject what one object has,
	// in bytes. Sources: cloud.google.com/storage/docs/objects#naming and cloud.google.com/storage/quotas, 2026-11.
	maxKey    = 1024
	maxMeta   = 8 << 10
	maxObject = 5 << 40

	defaultType = "application/octet-stream"
)

// checkKey says what is wrong with a name. Source: cloud.google.com/storage/docs/objects#naming, 2026-11.
func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return objects.Invalid("KeyTooLong", "The object name you have supplied is too long.")
	case key == "", key == ".", key == "..", !utf8.ValidString(key), strings.ContainsAny(key, "\r\n"), strings.HasPrefix(key, ".well-known/acme-challenge/"):
		return objects.Invalid("InvalidObjectName", "The object name you have supplied is not valid.")
	}
	return nil
}

// kept are the headers of an object that are given back with it.
var kept = []string{"content-type", "cache-control", "content-disposition", "content-language"}

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
		return nil, objects.Invalid("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.")
	}
	for _, name := range kept {
		if value := header[name]; value != "" {
			e.Metadata[name] = value
		}
	}
	return e, nil
}

// A content is the body of a request. Reading it fails, at its end at the latest, where it is another than the
// request says.
type content struct {
	r       io.Reader
	size    int64 // bytes; -1: as many as come
	n       int64
	md5     hash.Hash
	crc     hash.Hash
	wantMD5 []byte // nil: any
	wantCRC []byte
}

// newContent returns a body of which a request, or a form, says something in its header.
func newContent(r io.Reader, size int64, header map[string]string) (*content, error) {
	c := &content{r: r, size: size, md5: md5.New(), crc: crc32.New(crc32.MakeTable(crc32.Castagnoli))} //nolint:gosec // see above
	if value, ok := header["content-md5"]; ok {
		if err := digest(value, md5.Size, &c.wantMD5); err != nil {
			return nil, err
		}
	}
	if value, ok := header[hashHeader]; ok {
		for one := range strings.SplitSeq(value, ",") {
			name, sum, _ := strings.Cut(strings.TrimSpace(one), "=")
			into, size := &c.wantMD5, md5.Size
			switch name {
			case "md5":
			case "crc32c":
				into, size = &c.wantCRC, crc32.Size
			default:
				return nil, objects.Invalid("InvalidDigest", "The hash you specified in the x-goog-hash header was not valid.")
			}
			if err := digest(sum, size, into); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// digest reads a checksum that is given once.
func digest(value string, size int, into *[]byte) error {
	sum, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(sum) != size || *into != nil {
		return objects.Invalid("InvalidDigest", "The Content-MD5 or x-goog-hash you specified is not valid.")
	}
	*into = sum
	return nil
}

// content returns the body of a request.
func (q *request) content() (*content, error) {
	switch n := q.http.ContentLength; {
	case n < 0:
		return nil, objects.Fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	case n > maxObject:
		return nil, objects.Invalid("EntityTooLarge", "Your proposed upload is larger than the maximum object size.")
	}
	return newContent(q.http.Body, q.http.ContentLength, q.header)
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.md5.Write(p[:n])
	c.crc.Write(p[:n])
	switch {
	case c.size >= 0 && c.n > c.size, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF) && c.size >= 0 && c.n != c.size:
		return n, objects.IncompleteBody()
	case errors.Is(err, io.EOF) && (c.wantMD5 != nil && !bytes.Equal(c.wantMD5, c.md5.Sum(nil)) || c.wantCRC != nil && !bytes.Equal(c.wantCRC, c.crc.Sum(nil))):
		return n, objects.Invalid("BadDigest", "The Content-MD5 or x-goog-hash you specified did not match what we received.")
	}
	return n, err
}

// Size is what the request says of its body; -1: nothing.
func (c *content) Size() int64 { return c.size }

// Sums are of what was read.
func (c *content) Sums() objects.Sums {
	return objects.Sums{
		Size: c.n, MD5: c.md5.Sum(nil),
		Checksum: &objects.Stored{Algorithm: "CRC32C", Value: base64.StdEncoding.EncodeToString(c.crc.Sum(nil))},
	}
}

// condition returns what a request says of the generation that is there. 0 is none. Source:
// cloud.google.com/storage/docs/xml-api/reference-headers#xgoogifgenerationmatch, 2026-11.
func (q *request) condition() (func(*objects.Entry) error, error) {
	value, asked := q.header[ifGeneration]
	want, err := strconv.ParseInt(value, 10, 64)
	if asked && (err != nil || want < 0) {
		return nil, objects.Invalid("InvalidArgument", "Invalid argument.")
	}
	return func(there *objects.Entry) error {
		now := int64(0)
		if there != nil {
			now = there.Generation
		}
		if asked && now != want {
			f := objects.PreconditionFailed()
			f.Details = ifGeneration
			return f
		}
		return nil
	}, nil
}

// store puts an object into its place, as a new generation.
func (s *service) store(bucket, key string, e *objects.Entry, body objects.Body, condition func(*objects.Entry) error) error {
	if err := s.disk.WouldPut(bucket, key, condition); err != nil { // before the body is sent
		return err
	}
	small, err := s.disk.Receive(e, body)
	if err != nil {
		return err
	}
	return s.disk.Put(bucket, key, e, small, func(there *objects.Entry) error {
		if e.Generation = e.Modified.UnixMicro(); there != nil {
			e.Generation = max(e.Generation, there.Generation+1)
		}
		return condition(there)
	})
}

// sums answers what is known of an object's bytes, and which generation it is.
func sums(h http.Header, e *objects.Entry) {
	h["ETag"] = []string{e.ETag()}
	h.Set("X-Goog-Generation", strconv.FormatInt(e.Generation, 10))
	h.Set("X-Goog-Metageneration", "1")
	h["X-Goog-Hash"] = []string{"crc32c=" + e.Checksum.Value, "md5=" + base64.StdEncoding.EncodeToString(e.MD5)}
	h.Set("X-Goog-Stored-Content-Encoding", "identity")
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(e.Size, 10))
}

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
	condition, err := q.condition()
	if err == nil {
		err = s.store(q.bucket, q.key, e, body, condition)
	}
	if err != nil {
		return err
	}
	sums(w.Header(), e)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *service) getObject(w http.ResponseWriter, q *request) error {
	condition, err := q.condition()
	if err != nil {
		return err
	}
	o, err := s.disk.Open(q.bucket, q.key)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // it was only read
	if err := condition(&o.Entry); err != nil {
		return err
	}
	if q.has(generation) && q.query[generation] != strconv.FormatInt(o.Generation, 10) { // older ones are not kept
		return objects.NoSuchKey(q.key)
	}
	if err := objects.ReadCondition(q.header, "", &o.Entry); err != nil {
		return err
	}
	from, n, partial := int64(0), o.Size, false
	if asked, ok := q.header["range"]; ok {
		if from, n, partial, err = objects.ParseRange(asked, o.Size); err != nil {
			return err
		}
	}
	h := w.Header()
	sums(h, &o.Entry)
	h.Set("Last-Modified", o.ModifiedTime())
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", defaultType)
	h.Set("X-Goog-Storage-Class", "STANDARD")
	for name, value := range o.Metadata {
		h.Set(name, value)
	}
	o.Send(w, q.method, from, n, partial)
	return nil
}

func (s *service) deleteObject(w http.ResponseWriter, q *request) error {
	condition, err := q.condition()
	if err != nil {
		return err
	}
	err = s.disk.Delete(q.bucket, q.key, func(there *objects.Entry) error {
		if there == nil {
			return objects.NoSuchKey(q.key)
		}
		return condition(there)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
