package s3local

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// What a tag may be. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html, 2026-11.
const (
	maxTags     = 10
	maxTagKey   = 128 // characters
	maxTagValue = 256
)

// tagging is the document of an object's tags.
type tagging struct {
	XMLName xml.Name      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
	Tags    []objects.Tag `xml:"TagSet>Tag"`
}

// checkTags refuses tags that S3 refuses.
func checkTags(tags []objects.Tag) error {
	if len(tags) > maxTags {
		return objects.Invalid("BadRequest", "Object tags cannot be greater than 10")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey:
			return objects.Invalid("InvalidTag", "The TagKey you have provided is invalid")
		case utf8.RuneCountInString(t.Value) > maxTagValue:
			return objects.Invalid("InvalidTag", "The TagValue you have provided is invalid")
		case seen[t.Key]:
			return objects.Invalid("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		seen[t.Key] = true
	}
	return nil
}

// parseTags reads them as a header has them.
func parseTags(query string) ([]objects.Tag, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, objects.Invalid("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var tags []objects.Tag
	for key, all := range values {
		for _, value := range all {
			tags = append(tags, objects.Tag{Key: key, Value: value})
		}
	}
	slices.SortFunc(tags, func(a, b objects.Tag) int { return strings.Compare(a.Key, b.Key) })
	return tags, checkTags(tags)
}

// parseTagging reads them as a document, or a form's field, has them.
func parseTagging(document string) ([]objects.Tag, error) {
	var t struct {
		XMLName xml.Name      `xml:"Tagging"`
		Tags    []objects.Tag `xml:"TagSet>Tag"`
	}
	if err := objects.Parse([]byte(document), &t); err != nil {
		return nil, err
	}
	return t.Tags, checkTags(t.Tags)
}

// getTagging answers an object's tags; one without any has an empty set.
func (s *service) getTagging(w http.ResponseWriter, q *request) error {
	e, err := s.disk.Look(q.bucket, q.key)
	if err != nil {
		return err
	}
	objects.Answer(w, http.StatusOK, &tagging{Tags: e.Tags})
	return nil
}

// putTagging replaces all tags of an object.
func (s *service) putTagging(w http.ResponseWriter, q *request) error {
	var asked struct {
		XMLName xml.Name      `xml:"Tagging"`
		Tags    []objects.Tag `xml:"TagSet>Tag"`
	}
	err := q.document(&asked, false)
	if errors.Is(err, io.EOF) {
		err = objects.MalformedXML()
	}
	if err == nil {
		err = checkTags(asked.Tags)
	}
	if err == nil {
		err = s.disk.Update(q.bucket, q.key, func(e *objects.Entry) { e.Tags = asked.Tags })
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// deleteTagging removes all tags of an object.
func (s *service) deleteTagging(w http.ResponseWriter, q *request) error {
	if err := s.disk.Update(q.bucket, q.key, func(e *objects.Entry) { e.Tags = nil }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
