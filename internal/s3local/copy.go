package s3local

import (
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// copyResult is what a copy, or a part that was copied, is answered with.
type copyResult struct {
	XMLName  xml.Name
	ETag     string    `xml:"ETag"`
	Modified time.Time `xml:"LastModified"`
}

// copySource returns what a request copies from.
func (q *request) copySource() (bucket, key string, err error) {
	asked := q.header["x-amz-copy-source"]
	path, err := url.PathUnescape(asked)
	bucket, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case err != nil:
		err = objects.Invalid("InvalidArgument", "Invalid copy source encoding")
	case strings.Contains(asked, "?"):
		err = objects.NotServed("copies of versions")
	case bucket == "" || key == "":
		err = objects.Invalid("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	return bucket, key, err
}

// source opens what a request copies from. The caller closes it.
func (s *service) source(q *request) (*objects.Opened, error) {
	bucket, key, err := q.copySource()
	if err != nil {
		return nil, err
	}
	o, err := s.disk.Open(bucket, key)
	if err != nil {
		return nil, err
	}
	if err := objects.ReadCondition(q.header, "x-amz-copy-source-", &o.Entry); err != nil {
		_ = o.Close() // nothing was read
		return nil, err
	}
	if o.Size > maxObject {
		_ = o.Close() // nothing was read
		return nil, objects.Invalid("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	return o, nil
}

// copying is the content of what is copied.
func copying(o *objects.Opened, from, n int64, by *checksum) *content {
	c := newContent(io.NewSectionReader(o, from, n), n)
	c.expected.algorithm, c.expected.any = by, true
	c.sum = c.algorithm().make()
	return c
}

// copyObject stores the bytes of one object as another one. Metadata and tags come along unless the
// request brings its own; encryption is always the request's. Both conditions are held: that of the
// source before anything is read, that of the target where the entry is made.
func (s *service) copyObject(w http.ResponseWriter, q *request) error {
	condition, err := q.writeCondition()
	if err == nil {
		err = checkKey(q.key)
	}
	if err == nil {
		err = s.disk.WouldPut(q.bucket, q.key, condition)
	}
	if err != nil {
		return err
	}
	o, err := s.source(q)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // it was only read
	e, err := newEntry(q.header)
	if err != nil {
		return err
	}
	switch directive := q.header["x-amz-metadata-directive"]; directive {
	case "", "COPY":
		if bucket, key, _ := q.copySource(); bucket == q.bucket && key == q.key {
			return objects.Invalid("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
		encrypted := e.Metadata
		e.Metadata = maps.Clone(o.Metadata)
		for _, name := range []string{sseHeader, sseKeyHeader, sseBucketKeyHeader} {
			delete(e.Metadata, name)
			if value, ok := encrypted[name]; ok {
				e.Metadata[name] = value
			}
		}
	case "REPLACE":
	default:
		return objects.Invalid("InvalidArgument", "Unknown metadata directive.")
	}
	if q.header["x-amz-tagging-directive"] != "REPLACE" {
		e.Tags = o.Tags
	}
	by, err := q.copyChecksum(o.Checksum)
	if err != nil {
		return err
	}
	small, err := s.disk.Receive(e, copying(o, 0, o.Size, by))
	if err == nil {
		err = s.disk.Put(q.bucket, q.key, e, small, condition)
	}
	if err != nil {
		return err
	}
	encrypted(w.Header(), e)
	objects.Answer(w, http.StatusOK, &copyResult{xml.Name{Space: namespace, Local: "CopyObjectResult"}, e.ETag(), e.Modified})
	return nil
}

// copyChecksum returns by which algorithm a copy is to be summed: the one that is named, or
// that of the source.
func (q *request) copyChecksum(source *objects.Stored) (*checksum, error) {
	switch name := q.header["x-amz-checksum-algorithm"]; {
	case name != "":
		return checksumNamed(name)
	case source != nil:
		return checksumNamed(source.Algorithm)
	}
	return crc64nvme, nil
}
