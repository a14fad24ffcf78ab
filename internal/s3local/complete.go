package s3local

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// completeRequest names the parts, in the order of the object.
type completeRequest struct {
	XMLName xml.Name        `xml:"CompleteMultipartUpload"`
	Parts   []completedPart `xml:"Part"`
}

// A completedPart is a part as the client remembers it. ETag and checksums have to fit what is
// here.
type completedPart struct {
	Number    int    `xml:"PartNumber"`
	ETag      string `xml:"ETag"`
	CRC32     string `xml:"ChecksumCRC32"`
	CRC32C    string `xml:"ChecksumCRC32C"`
	CRC64NVME string `xml:"ChecksumCRC64NVME"`
	SHA1      string `xml:"ChecksumSHA1"`
	SHA256    string `xml:"ChecksumSHA256"`
}

// checksum returns what is said of a part by an algorithm.
func (p *completedPart) checksum(name string) string {
	return map[string]string{"CRC32": p.CRC32, "CRC32C": p.CRC32C, "CRC64NVME": p.CRC64NVME, "SHA1": p.SHA1, "SHA256": p.SHA256}[name]
}

// completedUpload is what the client is told of the object.
type completedUpload struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location string   `xml:"Location"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	ETag     string   `xml:"ETag"`

	CRC32     string `xml:"ChecksumCRC32,omitempty"`
	CRC32C    string `xml:"ChecksumCRC32C,omitempty"`
	CRC64NVME string `xml:"ChecksumCRC64NVME,omitempty"`
	SHA1      string `xml:"ChecksumSHA1,omitempty"`
	SHA256    string `xml:"ChecksumSHA256,omitempty"`
	Kind      string `xml:"ChecksumType,omitempty"`
}

// completeUpload makes an object of the parts that are named. Others are thrown away. Nothing of it
// is there before all of it is; when it fails the upload stays, to be completed again or aborted.
func (s *service) completeUpload(w http.ResponseWriter, q *request) error {
	condition, err := q.writeCondition()
	if err != nil {
		return err
	}
	// The checksum in the header is of the object, not of the document.
	whole := map[string]string{}
	for _, c := range checksums {
		if value, ok := q.header[c.header]; ok {
			whole[c.header] = value
			delete(q.header, c.header)
		}
	}
	delete(q.header, sdkAlgorithm)
	var asked completeRequest
	if err := q.document(&asked, false); err != nil {
		if errors.Is(err, io.EOF) {
			return objects.MalformedXML()
		}
		return err
	}
	a, err := s.assemble(q, &asked)
	if err != nil {
		return err
	}
	if err := s.disk.WouldPut(q.bucket, q.key, condition); err != nil {
		return err
	}
	e := a.Object
	body := a.read(s.disk)
	small, err := s.disk.Receive(&e, body)
	if err != nil {
		_ = body.r.(io.Closer).Close() // what writes into it ends
		return err
	}
	a.describe(&e)
	err = a.confirm(q, &e, whole)
	if err != nil {
		s.disk.Remove(e.File)
		return err
	}
	if err := s.finish(q, &e, small, condition); err != nil {
		return err
	}
	encrypted(w.Header(), &e)
	result := completedUpload{Location: "http://" + q.http.Host + objects.Escape(q.path, true), Bucket: q.bucket, Key: q.key, ETag: e.ETag()}
	result.say(e.Checksum)
	objects.Answer(w, http.StatusOK, &result)
	return nil
}

// say puts a checksum into the element that is named after its algorithm.
func (r *completedUpload) say(c *objects.Stored) {
	r.Kind = kindOf(c)
	switch c.Algorithm {
	case "CRC32":
		r.CRC32 = c.Value
	case "CRC32C":
		r.CRC32C = c.Value
	case "CRC64NVME":
		r.CRC64NVME = c.Value
	case "SHA1":
		r.SHA1 = c.Value
	case "SHA256":
		r.SHA256 = c.Value
	}
}

// assemble finds the parts that a request names.
func (s *service) assemble(q *request, asked *completeRequest) (*assembly, error) {
	var a assembly
	err := s.disk.View(q.bucket, func(b *bbolt.Bucket) (err error) {
		id := q.query[uploadID]
		if a.upload, err = uploadOf(b, id, q.key); err != nil {
			return err
		}
		if a.sum = crc64nvme; a.Algorithm != "" {
			if a.sum, err = checksumNamed(a.Algorithm); err != nil {
				return err
			}
		}
		if kind, ok := q.header["x-amz-checksum-type"]; ok && kind != kindOf(&objects.Stored{Composite: !a.Whole}) {
			return objects.Invalid("InvalidRequest", "The upload was created with another checksum type than %s.", kind)
		}
		if len(asked.Parts) == 0 || len(asked.Parts) > maxParts {
			return objects.MalformedXML()
		}
		for i := 1; i < len(asked.Parts); i++ {
			if asked.Parts[i].Number <= asked.Parts[i-1].Number {
				return objects.Invalid("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
			}
		}
		for i := range asked.Parts {
			p := &asked.Parts[i]
			if err := a.take(b.Bucket(objects.Parts).Get(partKey(id, p.Number)), p, i+1 == len(asked.Parts)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && a.size > maxAssembled {
		err = objects.Invalid("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
	}
	return &a, err
}

// take checks a part that is named, and adds it.
func (a *assembly) take(v []byte, p *completedPart, last bool) error {
	wrong := objects.Invalid("InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
	if v == nil || p.Number < 1 || p.Number > maxParts {
		return wrong
	}
	e, err := objects.Decode[objects.Entry](v)
	if err != nil {
		return err
	}
	said := p.checksum(e.Checksum.Algorithm)
	switch {
	case !objects.SameETag(p.ETag, &e), said != "" && said != e.Checksum.Value:
		return wrong
	case !a.Whole && said == "":
		return objects.Invalid("InvalidRequest", "The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
			strings.ToLower(a.Algorithm), p.Number)
	case !last && e.Size < minPart:
		return objects.Invalid("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	}
	return a.add(e)
}

// confirm holds the object to what the request says of the whole.
func (a *assembly) confirm(q *request, e *objects.Entry, whole map[string]string) error {
	if size, ok := q.header["x-amz-mp-object-size"]; ok && size != strconv.FormatInt(a.size, 10) {
		return objects.Invalid("InvalidRequest", "The provided 'x-amz-mp-object-size' header value %s does not match what was computed: %d", size, a.size)
	}
	for header, value := range whole {
		c := checksumOf(header)
		if c.name != e.Checksum.Algorithm {
			return objects.Invalid("InvalidRequest", "The upload was not created using a %s checksum.", c.name)
		}
		// A composite one may come without the number of its parts.
		if want, _, _ := strings.Cut(e.Checksum.Value, "-"); value != want && value != e.Checksum.Value {
			return objects.Invalid("BadDigest", "The %s you specified did not match the calculated checksum.", c.name)
		}
	}
	return nil
}

// finish puts the object into the place of the upload.
func (s *service) finish(q *request, e *objects.Entry, small []byte, condition func(*objects.Entry) error) error {
	id := q.query[uploadID]
	err := s.disk.Change(q.bucket, func(b *bbolt.Bucket, unused func(string)) error {
		if _, err := uploadOf(b, id, q.key); err != nil {
			return err // another request was faster
		}
		there, err := objects.Exists(objects.Find(b, q.key))
		if err == nil {
			err = condition(there)
		}
		if err != nil {
			return err
		}
		if there != nil {
			unused(there.File)
		}
		return errors.Join(objects.Place(b, q.key, e, small), forget(b, id, unused))
	})
	if err != nil {
		s.disk.Remove(e.File)
	}
	return err
}
