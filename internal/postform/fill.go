package postform

import (
	"bytes"
	"io"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
)

// Fill makes r a form that a store has signed: its fields, the key, and at last size bytes of file, which is
// called for each time that they are sent. They are sent as they are read, with their length in front, as S3 demands.
func Fill(r *http.Request, fields map[string]string, key string, size int64, file func() io.Reader) error {
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	// What no object contains by accident; crypto/rand would cost a cold start its time.
	boundary := "lambdapool-" + strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // see above
	if err := form.SetBoundary(boundary); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := form.WriteField(name, fields[name]); err != nil {
			return err
		}
	}
	if err := form.WriteField("key", key); err != nil {
		return err
	}
	if _, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="file"`},
		"Content-Type":        {"application/octet-stream"},
	}); err != nil {
		return err
	}
	tail := []byte("\r\n--" + boundary + "--\r\n")
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.ContentLength = int64(head.Len()) + size + int64(len(tail))
	r.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(head.Bytes()), file(), bytes.NewReader(tail))), nil
	}
	r.Body, _ = r.GetBody() // never fails
	return nil
}
