package s3local_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A field of a form, in its place.
type field struct{ name, value string }

// form signs one for keys below mine/.
func (s store) form(t *testing.T, conditions ...any) (url string, fields []field) {
	t.Helper()
	conditions = append(conditions, []any{"starts-with", "$key", "mine/"}, []any{"content-length-range", 2, 50_000})
	out, err := s3.NewPresignClient(s.Client).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("mine/")},
		func(o *s3.PresignPostOptions) { o.Conditions = conditions })
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range out.Values {
		if name != "key" {
			fields = append(fields, field{name, value})
		}
	}
	return out.URL, fields
}

// post sends a form.
func post(t *testing.T, url string, fields []field, file string) answered {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range fields {
		if f.name == "file" {
			write(t, w, f.value)
			continue
		}
		if err := w.WriteField(f.name, f.value); err != nil {
			t.Fatal(err)
		}
	}
	if file != "" {
		write(t, w, file)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return send(t, r)
}

func write(t *testing.T, w *multipart.Writer, data string) {
	t.Helper()
	part, err := w.CreateFormFile("file", `C:\folder\na me.txt`)
	if err == nil {
		_, err = io.WriteString(part, data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A form does what its policy says, whatever its fields are.
func TestForms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"theirs/result", "mine/there"} {
		if err := s.put(t.Context(), key, "theirs"); err != nil {
			t.Fatal(err)
		}
	}
	url, plain := s.form(t)
	statusURL, status := s.form(t, []any{"starts-with", "$success_action_status", "20"}, []any{"starts-with", "$x-amz-meta-a", ""}, []any{"starts-with", "$tagging", "<Tagging>"}, map[string]string{"acl": "private"})
	whole, exact := s.form(t, map[string]string{"key": "mine/exact"})
	public, publicly := s.form(t, map[string]string{"acl": "public-read"})
	redirecting, redirect := s.form(t, []any{"starts-with", "$success_action_redirect", ""})
	checking, check := s.form(t, []any{"starts-with", "$x-amz-checksum-crc32", ""})
	large := strings.Repeat("x", 50_001)
	with := func(fields []field, more ...field) []field { return append(append([]field{}, fields...), more...) }
	without := func(fields []field, name string) (left []field) {
		for _, f := range fields {
			if !strings.EqualFold(f.name, name) {
				left = append(left, f)
			}
		}
		return left
	}
	replaced := func(name, value string) []field {
		return with(without(plain, name), field{name, value}, field{"key", "mine/x"})
	}
	statusFields := with(status, field{"x-amz-meta-a", "1"}, field{"tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}, field{"acl", "private"}, field{"key", "mine/s"})
	for name, tt := range map[string]struct {
		url    string
		fields []field
		file   string
		want   string
	}{
		"as it is":                    {url, with(plain, field{"key", "mine/a"}), "file", "204"},
		"name of the file":            {url, with(plain, field{"key", "mine/${filename}"}), "file", "204"},
		"dots are no folders":         {url, with(plain, field{"key", "mine/../theirs/result"}), "file", "204"},
		"ignored":                     {url, with(plain, field{"key", "mine/i"}, field{"x-ignore-me", "x"}), "file", "204"},
		"a slash at the end":          {url + "/", with(plain, field{"key", "mine/slash"}), "file", "204"},
		"large":                       {url, with(plain, field{"key", "mine/l"}), large[1:], "204"},
		"status 201":                  {statusURL, with(statusFields, field{"success_action_status", "201"}), "file", "201 <Key>mine/s</Key>"},
		"status 200":                  {statusURL, with(statusFields, field{"success_action_status", "200"}), "file", "200"},
		"status 207":                  {statusURL, with(statusFields, field{"success_action_status", "207"}), "file", "204"},
		"exact key":                   {whole, with(exact, field{"key", "mine/exact"}), "file", "204"},
		"bucket":                      {url, with(plain, field{"key", "mine/b"}, field{"bucket", bucket}), "file", "204"},
		"a checksum":                  {checking, with(check, field{"key", "mine/c"}, field{"x-amz-checksum-crc32", sums("file")["x-amz-checksum-crc32"]}), "file", "204"},
		"a wrong checksum":            {checking, with(check, field{"key", "mine/w"}, field{"x-amz-checksum-crc32", "AAAAAA=="}), "file", "400 BadDigest"},
		"too large":                   {url, with(plain, field{"key", "mine/w"}), large, "400 EntityTooLarge"},
		"too small":                   {url, with(plain, field{"key", "mine/w"}), "1", "400 EntityTooSmall"},
		"another prefix":              {url, with(plain, field{"key", "theirs/result"}), "file", "403 AccessDenied"},
		"not quite the prefix":        {url, with(plain, field{"key", "min"}), "file", "403 AccessDenied"},
		"no key":                      {url, plain, "file", "403 AccessDenied"},
		"another exact key":           {whole, with(exact, field{"key", "mine/exact2"}), "file", "403 AccessDenied"},
		"key and Key":                 {url, with(plain, field{"key", "theirs/result"}, field{"Key", "mine/x"}), "file", "400 InvalidArgument"},
		"Key and key":                 {url, with(plain, field{"Key", "mine/x"}, field{"key", "theirs/result"}), "file", "400 InvalidArgument"},
		"key twice":                   {url, with(plain, field{"key", "mine/x"}, field{"key", "theirs/result"}), "file", "400 InvalidArgument"},
		"key twice, the other way":    {url, with(plain, field{"key", "theirs/result"}, field{"key", "mine/x"}), "file", "400 InvalidArgument"},
		"policy twice":                {url, with(plain, field{"key", "mine/x"}, field{"Policy", "e30="}), "file", "400 InvalidArgument"},
		"file first":                  {url, with([]field{{"file", "file"}}, with(plain, field{"key", "mine/x"})...), "", "403"},
		"no file":                     {url, with(plain, field{"key", "mine/x"}), "", "400 InvalidArgument"},
		"another bucket":              {strings.Replace(url, bucket, "other", 1), with(plain, field{"key", "mine/x"}), "file", "403 AccessDenied"},
		"another bucket, says bucket": {strings.Replace(url, bucket, "other", 1), with(plain, field{"key", "mine/x"}, field{"bucket", bucket}), "file", "403 AccessDenied"},
		"this bucket, says other":     {url, with(plain, field{"key", "mine/x"}, field{"bucket", "other"}), "file", "403 AccessDenied"},
		"to a key":                    {url + "/theirs/result", with(plain, field{"key", "mine/x"}), "file", "405 MethodNotAllowed"},
		"with a query":                {url + "?uploads", with(plain, field{"key", "mine/x"}), "file", "501 NotImplemented"},
		"a field too many":            {url, with(plain, field{"key", "mine/x"}, field{"x-amz-meta-a", "1"}), "file", "403 Extra input fields"},
		"an ACL":                      {url, with(plain, field{"key", "mine/x"}, field{"acl", "public-read"}), "file", "403 Extra input fields"},
		"an ACL that is allowed":      {public, with(publicly, field{"key", "mine/x"}, field{"acl", "public-read"}), "file", "501 NotImplemented"},
		"redirect":                    {redirecting, with(redirect, field{"key", "mine/x"}, field{"success_action_redirect", "http://x"}), "file", "501 NotImplemented"},
		"no signature":                {url, with(without(plain, "x-amz-signature"), field{"key", "mine/x"}), "file", "403"},
		"no policy":                   {url, with(without(plain, "policy"), field{"key", "mine/x"}), "file", "403"},
		"no algorithm":                {url, with(without(plain, "x-amz-algorithm"), field{"key", "mine/x"}), "file", "403"},
		"another signature":           {url, replaced("x-amz-signature", strings.Repeat("0", 64)), "file", "403 SignatureDoesNotMatch"},
		"another policy":              {url, replaced("policy", "e30="), "file", "403 SignatureDoesNotMatch"},
		"another date":                {url, replaced("x-amz-date", "20200101T000000Z"), "file", "403"},
		"another's key":               {url, replaced("x-amz-credential", "AKIASTRANGER0000/20261120/us-east-1/s3/aws4_request"), "file", "403 InvalidAccessKeyId"},
		"another service":             {url, replaced("x-amz-credential", keyID+"/20261120/us-east-1/sqs/aws4_request"), "file", "403 SignatureDoesNotMatch"},
		"a token":                     {url, with(plain, field{"key", "mine/x"}, field{"x-amz-security-token", "x"}), "file", "400 InvalidToken"},
		"fields too large":            {url, with(plain, field{"x-ignore-me", strings.Repeat("x", 21<<10)}, field{"key", "mine/x"}), "file", "400 MaxPostPreDataLengthExceeded"},
		"a file name as a path":       {url, with(plain, field{"key", "${filename}"}), "file", "403 AccessDenied"},
		"too long a key":              {url, with(plain, field{"key", "mine/" + strings.Repeat("x", 1100)}), "file", "400 KeyTooLongError"},
	} {
		got := post(t, tt.url, tt.fields, tt.file)
		if !has(strconv.Itoa(got.status)+" "+got.body, tt.want) {
			t.Errorf("%s: %d %s, want %s", name, got.status, got.body, tt.want)
		}
	}
	for key, want := range map[string]string{
		"mine/a": "file", "mine/na me.txt": "file", "mine/../theirs/result": "file", "mine/s": "file", "theirs/result": "theirs", "mine/there": "theirs",
		"mine/x": "NoSuchKey", "mine/w": "NoSuchKey", "mine/l": large[1:],
	} {
		if got := s.get(t, key); got != want {
			t.Errorf("%s is %.100q", key, got)
		}
	}
	if list, err := s.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("other")}); err != nil || len(list.Contents) > 0 {
		t.Errorf("%+v, %v", list.Contents, err)
	}
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files of one large object", n)
	}
}

// endless is a body that nobody would want to keep. It notes how much was asked for.
type endless struct {
	begin *strings.Reader
	read  int
	most  int
}

func (e *endless) Read(p []byte) (int, error) {
	if n, err := e.begin.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	if e.read >= e.most {
		return 0, io.EOF
	}
	n := min(len(p), e.most-e.read)
	clear(p[:n])
	e.read += n
	return n, nil
}

// Of a form that nobody has signed nothing reaches the disk, wherever it is long.
func TestUnsignedForms(t *testing.T) {
	dir, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s := open(t, dir)
	const head = "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nmine/x\r\n"
	for name, begin := range map[string]string{
		"file":      head + "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
		"field":     head + "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n",
		"preamble":  "",
		"header":    head + "--b\r\nContent-Disposition: form-data; name=\"",
		"a request": "",
	} {
		body := &endless{begin: strings.NewReader(begin), most: 8 << 20}
		method := http.MethodPost
		if name == "a request" {
			method = http.MethodPut
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.endpoint+"/"+bucket, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = int64(len(begin) + body.most)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		if got := send(t, r); got.status != http.StatusForbidden && got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if n := files(t, dir); n != 0 {
			t.Errorf("%s: %d files", name, n)
		}
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("%s: %v, %v", name, left, err)
		}
	}
}
