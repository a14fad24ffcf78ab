package s3test_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lambdapool/lambdapool/internal/s3local"
)

// A row is a request that is sent to our bucket and to versitygw. Rows are in order: each finds
// what those before have left. {id} and {etag} stand for the upload and the ETag that the same
// server has answered last.
type row struct {
	name   string
	method string
	path   string // below the bucket, with a query
	header string // "name: value; name: value"
	body   string
	hash   string // what stands for that of the body; empty: it
	why    string // the two may differ, because of this; empty: they may not
}

const (
	hello    = "hello, world"
	onlyOurs = "versitygw answers this otherwise than S3 documents it: "
	notHere  = "our bucket does not serve this, and says so: "
)

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func crcOf(s string) string {
	h := crc32.NewIEEE()
	_, _ = io.WriteString(h, s) // never fails
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

const (
	complete = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
	deletion = "<Delete><Object><Key>d1</Key></Object><Object><Key>none</Key></Object></Delete>"
	oneTag   = "<Tagging><TagSet><Tag><Key>k</Key><Value>v w</Value></Tag></TagSet></Tagging>"
	gone     = "Mon, 02 Jan 2006 15:04:05 GMT"
)

var rows = []row{
	{name: "put", method: "PUT", path: "/a", body: hello, header: "content-type: text/x; x-amz-meta-some-key: v; cache-control: no-store"},
	{name: "get", method: "GET", path: "/a"},
	{name: "head", method: "HEAD", path: "/a"},
	{name: "get nothing", method: "GET", path: "/none"},
	{name: "head nothing", method: "HEAD", path: "/none"},
	{name: "strange key", method: "PUT", path: "/s/%C3%BC%20x", body: "x"},
	{name: "get strange key", method: "GET", path: "/s/%C3%BC%20x"},

	{name: "range", method: "GET", path: "/a", header: "range: bytes=2-4; x-amz-checksum-mode: ENABLED"},
	{name: "suffix", method: "GET", path: "/a", header: "range: bytes=-3"},
	{name: "open range", method: "GET", path: "/a", header: "range: bytes=7-"},
	{name: "range beyond", method: "GET", path: "/a", header: "range: bytes=100-"},
	{name: "range of nonsense", method: "GET", path: "/a", header: "range: lines=1-2"},
	{name: "if-match", method: "GET", path: "/a", header: `if-match: "e4d7f1b4ed2e42d15898f4b27b019da4"`},
	{name: "if-match other", method: "GET", path: "/a", header: `if-match: "00000000000000000000000000000000"`},
	{name: "if-none-match", method: "GET", path: "/a", header: `if-none-match: "e4d7f1b4ed2e42d15898f4b27b019da4"`, why: onlyOurs + "RFC 9110 has a 304 carry the ETag"},
	{name: "if-none-match other", method: "GET", path: "/a", header: `if-none-match: "00000000000000000000000000000000"`},
	{name: "if-modified-since", method: "GET", path: "/a", header: "if-modified-since: " + gone},
	{name: "if-unmodified-since", method: "GET", path: "/a", header: "if-unmodified-since: " + gone},
	{name: "head, if-none-match", method: "HEAD", path: "/a", header: `if-none-match: "e4d7f1b4ed2e42d15898f4b27b019da4"`, why: onlyOurs + "RFC 9110 has a 304 carry the ETag"},
	{name: "override", method: "GET", path: "/a?response-content-type=text%2Fy"},

	{name: "create again", method: "PUT", path: "/a", body: "2", header: "if-none-match: *"},
	{name: "create", method: "PUT", path: "/b", body: "2", header: "if-none-match: *"},
	{name: "replace another", method: "PUT", path: "/a", body: "2", header: `if-match: "00000000000000000000000000000000"`},
	{name: "replace nothing", method: "PUT", path: "/none", body: "2", header: `if-match: "00000000000000000000000000000000"`},
	{name: "replace", method: "PUT", path: "/b", body: "3", header: `if-match: "c81e728d9d4c2f636f067f89cc14862c"`},
	{name: "delete another", method: "DELETE", path: "/b", header: `if-match: "00000000000000000000000000000000"`},
	{name: "delete", method: "DELETE", path: "/b"},
	{name: "delete nothing", method: "DELETE", path: "/none"},
	{name: "get after it all", method: "GET", path: "/a"},

	{name: "MD5", method: "PUT", path: "/m", body: "x", header: "content-md5: " + md5Of("x")},
	{name: "wrong MD5", method: "PUT", path: "/w", body: "x", header: "content-md5: " + md5Of("y")},
	{name: "no MD5", method: "PUT", path: "/w", body: "x", header: "content-md5: x"},
	{name: "CRC32", method: "PUT", path: "/c", body: "x", header: "x-amz-checksum-crc32: " + crcOf("x")},
	{name: "its head", method: "HEAD", path: "/c", header: "x-amz-checksum-mode: ENABLED"},
	{name: "wrong CRC32", method: "PUT", path: "/w", body: "x", header: "x-amz-checksum-crc32: " + crcOf("y")},
	{name: "no CRC32", method: "PUT", path: "/w", body: "x", header: "x-amz-checksum-crc32: x"},
	{name: "another body than was signed", method: "PUT", path: "/w", body: "x", hash: strings.Repeat("0", 64)},
	{name: "trailer", method: "PUT", path: "/t", hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", body: "1\r\nx\r\n0\r\nx-amz-checksum-crc32:" + crcOf("x") + "\r\n\r\n", header: "x-amz-decoded-content-length: 1; x-amz-trailer: x-amz-checksum-crc32; content-encoding: aws-chunked"},
	{name: "wrong trailer", method: "PUT", path: "/w", hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", body: "1\r\nx\r\n0\r\nx-amz-checksum-crc32:" + crcOf("y") + "\r\n\r\n", header: "x-amz-decoded-content-length: 1; x-amz-trailer: x-amz-checksum-crc32; content-encoding: aws-chunked"},
	{name: "nothing wrong is stored", method: "GET", path: "/w"},

	{name: "tag", method: "PUT", path: "/a?tagging", body: oneTag},
	{name: "tags", method: "GET", path: "/a?tagging"},
	{name: "untag", method: "DELETE", path: "/a?tagging"},
	{name: "bad tags", method: "PUT", path: "/a?tagging", body: "<X/>", why: onlyOurs + "it takes any document for tags"},
	{name: "tags of nothing", method: "GET", path: "/none?tagging"},
	{name: "content after tags", method: "GET", path: "/a"},
	{name: "copy", method: "PUT", path: "/copy", header: "x-amz-copy-source: payloads/a"},
	{name: "get the copy", method: "GET", path: "/copy"},
	{name: "copy nothing", method: "PUT", path: "/copy", header: "x-amz-copy-source: payloads/none"},
	{name: "copy onto itself", method: "PUT", path: "/a", header: "x-amz-copy-source: payloads/a"},

	{name: "begin upload", method: "POST", path: "/u?uploads"},
	{name: "part", method: "PUT", path: "/u?partNumber=1&uploadId={id}", body: "part"},
	{name: "part 0", method: "PUT", path: "/u?partNumber=0&uploadId={id}", body: "part"},
	{name: "parts", method: "GET", path: "/u?uploadId={id}"},
	{name: "complete with no parts", method: "POST", path: "/u?uploadId={id}", body: "<CompleteMultipartUpload></CompleteMultipartUpload>"},
	{name: "complete with a wrong ETag", method: "POST", path: "/u?uploadId={id}", body: strings.Replace(complete, "{etag}", "x", 1)},
	{name: "part again", method: "PUT", path: "/u?partNumber=1&uploadId={id}", body: "part"},
	{name: "complete", method: "POST", path: "/u?uploadId={id}", body: complete},
	{name: "get what came in parts", method: "GET", path: "/u"},
	{name: "begin another", method: "POST", path: "/u?uploads"},
	{name: "its part", method: "PUT", path: "/u?partNumber=1&uploadId={id}", body: "other"},
	{name: "complete, if nothing is there", method: "POST", path: "/u?uploadId={id}", body: complete, header: "if-none-match: *"},
	{name: "abort", method: "DELETE", path: "/u?uploadId={id}"},
	{name: "abort again", method: "DELETE", path: "/u?uploadId={id}"},
	{name: "the first is still there", method: "GET", path: "/u"},

	{name: "to delete", method: "PUT", path: "/d1", body: "x"},
	{name: "delete many", method: "POST", path: "?delete", body: deletion, header: "content-md5: " + md5Of(deletion)},
	{name: "it is gone", method: "GET", path: "/d1"},
	{name: "bad deletion", method: "POST", path: "?delete", body: "x", header: "content-md5: " + md5Of("x"), why: onlyOurs + "what is no XML is MalformedXML"},
	{name: "bucket", method: "HEAD", path: ""},
	{name: "location", method: "GET", path: "?location"},
	{name: "no lifecycle", method: "GET", path: "?lifecycle", why: "versitygw has no lifecycle rules"},
	{name: "list", method: "GET", path: "?list-type=2&prefix=s%2F"},
	{name: "list groups", method: "GET", path: "?list-type=2&delimiter=%2F"},
	{name: "list a page", method: "GET", path: "?list-type=2&max-keys=2"},
	{name: "list after", method: "GET", path: "?list-type=2&start-after=c"},
	{name: "first version of the list", method: "GET", path: "?max-keys=2&marker=a"},
	{name: "list nothing", method: "GET", path: "?list-type=2&max-keys=0"},
	{name: "list a negative number", method: "GET", path: "?list-type=2&max-keys=-1"},
	{name: "retention", method: "PUT", path: "/a?retention", body: "<Retention/>", why: notHere + "object lock"},
	{name: "attributes", method: "GET", path: "/a?attributes", header: "x-amz-object-attributes: ETag", why: notHere + "GetObjectAttributes"},
	{name: "policy", method: "GET", path: "?policy", why: notHere + "bucket policies"},
	{name: "website", method: "GET", path: "?website", why: notHere + "websites"},
	{name: "the object is as it was", method: "GET", path: "/a"},
	{name: "bucket that is not empty", method: "DELETE", path: ""},
}

// A server is one of the two.
type server struct {
	endpoint, id, etag string
}

var (
	codeOf   = regexp.MustCompile(`<Code>([^<]*)</Code>`)
	uploadOf = regexp.MustCompile(`<UploadId>([^<]+)</UploadId>`)
	namesOf  = regexp.MustCompile(`<(?:Key|Prefix|PartNumber|Value|IsTruncated|KeyCount|MaxKeys)>[^<]+<`)
)

// answer sends a row, and returns what matters of the answer.
func (s *server) answer(t *testing.T, r *row) string {
	t.Helper()
	fill := strings.NewReplacer("{id}", s.id, "{etag}", strings.ReplaceAll(s.etag, `"`, "&quot;"))
	body := fill.Replace(r.body)
	req, err := http.NewRequestWithContext(t.Context(), r.method, s.endpoint+"/"+bucketName+fill.Replace(r.path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := r.hash
	if hash == "" {
		sum := sha256.Sum256([]byte(body))
		hash = hex.EncodeToString(sum[:])
	}
	req.Header.Set("X-Amz-Content-Sha256", hash)
	for one := range strings.SplitSeq(r.header, "; ") {
		if name, value, ok := strings.Cut(one, ": "); ok {
			req.Header.Set(name, value)
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, req, hash, "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if found := uploadOf.FindSubmatch(data); found != nil {
		s.id = string(found[1])
	}
	if etag := resp.Header.Get("ETag"); etag != "" {
		s.etag = etag
	}
	said := fmt.Sprint(resp.StatusCode)
	switch {
	case resp.StatusCode >= 400:
		if code := codeOf.FindSubmatch(data); code != nil {
			said += " " + string(code[1])
		}
		return said
	case strings.HasPrefix(string(data), "<"):
		return said + " " + strings.Join(namesOf.FindAllString(string(data), -1), " ")
	}
	for _, name := range []string{"ETag", "Content-Range", "Content-Type", "Cache-Control", "X-Amz-Meta-Some-Key", "X-Amz-Checksum-Crc32", "X-Amz-Tagging-Count"} {
		if value := resp.Header.Get(name); value != "" && (resp.StatusCode != http.StatusNoContent) && (r.method == http.MethodGet || r.method == http.MethodHead || name == "ETag") {
			said += " " + name + "=" + value
		}
	}
	return said + " " + string(data)
}

// What programs ask of S3 our bucket and versitygw answer in the same way. Where they do not,
// a row says why; one that no longer differs must not say so.
func TestOurBucketAnswersAsVersitygw(t *testing.T) {
	ours, err := s3local.Open(s3local.Config{Dir: t.TempDir(), Buckets: []string{bucketName}, AccessKeyID: accessKey, SecretAccessKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
	}()
	defer func() {
		for _, key := range keys(t) {
			if _, err := admin.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &key}); err != nil {
				t.Error(err)
			}
		}
	}()
	our, their := &server{endpoint: ours.Endpoint()}, &server{endpoint: s3Endpoint}
	for i := range rows {
		r := &rows[i]
		a, b := our.answer(t, r), their.answer(t, r)
		switch {
		case a != b && r.why == "":
			t.Errorf("%s:\n  ours   %s\n  theirs %s", r.name, a, b)
		case a == b && r.why != "":
			t.Errorf("%s: both answer %s, but it says that they differ: %s", r.name, a, r.why)
		}
	}
}
