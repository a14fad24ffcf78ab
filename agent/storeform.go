package agent

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

// fillForm makes r the form that x's link is for: the link's fields, the key, and at
// last the object. It is sent as it is read, with its length in front, as S3 demands.
func fillForm(r *http.Request, x *exchange) error {
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	// What no object contains by accident; crypto/rand would cost a cold start its time.
	boundary := "lambdapool-" + strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // see above
	if err := form.SetBoundary(boundary); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(x.link.Form)) {
		if err := form.WriteField(name, x.link.Form[name]); err != nil {
			return err
		}
	}
	if err := form.WriteField("key", x.key); err != nil {
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
	r.ContentLength = int64(head.Len()) + x.body.Size() + int64(len(tail))
	r.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(head.Bytes()), x.body.Reader(), bytes.NewReader(tail))), nil
	}
	r.Body, _ = r.GetBody() // never fails
	return nil
}
