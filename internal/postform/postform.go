// Package postform reads the forms that upload one file to an object store, as S3 takes them:
// the fields first, each once, the file at last. It reads no more than a small buffer before
// its caller has seen the fields, and can refuse the file. What a caller verifies and what it
// executes is the same: there is one reading. [Fill] is the other side: it writes such a form.
package postform

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

const (
	// maxFields is how many bytes the fields of a form have before its file. Source:
	// docs.aws.amazon.com/AmazonS3/latest/userguide/HTTPPOSTForms.html, 2026-11.
	maxFields = 20 << 10

	// maxBefore bounds all there is before the file: the fields, and what separates them.
	maxBefore = 64 << 10

	// buffer is for a reader of forms that asks for 4 KiB at a time.
	buffer = 64 << 10
)

// An Error is why a form is refused, in S3's words.
type Error struct {
	Status        int // of HTTP
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func malformed() error {
	return &Error{http.StatusBadRequest, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."}
}

func tooLarge() error {
	return &Error{http.StatusBadRequest, "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large."}
}

// A Form is the fields of a request, and the file to be read. What comes after the file is
// never read: S3 ignores it.
type Form struct {
	Fields   map[string]string // by name in lower case
	FileName string            // as its sender calls it, without folders
	File     io.Reader
}

// Read reads the fields of a body of the given Content-Type. The error is an *[Error], or
// that of body.
func Read(contentType string, body io.Reader) (*Form, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, &Error{
			http.StatusPreconditionFailed, "PreconditionFailed",
			"Bucket POST must be of the enclosure-type multipart/form-data",
		}
	}
	source := &bounded{r: body, left: maxBefore}
	parts := multipart.NewReader(bufio.NewReaderSize(source, buffer), params["boundary"])
	form := &Form{Fields: map[string]string{}}
	for room := maxFields; ; {
		part, err := parts.NextRawPart()
		switch {
		case source.failed != nil:
			return nil, source.failed
		case errors.Is(err, io.EOF):
			return nil, &Error{http.StatusBadRequest, "InvalidArgument", "POST requires exactly one file upload per request."}
		case err != nil:
			return nil, malformed()
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			source.left = -1
			form.FileName, form.File = baseName(part.FileName()), part
			return form, nil
		}
		if _, twice := form.Fields[name]; name == "" || twice {
			return nil, &Error{http.StatusBadRequest, "InvalidArgument", fmt.Sprintf("POST requires exactly one field %q per request.", name)}
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(room)+1))
		switch room -= len(value) + len(name); {
		case source.failed != nil:
			return nil, source.failed
		case room < 0:
			return nil, tooLarge()
		case err != nil:
			return nil, malformed()
		}
		form.Fields[name] = string(value)
	}
}

// baseName is what S3 takes of a name: some senders say where the file was.
func baseName(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }

// bounded reads so much, and remembers how reading failed.
type bounded struct {
	r      io.Reader
	left   int // -1: there is no bound
	failed error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.failed = tooLarge()
		return 0, b.failed
	}
	if b.left > 0 {
		p = p[:min(len(p), b.left)]
	}
	n, err := b.r.Read(p)
	if b.left > 0 {
		b.left -= n
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}
