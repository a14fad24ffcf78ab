package s3local_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	s := openAt(t, t.TempDir(), &now)
	const etag, other = `"c4ca4238a0b923820dcc509a6f75849b"`, `"00000000000000000000000000000000"`
	before, at, after := now.Add(-time.Hour).Format(http.TimeFormat), now.Format(http.TimeFormat), now.Add(time.Hour).Format(http.TimeFormat)
	upload := func(key string) call {
		created := s.do(t, call{method: http.MethodPost, path: "/" + key + "?uploads"})
		_, id, _ := strings.Cut(created.body, "<UploadId>")
		id, _, _ = strings.Cut(id, "</UploadId>")
		part := s.do(t, call{method: http.MethodPut, path: "/" + key + "?partNumber=1&uploadId=" + id, body: "new"})
		return call{
			method: http.MethodPost, path: "/" + key + "?uploadId=" + id,
			body: "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + part.header.Get("ETag") + "</ETag></Part></CompleteMultipartUpload>",
		}
	}
	for _, tt := range []struct {
		do     string // what is done, with key a, which is there, or none
		header string
		want   string // the status, and the code
	}{
		{"GET a", "if-match: " + etag, "200"},
		{"GET a", "if-match: " + strings.Trim(etag, `"`), "200"},
		{"GET a", "if-match: *", "200"},
		{"GET a", "if-match: " + other + ", " + etag, "200"},
		{"GET a", "if-match: " + other, "412 PreconditionFailed"},
		{"GET a", "if-none-match: " + other, "200"},
		{"GET a", "if-none-match: " + etag, "304"},
		{"GET a", "if-none-match: *", "304"},
		{"GET a", "if-modified-since: " + before, "200"},
		{"GET a", "if-modified-since: " + at, "304"},
		{"GET a", "if-modified-since: " + after, "304"},
		{"GET a", "if-unmodified-since: " + before, "412 PreconditionFailed"},
		{"GET a", "if-unmodified-since: " + at, "200"},
		{"GET a", "if-modified-since: whenever", "200"},
		{"GET a", "if-match: " + etag + "; if-unmodified-since: " + before, "200"},
		{"GET a", "if-none-match: " + other + "; if-modified-since: " + after, "200"},
		{"GET none", "if-match: *", "404 NoSuchKey"},
		{"GET none", "if-none-match: *", "404 NoSuchKey"},
		{"HEAD a", "if-none-match: " + etag, "304"},
		{"HEAD a", "if-match: " + other, "412"},
		{"HEAD none", "if-none-match: *", "404"},
		{"PUT a", "if-none-match: *", "412 PreconditionFailed"},
		{"PUT a", "if-match: " + other, "412 PreconditionFailed"},
		{"PUT none", "if-match: " + etag, "404 NoSuchKey"},
		{"PUT a", "if-match: " + etag, "200"},
		{"PUT none", "if-none-match: *", "200"},
		{"COMPLETE a", "if-none-match: *", "412 PreconditionFailed"},
		{"COMPLETE a", "if-match: " + other, "412 PreconditionFailed"},
		{"COMPLETE none", "if-match: " + etag, "404 NoSuchKey"},
		{"COMPLETE none", "if-none-match: *", "200"},
		{"COMPLETE a", "if-match: " + etag, "200"},
		{"COMPLETE a", "", "200"},
		{"COPY none", "x-amz-copy-source-if-match: " + other, "412 PreconditionFailed"},
		{"COPY none", "x-amz-copy-source-if-none-match: " + etag, "412 PreconditionFailed"},
		{"COPY none", "x-amz-copy-source-if-modified-since: " + after, "412 PreconditionFailed"},
		{"COPY none", "x-amz-copy-source-if-unmodified-since: " + before, "412 PreconditionFailed"},
		{"COPY none", "x-amz-copy-source-if-match: " + etag, "200"},
		{"COPY none", "if-match: " + etag, "404 NoSuchKey"},
		{"COPY a", "", "400 InvalidRequest"},
		{"DELETE a", "if-match: " + other, "412 PreconditionFailed"},
		{"DELETE none", "if-match: *", "404 NoSuchKey"},
		{"DELETE none", "", "204"},
		{"DELETE a", "if-match: *", "204"},
		{"DELETE a", "if-match: " + etag, "204"},
	} {
		if _, err := s.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("none")}); err != nil {
			t.Fatal(err)
		}
		if err := s.put(t.Context(), "a", "1"); err != nil {
			t.Fatal(err)
		}
		what, key, _ := strings.Cut(tt.do, " ")
		c := call{method: what, path: "/" + key}
		switch what {
		case http.MethodPut:
			c.body = "new"
		case "COMPLETE":
			c = upload(key)
		case "COPY":
			c.method, c.header = http.MethodPut, map[string]string{"x-amz-copy-source": "/" + bucket + "/a"}
		}
		if c.header == nil {
			c.header = map[string]string{}
		}
		for one := range strings.SplitSeq(tt.header, "; ") {
			if name, value, ok := strings.Cut(one, ": "); ok {
				c.header[name] = value
			}
		}
		got := s.do(t, c)
		if said := strings.TrimSuffix(strconv.Itoa(got.status)+" "+got.code(), " "); said != tt.want {
			t.Errorf("%s with %s: %s, want %s", tt.do, tt.header, said, tt.want)
		}
		now := map[string]string{"a": s.get(t, "a"), "none": s.get(t, "none")}
		changed := now["a"] != "1" || now["none"] != "NoSuchKey"
		written := what == http.MethodPut || what == "COMPLETE" || what == "COPY" || what == http.MethodDelete && key == "a"
		if may := written && strings.HasPrefix(tt.want, "2"); changed != may {
			t.Errorf("%s with %s leaves %v", tt.do, tt.header, now)
		}
		if got.status == http.StatusNotModified && (got.header.Get("ETag") != etag || got.header.Get("Last-Modified") != at) {
			t.Errorf("%s with %s: %v", tt.do, tt.header, got.header)
		}
	}
}
