package postform_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/postform"
)

// form writes fields, then a file unless it is called "".
func form(t *testing.T, fileName, content string, fields ...string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if fileName != "" {
		file, err := w.CreateFormFile("file", fileName)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(file, content)
	}
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

func TestAFormIsFieldsAndAFile(t *testing.T) {
	kind, body := form(t, `C:\folder/name.txt`, "content", "Key", "a/b", "x-Amz-Meta", "ü\r\nx")
	f, err := postform.Read(kind, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f.File)
	if err != nil || string(data) != "content" || f.FileName != "name.txt" || len(f.Fields) != 2 || f.Fields["key"] != "a/b" || f.Fields["x-amz-meta"] != "ü\r\nx" {
		t.Errorf("%q %q %q, %v", f.FileName, f.Fields, data, err)
	}
}

// A sink counts what is read of it.
type sink struct {
	r io.Reader
	n int
}

func (s *sink) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += n
	return n, err
}

// The caller can refuse a file by its fields, and no more of it than a buffer was read.
func TestTheFileIsNotRead(t *testing.T) {
	kind, body := form(t, "f", strings.Repeat("x", 10<<20), "key", "a")
	s := &sink{r: bytes.NewReader(body)}
	if _, err := postform.Read(kind, s); err != nil || s.n > 128<<10 {
		t.Errorf("%d bytes were read, %v", s.n, err)
	}
}

// cutAt is what is before a text.
func cutAt(body []byte, text string) []byte {
	before, _, _ := bytes.Cut(body, []byte(text))
	return before
}

func TestFormsThatAreRefused(t *testing.T) {
	kind, whole := form(t, "f", "x", "key", "a")
	for name, test := range map[string]struct {
		kind string
		body []byte
		code string
	}{
		"no form":               {"text/plain", whole, "PreconditionFailed"},
		"a form of another":     {"application/x-www-form-urlencoded", whole, "PreconditionFailed"},
		"no boundary":           {"multipart/form-data", whole, "PreconditionFailed"},
		"another boundary":      {"multipart/form-data; boundary=other", whole, "InvalidArgument"},
		"nothing":               {kind, nil, "InvalidArgument"},
		"cut before the file":   {kind, cutAt(whole, `name="file"`), "InvalidArgument"}, // as if there were none
		"cut within a field":    {kind, cutAt(whole, "a\r\n"), "MalformedPOSTRequest"},
		"no colon in a header":  {kind, bytes.Replace(whole, []byte("Disposition:"), []byte("Disposition"), 1), "MalformedPOSTRequest"},
		"a field without name":  {kind, bytes.Replace(whole, []byte(`name="key"`), []byte(`name=""`), 1), "InvalidArgument"},
		"a part that is no one": {kind, bytes.Replace(whole, []byte(`form-data; name="key"`), []byte(`attachment; name="key"`), 1), "InvalidArgument"},
	} {
		_, err := postform.Read(test.kind, bytes.NewReader(test.body))
		if e, ok := errors.AsType[*postform.Error](err); !ok || e.Code != test.code || e.Status < 400 {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	for name, test := range map[string]struct {
		fields []string
		file   string
		code   string
	}{
		"a field twice":          {[]string{"key", "a", "KEY", "b"}, "f", "InvalidArgument"},
		"no file":                {[]string{"key", "a"}, "", "InvalidArgument"},
		"a large field":          {[]string{"key", strings.Repeat("x", 20<<10)}, "f", "MaxPostPreDataLengthExceeded"},
		"fields large together":  {[]string{"a", strings.Repeat("x", 10<<10), "b", strings.Repeat("x", 10<<10)}, "f", "MaxPostPreDataLengthExceeded"},
		"a large name":           {[]string{strings.Repeat("n", 70<<10), "x"}, "f", "MaxPostPreDataLengthExceeded"},
		"fields almost too many": {[]string{"key", strings.Repeat("x", 20<<10-3)}, "f", ""},
	} {
		kind, body := form(t, test.file, "x", test.fields...)
		_, err := postform.Read(kind, bytes.NewReader(body))
		e, ok := errors.AsType[*postform.Error](err)
		if test.code == "" && err != nil || test.code != "" && (!ok || e.Code != test.code) {
			t.Errorf("%s: %v, want %q", name, err, test.code)
		}
	}
}

// A connection that breaks is not the form's fault.
func TestAnErrorOfTheBodyIsItsOwn(t *testing.T) {
	broken := errors.New("broken")
	kind, body := form(t, "f", "content", "key", "a")
	for _, cut := range []int{0, 10, len(cutAt(body, "a\r\n"))} {
		if _, err := postform.Read(kind, io.MultiReader(bytes.NewReader(body[:cut]), fails{broken})); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", cut, err)
		}
	}
}

type fails struct{ err error }

func (f fails) Read([]byte) (int, error) { return 0, f.err }
