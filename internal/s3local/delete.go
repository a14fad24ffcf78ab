package s3local

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// deleteObject answers 204 also where nothing was, as S3 does: what was deleted twice is gone.
func (s *service) deleteObject(w http.ResponseWriter, q *request) error {
	match, asked := q.header["if-match"]
	if err := s.disk.Delete(q.bucket, q.key, deleteCondition(q.key, match, asked)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxDeletes is how many objects one request deletes. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html, 2026-11.
const maxDeletes = 1000

// deleteRequest is what DeleteObjects names. What this store does not heed is a field all the same,
// to be refused rather than overlooked.
type deleteRequest struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool     `xml:"Quiet"`
	Objects []struct {
		Key       string  `xml:"Key"`
		ETag      *string `xml:"ETag"`
		VersionID *string `xml:"VersionId"`
		Modified  *string `xml:"LastModifiedTime"`
		Size      *string `xml:"Size"`
	} `xml:"Object"`
}

// deleteResult says of each object what became of it.
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

// deleteObjects deletes up to a thousand objects. Each has its own answer; one that cannot be
// deleted keeps none of the others.
func (s *service) deleteObjects(w http.ResponseWriter, q *request) error {
	var asked deleteRequest
	if err := q.document(&asked, true); err != nil {
		if errors.Is(err, io.EOF) {
			return objects.MalformedXML()
		}
		return err
	}
	if len(asked.Objects) == 0 || len(asked.Objects) > maxDeletes {
		return objects.MalformedXML()
	}
	deletions := make([]objects.Deletion, len(asked.Objects))
	for i, o := range asked.Objects {
		if o.VersionID != nil || o.Modified != nil || o.Size != nil {
			return objects.NotServed("DeleteObjects of versions, or by time or size")
		}
		deletions[i] = objects.Deletion{Key: o.Key}
		match := ""
		if o.ETag != nil {
			match = *o.ETag
		}
		deletions[i].Condition = deleteCondition(o.Key, match, o.ETag != nil)
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
