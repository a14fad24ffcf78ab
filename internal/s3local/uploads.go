package s3local

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// partList is a page of an upload's parts.
type partList struct {
	XMLName   xml.Name     `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket    string       `xml:"Bucket"`
	Key       string       `xml:"Key"`
	ID        string       `xml:"UploadId"`
	Initiator identity     `xml:"Initiator"`
	Owner     identity     `xml:"Owner"`
	Class     string       `xml:"StorageClass"`
	Marker    int          `xml:"PartNumberMarker"`
	Next      int          `xml:"NextPartNumberMarker"`
	Max       int          `xml:"MaxParts"`
	Truncated bool         `xml:"IsTruncated"`
	Algorithm string       `xml:"ChecksumAlgorithm,omitempty"`
	Kind      string       `xml:"ChecksumType,omitempty"`
	Parts     []listedPart `xml:"Part"`
}

// A listedPart is one of them.
type listedPart struct {
	Number   int    `xml:"PartNumber"`
	Modified string `xml:"LastModified"`
	ETag     string `xml:"ETag"`
	Size     int64  `xml:"Size"`
}

// listParts lists the parts that have arrived: a client that has lost count goes on from there.
func (s *service) listParts(w http.ResponseWriter, q *request) error {
	limit, err := objects.Limit(q.query, "max-parts")
	if err != nil {
		return err
	}
	write, err := objects.Encoding(q.query)
	if err != nil {
		return err
	}
	marker := 0
	if value := q.query["part-number-marker"]; value != "" {
		if marker, err = strconv.Atoi(value); err != nil || marker < 0 {
			return objects.Invalid("InvalidArgument", "Argument part-number-marker must be an integer between 0 and 2147483647")
		}
	}
	id := q.query[uploadID]
	list := partList{
		Bucket: q.bucket, Key: write(q.key), ID: id, Initiator: s.owner, Owner: s.owner, Class: "STANDARD", Marker: marker, Max: limit,
	}
	err = s.disk.View(q.bucket, func(b *bbolt.Bucket) error {
		u, err := uploadOf(b, id, q.key)
		if err != nil {
			return err
		}
		if list.Algorithm = u.Algorithm; u.Algorithm != "" {
			list.Kind = kindOf(&objects.Stored{Composite: !u.Whole})
		}
		return eachPart(b, id, func(number int, e objects.Entry) error {
			switch {
			case number <= marker:
			case len(list.Parts) == limit:
				list.Truncated = true
			default:
				list.Parts = append(list.Parts, listedPart{number, objects.Timestamp(e.Modified), e.ETag(), e.Size})
				list.Next = number
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &list)
	return nil
}

// uploadList is a page of a bucket's uploads.
type uploadList struct {
	XMLName      xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket       string         `xml:"Bucket"`
	KeyMarker    string         `xml:"KeyMarker"`
	IDMarker     string         `xml:"UploadIdMarker"`
	NextKey      string         `xml:"NextKeyMarker"`
	NextID       string         `xml:"NextUploadIdMarker"`
	Prefix       string         `xml:"Prefix"`
	EncodingType string         `xml:"EncodingType,omitempty"`
	Max          int            `xml:"MaxUploads"`
	Truncated    bool           `xml:"IsTruncated"`
	Uploads      []listedUpload `xml:"Upload"`
}

// A listedUpload is one of them.
type listedUpload struct {
	Key       string   `xml:"Key"`
	ID        string   `xml:"UploadId"`
	Initiator identity `xml:"Initiator"`
	Owner     identity `xml:"Owner"`
	Class     string   `xml:"StorageClass"`
	Begun     string   `xml:"Initiated"`
}

// listUploads lists what is not complete, by key and then by when it was begun.
func (s *service) listUploads(w http.ResponseWriter, q *request) error {
	if q.query["delimiter"] != "" {
		return objects.NotServed("listings of uploads with a delimiter")
	}
	limit, err := objects.Limit(q.query, "max-uploads")
	if err != nil {
		return err
	}
	write, err := objects.Encoding(q.query)
	if err != nil {
		return err
	}
	var all []listedUpload
	err = s.disk.View(q.bucket, func(b *bbolt.Bucket) error {
		return b.Bucket(objects.Uploads).ForEach(func(id, v []byte) error {
			u, err := objects.Decode[upload](v)
			if strings.HasPrefix(u.Key, q.query["prefix"]) {
				all = append(all, listedUpload{u.Key, string(id), s.owner, s.owner, "STANDARD", objects.Timestamp(u.Begun)})
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	order := func(a, b listedUpload) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if c := strings.Compare(a.Begun, b.Begun); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	}
	slices.SortFunc(all, order)
	key, id := q.query["key-marker"], q.query["upload-id-marker"]
	list := uploadList{
		Bucket: q.bucket, Prefix: write(q.query["prefix"]), KeyMarker: write(key), IDMarker: id, Max: limit, EncodingType: q.query["encoding-type"],
	}
	at := slices.IndexFunc(all, func(u listedUpload) bool { return u.ID == id })
	for i, u := range all {
		if u.Key < key || u.Key == key && key != "" && (id == "" || i <= at) {
			continue
		}
		if len(list.Uploads) == limit {
			list.Truncated = true
			break
		}
		list.NextKey, list.NextID = write(u.Key), u.ID
		u.Key = write(u.Key)
		list.Uploads = append(list.Uploads, u)
	}
	if !list.Truncated {
		list.NextKey, list.NextID = "", ""
	}
	objects.Answer(w, http.StatusOK, &list)
	return nil
}
