package gcslocal

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/internal/objects"
)

func (s *service) headBucket(w http.ResponseWriter, q *request) error {
	if err := s.disk.Has(q.bucket); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

type listResult struct {
	XMLName      xml.Name       `xml:"http://doc.s3.amazonaws.com/2006-03-01 ListBucketResult"`
	Name         string         `xml:"Name"`
	Prefix       string         `xml:"Prefix"`
	Delimiter    string         `xml:"Delimiter,omitempty"`
	EncodingType string         `xml:"EncodingType,omitempty"`
	Marker       string         `xml:"Marker,omitempty"`
	NextMarker   string         `xml:"NextMarker,omitempty"`
	StartAfter   string         `xml:"StartAfter,omitempty"`
	Token        string         `xml:"ContinuationToken,omitempty"`
	NextToken    string         `xml:"NextContinuationToken,omitempty"`
	KeyCount     *int           `xml:"KeyCount"`
	MaxKeys      int            `xml:"MaxKeys"`
	Truncated    bool           `xml:"IsTruncated"`
	Contents     []listedObject `xml:"Contents"`
	Groups       []listedGroup  `xml:"CommonPrefixes"`
}

type listedObject struct {
	Key            string `xml:"Key"`
	Generation     int64  `xml:"Generation"`
	MetaGeneration int    `xml:"MetaGeneration"`
	Modified       string `xml:"LastModified"`
	ETag           string `xml:"ETag"`
	Size           int64  `xml:"Size"`
}

type listedGroup struct {
	Prefix string `xml:"Prefix"`
}

// listObjects serves both versions of the listing. Source:
// cloud.google.com/storage/docs/xml-api/get-bucket-list, 2026-11.
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
	p := objects.Page{Prefix: q.query["prefix"], Delimiter: q.query["delimiter"], After: q.query["marker"] + q.query["start-after"], Max: limit}
	result := listResult{
		Name: q.bucket, Prefix: write(p.Prefix), Delimiter: write(p.Delimiter), EncodingType: q.query["encoding-type"],
		Marker: write(q.query["marker"]), StartAfter: write(q.query["start-after"]), Token: q.query["continuation-token"], MaxKeys: limit,
	}
	if token, ok := q.query["continuation-token"]; ok {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || token == "" {
			return objects.Invalid("InvalidArgument", "Invalid argument.")
		}
		p.After = string(after)
	}
	err = s.disk.View(q.bucket, func(b *bbolt.Bucket) error {
		l := p.List(b.Bucket(objects.Entries))
		result.Truncated = l.Truncated
		for i, key := range l.Keys {
			e, err := objects.Decode[objects.Entry](l.Values[i])
			if err != nil {
				return err
			}
			result.Contents = append(result.Contents, listedObject{write(key), e.Generation, 1, objects.Timestamp(e.Modified), e.ETag(), e.Size})
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
		case l.Truncated:
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

// maxDeletes is how many objects one request deletes. Source:
// cloud.google.com/storage/docs/xml-api/post-bucket, 2026-11.
const maxDeletes = 1000

type deleteRequest struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool     `xml:"Quiet"`
	Objects []struct {
		Key       string    `xml:"Key"`
		VersionID *string   `xml:"VersionId"`
		Others    []unknown `xml:",any"`
	} `xml:"Object"`
	Others []unknown `xml:",any"`
}

type unknown struct{ XMLName xml.Name }

type deleteResult struct {
	XMLName xml.Name        `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedObject `xml:"Deleted"`
	Errors  []deleteError   `xml:"Error"`
}

type deletedObject struct {
	Key string `xml:"Key"`
}

type deleteError struct {
	Key     string `xml:"Key"`
	Code    string `xml:"Code"`
	Message string `xml:"Message"`
}

// deleteObjects deletes many. Whether Google reports those that are not there as deleted is not documented: here
// they are errors, which clients have to take.
func (s *service) deleteObjects(w http.ResponseWriter, q *request) error {
	body, err := q.content()
	if err != nil {
		return err
	}
	var asked deleteRequest
	if err := objects.ReadDocument(body, &asked); err != nil {
		if errors.Is(err, io.EOF) {
			return objects.MalformedXML()
		}
		return err
	}
	if len(asked.Objects) == 0 || len(asked.Objects) > maxDeletes {
		return objects.MalformedXML()
	}
	if len(asked.Others) > 0 {
		return objects.NotServed("deleting with " + asked.Others[0].XMLName.Local)
	}
	deletions := make([]objects.Deletion, len(asked.Objects))
	for i, o := range asked.Objects {
		if o.VersionID != nil || len(o.Others) > 0 {
			return objects.NotServed("deleting with more than a key")
		}
		deletions[i] = objects.Deletion{Key: o.Key, Condition: func(there *objects.Entry) error {
			if there == nil {
				return objects.NoSuchKey(o.Key)
			}
			return nil
		}}
	}
	failed, err := s.disk.DeleteMany(q.bucket, deletions)
	if err != nil {
		return err
	}
	var result deleteResult
	for i, d := range deletions {
		if f := failed[i]; f != nil {
			result.Errors = append(result.Errors, deleteError{d.Key, f.Code, f.Message})
		} else if !asked.Quiet {
			result.Deleted = append(result.Deleted, deletedObject{d.Key})
		}
	}
	objects.Answer(w, http.StatusOK, &result)
	return nil
}
