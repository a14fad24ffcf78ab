package s3local

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// listResult serves both versions: each leaves the other's elements out.
type listResult struct {
	XMLName      xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name         string         `xml:"Name"`
	Prefix       string         `xml:"Prefix"`
	Marker       *string        `xml:"Marker"`
	StartAfter   string         `xml:"StartAfter,omitempty"`
	Token        string         `xml:"ContinuationToken,omitempty"`
	NextMarker   string         `xml:"NextMarker,omitempty"`
	NextToken    string         `xml:"NextContinuationToken,omitempty"`
	KeyCount     *int           `xml:"KeyCount"`
	MaxKeys      int            `xml:"MaxKeys"`
	Delimiter    string         `xml:"Delimiter,omitempty"`
	EncodingType string         `xml:"EncodingType,omitempty"`
	Truncated    bool           `xml:"IsTruncated"`
	Contents     []listedObject `xml:"Contents"`
	Groups       []listedGroup  `xml:"CommonPrefixes"`
}

// A listedObject is one of a page.
type listedObject struct {
	Key      string    `xml:"Key"`
	Modified string    `xml:"LastModified"`
	ETag     string    `xml:"ETag"`
	Checksum string    `xml:"ChecksumAlgorithm,omitempty"`
	Kind     string    `xml:"ChecksumType,omitempty"`
	Size     int64     `xml:"Size"`
	Owner    *identity `xml:"Owner"`
	Class    string    `xml:"StorageClass"`
}

// A listedGroup stands for all keys that go on alike up to the delimiter.
type listedGroup struct {
	Prefix string `xml:"Prefix"`
}

// listObjects serves both versions of the listing.
func (s *service) listObjects(w http.ResponseWriter, q *request) error {
	second := q.has("list-type")
	if second && q.query["list-type"] != "2" {
		return objects.NotServed("listings of other types than 2")
	}
	limit, err := objects.Limit(q.query, "max-keys")
	if err != nil {
		return err
	}
	write, err := objects.Encoding(q.query)
	if err != nil {
		return err
	}
	p := objects.Page{Prefix: q.query["prefix"], Delimiter: q.query["delimiter"], After: q.query["marker"], Max: limit}
	result := listResult{
		Name: q.bucket, Prefix: write(p.Prefix), Delimiter: write(p.Delimiter), MaxKeys: limit, EncodingType: q.query["encoding-type"],
	}
	if second {
		if p.After, err = q.position(); err != nil {
			return err
		}
		result.StartAfter, result.Token = write(q.query["start-after"]), q.query["continuation-token"]
	} else {
		marker := write(p.After)
		result.Marker = &marker
	}
	var owner *identity
	if !second || q.query["fetch-owner"] == "true" {
		owner = &s.owner
	}
	err = s.disk.View(q.bucket, func(b *bbolt.Bucket) error {
		l := p.List(b.Bucket(objects.Entries))
		result.Truncated = l.Truncated
		for i, key := range l.Keys {
			e, err := objects.Decode[objects.Entry](l.Values[i])
			if err != nil {
				return err
			}
			o := listedObject{Key: write(key), Modified: objects.Timestamp(e.Modified), ETag: e.ETag(), Size: e.Size, Owner: owner, Class: "STANDARD"}
			if e.Checksum != nil {
				o.Checksum, o.Kind = e.Checksum.Algorithm, kindOf(e.Checksum)
			}
			result.Contents = append(result.Contents, o)
		}
		for _, group := range l.Groups {
			result.Groups = append(result.Groups, listedGroup{write(group)})
		}
		switch n := len(l.Keys) + len(l.Groups); {
		case second:
			result.KeyCount = &n
			if l.Truncated {
				result.NextToken = base64.RawURLEncoding.EncodeToString([]byte(l.Last))
			}
		case l.Truncated && p.Delimiter != "":
			result.NextMarker = write(l.Last)
		}
		return nil
	})
	if err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &result)
	return nil
}

// position returns after which key, or group, a listing goes on.
func (q *request) position() (string, error) {
	token, ok := q.query["continuation-token"]
	if !ok {
		return q.query["start-after"], nil
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || token == "" {
		return "", objects.Invalid("InvalidArgument", "The continuation token provided is incorrect")
	}
	return string(after), nil
}
