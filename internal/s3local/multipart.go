package s3local

import (
	"crypto/md5" //nolint:gosec // what S3 calls an ETag
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// What an upload in parts may be. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, 2026-11.
const (
	maxParts     = 10_000
	minPart      = 5 << 20 // bytes of each but the last
	maxAssembled = 50 << 40
)

// An upload is an object that comes in parts. Its parts are entries of their own.
type upload struct {
	Key       string        `json:"key"`
	Begun     time.Time     `json:"begun"`
	Object    objects.Entry `json:"object"`              // what was said of it
	Algorithm string        `json:"algorithm,omitempty"` // of checksums; empty: none was named
	Whole     bool          `json:"whole,omitempty"`     // the checksum is that of the object, not of those of the parts
}

// partKey is where a part is.
func partKey(id string, number int) []byte {
	return binary.BigEndian.AppendUint16([]byte(id+"/"), uint16(number))
}

// uploadOf returns the upload id of a key.
func uploadOf(b *bbolt.Bucket, id, key string) (upload, error) {
	v := b.Bucket(objects.Uploads).Get([]byte(id))
	if id == "" || v == nil {
		return upload{}, noSuchUpload()
	}
	u, err := objects.Decode[upload](v)
	if err == nil && u.Key != key {
		err = noSuchUpload()
	}
	return u, err
}

// eachPart reads the parts of an upload in order.
func eachPart(b *bbolt.Bucket, id string, read func(number int, e objects.Entry) error) error {
	prefix := id + "/"
	c := b.Bucket(objects.Parts).Cursor()
	for k, v := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, v = c.Next() {
		e, err := objects.Decode[objects.Entry](v)
		if err == nil {
			err = read(int(binary.BigEndian.Uint16(k[len(prefix):])), e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes an upload and its parts.
func forget(b *bbolt.Bucket, id string, unused func(string)) error {
	var numbers []int
	err := eachPart(b, id, func(number int, e objects.Entry) error {
		unused(e.File)
		numbers = append(numbers, number)
		return nil
	})
	for _, number := range numbers {
		if err == nil {
			err = b.Bucket(objects.Parts).Delete(partKey(id, number))
		}
	}
	return errors.Join(err, b.Bucket(objects.Uploads).Delete([]byte(id)))
}

// createdUpload is how the client learns the id, by which it names the upload from then on.
type createdUpload struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket  string   `xml:"Bucket"`
	Key     string   `xml:"Key"`
	ID      string   `xml:"UploadId"`
}

// createUpload begins an upload. What the headers say of the object is kept until it is complete.
func (s *service) createUpload(w http.ResponseWriter, q *request) error {
	e, err := newEntry(q.header)
	if err == nil {
		err = checkKey(q.key)
	}
	if err != nil {
		return err
	}
	u := upload{Key: q.key, Begun: s.clock.Stamp(), Object: *e, Algorithm: q.header["x-amz-checksum-algorithm"], Whole: true}
	kind := q.header["x-amz-checksum-type"]
	if u.Algorithm != "" {
		by, err := checksumNamed(u.Algorithm)
		if err != nil {
			return err
		}
		u.Whole = kind == fullObject || kind == "" && !by.composite
		if u.Whole && !by.whole || !u.Whole && !by.composite {
			return objects.Invalid("InvalidRequest", "The %s checksum type cannot be used with the %s checksum algorithm.", kind, u.Algorithm)
		}
	} else if kind != "" {
		return objects.Invalid("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	}
	id := rand.Text() + rand.Text()
	data, err := json.Marshal(&u)
	if err == nil {
		err = s.disk.Change(q.bucket, func(b *bbolt.Bucket, _ func(string)) error { return b.Bucket(objects.Uploads).Put([]byte(id), data) })
	}
	if err != nil {
		return err
	}
	h := w.Header()
	if u.Algorithm != "" {
		h["x-amz-checksum-algorithm"] = []string{u.Algorithm}
		h["x-amz-checksum-type"] = []string{kindOf(&objects.Stored{Composite: !u.Whole})}
	}
	encrypted(h, e)
	objects.Answer(w, http.StatusOK, &createdUpload{Bucket: q.bucket, Key: q.key, ID: id})
	return nil
}

// partNumber reads which part a request stores.
func (q *request) partNumber() (int, error) {
	n, err := strconv.Atoi(q.query["partNumber"])
	if err != nil || n < 1 || n > maxParts {
		return 0, objects.Invalid("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	return n, nil
}

// uploadNow returns the upload that a request is about.
func (s *service) uploadNow(q *request) (u upload, err error) {
	err = s.disk.View(q.bucket, func(b *bbolt.Bucket) error {
		u, err = uploadOf(b, q.query[uploadID], q.key)
		return err
	})
	return u, err
}

// putPart stores a part.
func (s *service) putPart(q *request, number int, body *content) (*objects.Entry, error) {
	e := &objects.Entry{}
	small, err := s.disk.Receive(e, body)
	if err != nil {
		return nil, err
	}
	if e.File == "" { // the last one may be small: parts are all files
		if err := s.disk.Store(e, strings.NewReader(string(small))); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(e)
	if err == nil {
		err = s.disk.Change(q.bucket, func(b *bbolt.Bucket, unused func(string)) error {
			id := q.query[uploadID]
			if _, err := uploadOf(b, id, q.key); err != nil {
				return err
			}
			at := partKey(id, number)
			if v := b.Bucket(objects.Parts).Get(at); v != nil {
				old, err := objects.Decode[objects.Entry](v)
				if err != nil {
					return err
				}
				unused(old.File)
			}
			return b.Bucket(objects.Parts).Put(at, data)
		})
	}
	if err != nil {
		s.disk.Remove(e.File)
	}
	return e, err
}

// uploadPart stores a part. One that comes again replaces the one before, so a client may try
// again.
func (s *service) uploadPart(w http.ResponseWriter, q *request) error {
	number, err := q.partNumber()
	if err != nil {
		return err
	}
	u, err := s.uploadNow(q)
	if err != nil {
		return err
	}
	body, err := q.content()
	if err != nil {
		return err
	}
	if named := body.expected.algorithm; u.Algorithm != "" && (named == nil && !u.Whole || named != nil && named.name != u.Algorithm) {
		actual := "null"
		if named != nil {
			actual = strings.ToLower(named.name)
		}
		return objects.Invalid("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(u.Algorithm), actual)
	}
	e, err := s.putPart(q, number, body)
	if err != nil {
		return err
	}
	h := w.Header()
	h["ETag"] = []string{e.ETag()}
	encrypted(h, &u.Object)
	h[checksumPrefix+strings.ToLower(e.Checksum.Algorithm)] = []string{e.Checksum.Value}
	w.WriteHeader(http.StatusOK)
	return nil
}

// uploadPartCopy stores a part of an object that is here already, without sending it again.
func (s *service) uploadPartCopy(w http.ResponseWriter, q *request) error {
	number, err := q.partNumber()
	if err != nil {
		return err
	}
	u, err := s.uploadNow(q)
	if err != nil {
		return err
	}
	o, err := s.source(q)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // it was only read
	from, n := int64(0), o.Size
	if asked, ok := q.header["x-amz-copy-source-range"]; ok {
		var partial bool
		if from, n, partial, err = objects.ParseRange(asked, o.Size); err == nil && !partial {
			err = objects.Invalid("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		if err != nil {
			return err
		}
	}
	by := crc64nvme
	if u.Algorithm != "" {
		if by, err = checksumNamed(u.Algorithm); err != nil {
			return err
		}
	}
	e, err := s.putPart(q, number, copying(o, from, n, by))
	if err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &copyResult{xml.Name{Space: namespace, Local: "CopyPartResult"}, e.ETag(), e.Modified})
	return nil
}

// abortUpload forgets an upload and its parts.
func (s *service) abortUpload(w http.ResponseWriter, q *request) error {
	err := s.disk.Change(q.bucket, func(b *bbolt.Bucket, unused func(string)) error {
		id := q.query[uploadID]
		if _, err := uploadOf(b, id, q.key); err != nil {
			return err
		}
		return forget(b, id, unused)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// An assembly is an upload on its way to become an object.
type assembly struct {
	upload
	parts  []objects.Entry
	sizes  []int64
	sum    *checksum
	etags  []byte // MD5s
	values []byte // checksums
	size   int64
}

// add takes the next part.
func (a *assembly) add(e objects.Entry) error {
	a.parts = append(a.parts, e)
	a.sizes = append(a.sizes, e.Size)
	a.etags = append(a.etags, e.MD5...)
	a.size += e.Size
	value, err := base64.StdEncoding.DecodeString(e.Checksum.Value)
	a.values = append(a.values, value...)
	return err
}

// read reads the parts one after the other.
func (a *assembly) read(d *objects.Disk) *content {
	reader, writer := io.Pipe()
	go func() {
		var err error
		for i := range a.parts {
			if err == nil {
				err = d.CopyFile(writer, a.parts[i].File)
			}
		}
		writer.CloseWithError(err)
	}()
	c := newContent(reader, a.size)
	c.expected.algorithm, c.expected.any = a.sum, true
	c.sum = a.sum.make()
	return c
}

// describe makes the entry of the whole that of one uploaded in parts.
func (a *assembly) describe(e *objects.Entry) {
	md := md5.Sum(a.etags) //nolint:gosec // what S3 calls an ETag
	e.MD5, e.Parts = md[:], a.sizes
	if !a.Whole {
		h := a.sum.make()
		h.Write(a.values)
		e.Checksum = &objects.Stored{Algorithm: a.sum.name, Value: base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(a.parts)), Composite: true}
	}
}
