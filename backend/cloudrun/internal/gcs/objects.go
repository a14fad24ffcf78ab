package gcs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/once"
)

const (
	hashHeader   = "X-Goog-Hash"
	ifGeneration = "X-Goog-If-Generation-Match"
	notThere     = "0" // the generation of what is not there

	// maxDelete is how many objects one request deletes. Source:
	// cloud.google.com/storage/docs/xml-api/post-bucket, 2026-11.
	maxDelete = 1000

	// maxDocument bounds a listing: a thousand of the longest names, escaped, and what is said of each.
	maxDocument = 8 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Put stores an object. It is held to its CRC32C on its way: Google knows no SHA-256.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, _ [sha256.Size]byte) error {
	x, err := s.put(key, body, size)
	if err == nil {
		err = s.finish(s.send(ctx, x))
	}
	return s.failure("PUT", key, err)
}

// put makes the request that stores an object.
func (s *Store) put(key string, body io.ReadSeeker, size int64) (*call, error) {
	sum := crc32.New(castagnoli)
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if n, err := io.Copy(sum, body); err != nil || n != size {
		return nil, fmt.Errorf("read %d bytes of %d: %w", n, size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	header := http.Header{hashHeader: {"crc32c=" + base64.StdEncoding.EncodeToString(sum.Sum(nil))}, "Content-Type": {"application/octet-stream"}}
	return &call{method: http.MethodPut, url: s.url(key), header: header, body: body, size: size}, nil
}

// finish reads an answer to its end: then the connection serves again.
func (s *Store) finish(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxError)) // there is nothing in it
	return resp.Body.Close()
}

// Create stores an object that is not there. Each try is its own: after one whose answer was lost, the object may
// be there because of it, which is no failure.
func (s *Store) Create(ctx context.Context, key string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	x, err := s.put(key, body, size)
	if err != nil {
		return s.failure("PUT", key, err)
	}
	x.header.Set(ifGeneration, notThere)
	unsure := false
	for try := 1; ; try++ {
		err := s.finish(s.once(ctx, x))
		var no *refusal
		known := errors.As(err, &no)
		switch {
		case err == nil:
			return nil
		case known && no.status == http.StatusPreconditionFailed:
			if unsure && s.holds(ctx, key, size, sum) {
				return nil
			}
			return s.failure("PUT", key, fmt.Errorf("%w: %w", fs.ErrExist, err))
		case try == tries, ctx.Err() != nil, !transient(err):
			return s.failure("PUT", key, err)
		}
		unsure = unsure || !known || no.status != http.StatusTooManyRequests
		if err := s.wait(ctx, try, err); err != nil {
			return s.failure("PUT", key, err)
		}
	}
}

// holds says whether the object at key is the one of these bytes.
func (s *Store) holds(ctx context.Context, key string, size int64, sum [sha256.Size]byte) bool {
	body, n, err := s.Open(ctx, key)
	if err != nil {
		return false
	}
	defer body.Close()
	h := sha256.New()
	_, err = io.Copy(h, body)
	return err == nil && n == size && [sha256.Size]byte(h.Sum(nil)) == sum
}

// Open returns an object. Reading it fails at its end where its CRC32C is not what Google says it is.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	// Compressed, its length would be another one.
	resp, err := s.send(ctx, &call{method: http.MethodGet, url: s.url(key), header: http.Header{"Accept-Encoding": {"identity"}}})
	var no *refusal
	if errors.As(err, &no) && no.status == http.StatusNotFound && no.code != "NoSuchBucket" {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err == nil && resp.ContentLength < 0 {
		resp.Body.Close()
		err = errors.New("the answer does not say how long it is")
	}
	if err != nil {
		return nil, 0, s.failure("GET", key, err)
	}
	return &checked{ReadCloser: resp.Body, want: crcOf(resp.Header), sum: crc32.New(castagnoli)}, resp.ContentLength, nil
}

// crcOf returns what an answer says of its object's CRC32C, or nil.
func crcOf(h http.Header) []byte {
	for _, value := range h.Values(hashHeader) {
		for one := range strings.SplitSeq(value, ",") {
			if text, ok := strings.CutPrefix(strings.TrimSpace(one), "crc32c="); ok {
				sum, _ := base64.StdEncoding.DecodeString(text) // what is no checksum is not compared
				return sum
			}
		}
	}
	return nil
}

// checked compares an object with its checksum.
type checked struct {
	io.ReadCloser

	want []byte // nil: nothing was said
	sum  hash.Hash
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && c.want != nil && !bytes.Equal(c.want, c.sum.Sum(nil)) {
		err = errors.New("the object's CRC32C is not what Google Cloud Storage says it is")
	}
	return n, err
}

// Delete removes objects, a thousand by one request.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	var errs []error
	for some := range slices.Chunk(keys, maxDelete) {
		errs = append(errs, s.delete(ctx, some))
	}
	return errors.Join(errs...)
}

type deletion struct {
	XMLName xml.Name        `xml:"Delete"`
	Quiet   bool            `xml:"Quiet"`
	Objects []deletedObject `xml:"Object"`
}

type deletedObject struct {
	Key string `xml:"Key"`
}

// delete removes up to maxDelete objects. Their keys travel in the body. A single one takes the simpler way, and so
// does one that XML cannot carry.
func (s *Store) delete(ctx context.Context, keys []string) error {
	var many deletion
	var errs []error
	for _, key := range keys {
		if len(keys) == 1 || !inXML(key) {
			errs = append(errs, s.deleteOne(ctx, key))
			continue
		}
		many.Objects = append(many.Objects, deletedObject{s.prefix + key})
	}
	if len(many.Objects) == 0 {
		return errors.Join(errs...)
	}
	many.Quiet = true
	return errors.Join(append(errs, s.deleteMany(ctx, &many))...)
}

// inXML reports whether a key arrives as it is.
func inXML(key string) bool {
	return !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == '\uFFFD' || r == '\uFFFE' || r == '\uFFFF' })
}

func (s *Store) deleteOne(ctx context.Context, key string) error {
	err := s.finish(s.send(ctx, &call{method: http.MethodDelete, url: s.url(key)}))
	var no *refusal
	if errors.As(err, &no) && no.status == http.StatusNotFound && no.code != "NoSuchBucket" {
		return nil
	}
	return s.failure("DELETE", key, err)
}

func (s *Store) deleteMany(ctx context.Context, many *deletion) error {
	first := strings.TrimPrefix(many.Objects[0].Key, s.prefix) + " and others"
	body, err := xml.Marshal(many)
	if err != nil {
		return s.failure("DELETE", first, err)
	}
	u := s.base
	u.RawQuery = "delete"
	resp, err := s.send(ctx, &call{ //nolint:bodyclose // readDocument does
		method: http.MethodPost, url: &u, body: bytes.NewReader(body), size: int64(len(body)), header: http.Header{
			"Content-Type": {"application/xml"},
			hashHeader:     {"crc32c=" + base64.StdEncoding.EncodeToString(binaryCRC(body))},
		},
	})
	var result struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Errors  []struct {
			Key  string `xml:"Key"`
			Code string `xml:"Code"`
		} `xml:"Error"`
	}
	if err == nil {
		err = readDocument(resp, &result)
	}
	if err != nil {
		return s.failure("DELETE", first, err)
	}
	remain, code, of := 0, "", ""
	for _, e := range result.Errors {
		if e.Code != "NoSuchKey" { // which is no error
			remain++
			code, of = e.Code, e.Key
		}
	}
	if remain > 0 {
		return fmt.Errorf("DELETE gs://%s: %d of %d objects remain, %s: %s", s.bucket, remain, len(many.Objects), once.Clip(of), once.Clip(code))
	}
	return nil
}

func binaryCRC(data []byte) []byte {
	h := crc32.New(castagnoli)
	h.Write(data)
	return h.Sum(nil)
}

// readDocument reads an answer that is one. It closes the answer's body.
func readDocument(resp *http.Response, into any) error {
	data, err := once.ReadBody(resp, maxDocument)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(data, into); err != nil {
		return errors.New("the answer is not the document that Google Cloud Storage sends")
	}
	return nil
}

// List returns a page. Names are asked for in escaped form, since an agent may have chosen some that XML cannot
// carry. Source: cloud.google.com/storage/docs/xml-api/get-bucket-list, 2026-11.
func (s *Store) List(ctx context.Context, prefix, after string) (driver.Listing, error) {
	u := s.base
	query := url.Values{"list-type": {"2"}, "prefix": {s.prefix + prefix}, "encoding-type": {"url"}}
	if after != "" {
		query.Set("start-after", s.prefix+after)
	}
	u.RawQuery = query.Encode()
	resp, err := s.send(ctx, &call{method: http.MethodGet, url: &u}) //nolint:bodyclose // readDocument does
	var result struct {
		XMLName   xml.Name `xml:"ListBucketResult"`
		Truncated bool     `xml:"IsTruncated"`
		Contents  []struct {
			Key      string `xml:"Key"`
			Size     string `xml:"Size"`
			Modified string `xml:"LastModified"`
		} `xml:"Contents"`
	}
	if err == nil {
		err = readDocument(resp, &result)
	}
	if err != nil {
		return driver.Listing{}, s.failure("LIST", prefix, err)
	}
	list := driver.Listing{
		Objects: make([]driver.Object, 0, len(result.Contents)),
		More:    result.Truncated,
		Time:    s.clock.Now(), // it has learned from this answer
	}
	for _, o := range result.Contents {
		key, err := url.PathUnescape(o.Key)
		key, ours := strings.CutPrefix(key, s.prefix)
		size, notNumber := strconv.ParseInt(o.Size, 10, 64)
		modified, noTime := parseTime(o.Modified)
		if err := errors.Join(err, notNumber, noTime); err != nil || !ours {
			return driver.Listing{}, s.failure("LIST", prefix, fmt.Errorf("an object that cannot be: %q, %w", once.Clip(o.Key), err))
		}
		list.Objects = append(list.Objects, driver.Object{Key: key, Size: size, Modified: modified})
	}
	return list, nil
}
