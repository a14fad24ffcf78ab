package objects

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/lambdapool/lambdapool/internal/postform"
)

// A Failure is the answer to what is refused. Both clouds write it so. Sources:
// docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
// cloud.google.com/storage/docs/xml-api/reference-status, 2026-11.
type Failure struct { //nolint:errname // it is what is answered first, and an error second
	XMLName   xml.Name `xml:"Error"`
	Code      string   `xml:"Code"`
	Message   string   `xml:"Message"`
	Details   string   `xml:"Details,omitempty"` // Google's
	Resource  string   `xml:"Resource,omitempty"`
	RequestID string   `xml:"RequestId,omitempty"`

	Status int         `xml:"-"`
	Header http.Header `xml:"-"` // what the answer has besides
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// Fail makes one of any status.
func Fail(status int, code, message string) *Failure {
	return &Failure{Code: code, Message: message, Status: status}
}

// Denied is 403.
func Denied(message string) *Failure { return Fail(http.StatusForbidden, "AccessDenied", message) }

// Invalid is 400.
func Invalid(code, format string, args ...any) *Failure {
	return Fail(http.StatusBadRequest, code, fmt.Sprintf(format, args...))
}

// MalformedXML is of a document that cannot be read.
func MalformedXML() *Failure {
	return Invalid("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// IncompleteBody is of a body with more or fewer bytes than were announced.
func IncompleteBody() *Failure {
	return Invalid("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
}

// NotServed is the answer to what a cloud may know and the store here does not: it changes nothing.
func NotServed(what string) *Failure {
	return Fail(http.StatusNotImplemented, "NotImplemented", "lambdapool's store does not serve "+what+".")
}

// NoSuchBucket is 404.
func NoSuchBucket(name string) *Failure {
	f := Fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	f.Resource = "/" + name
	return f
}

// NoSuchKey is 404.
func NoSuchKey(key string) *Failure {
	f := Fail(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	f.Resource = key
	return f
}

// PreconditionFailed is 412.
func PreconditionFailed() *Failure {
	return Fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

// NotModified is 304.
func NotModified(e *Entry) *Failure {
	f := Fail(http.StatusNotModified, "NotModified", "Not Modified")
	f.Header = http.Header{"ETag": {e.ETag()}, "Last-Modified": {e.ModifiedTime()}}
	return f
}

// FailureOf says what becomes of any error.
func FailureOf(err error) *Failure {
	var known *Failure
	var form *postform.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &form):
		return Fail(form.Status, form.Code, form.Message)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return IncompleteBody()
	}
	return Fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again. ("+err.Error()+")")
}
