package s3local_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// minPart is the least that S3 takes of a part that is not the last.
const minPart = 5 << 20

// upload uploads an object in parts, and returns what completes it.
func (s store) upload(t *testing.T, key string, algorithm types.ChecksumAlgorithm, kind types.ChecksumType, bodies ...[]byte) *s3.CompleteMultipartUploadInput {
	t.Helper()
	created, err := s.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &key, ChecksumAlgorithm: algorithm, ChecksumType: kind, Metadata: map[string]string{"a": "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: &key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{}}
	for i, body := range bodies {
		part, err := s.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: aws.String(bucket), Key: &key, UploadId: created.UploadId, PartNumber: aws.Int32(int32(2*i + 1)), Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm,
		})
		if err != nil {
			t.Fatal(err)
		}
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{
			PartNumber: aws.Int32(int32(2*i + 1)), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32, ChecksumCRC32C: part.ChecksumCRC32C,
			ChecksumCRC64NVME: part.ChecksumCRC64NVME, ChecksumSHA1: part.ChecksumSHA1, ChecksumSHA256: part.ChecksumSHA256,
		})
	}
	return in
}

func TestUploadsInParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	first, last := make([]byte, minPart), make([]byte, 100)
	_, _ = rand.Read(first) // never fails
	whole := append(append([]byte{}, first...), last...)
	for _, tt := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
		says      types.ChecksumType
	}{
		{types.ChecksumAlgorithmCrc32, "", types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmCrc32c, types.ChecksumTypeComposite, types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc64nvme, "", types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmSha1, "", types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite, types.ChecksumTypeComposite},
	} {
		in := s.upload(t, "u", tt.algorithm, tt.kind, first, last)
		out, err := s.CompleteMultipartUpload(t.Context(), in)
		if err != nil {
			t.Fatal(tt, err)
		}
		got, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("u"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err != nil || !bytes.Equal(data, whole) || aws.ToString(out.ETag) != aws.ToString(got.ETag) || !strings.HasSuffix(aws.ToString(got.ETag), `-2"`) {
			t.Errorf("%v: %d bytes, %v, ETag %s", tt, len(data), err, aws.ToString(got.ETag))
		}
		if got.ChecksumType != tt.says || got.Metadata["a"] != "b" {
			t.Errorf("%v: type %s, %v", tt, got.ChecksumType, got.Metadata)
		}
		header := "x-amz-checksum-" + strings.ToLower(string(tt.algorithm))
		head := s.do(t, call{method: http.MethodHead, path: "/u", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
		if said := head.header.Get(header); (said == sums(string(whole))[header]) != (tt.says == types.ChecksumTypeFullObject) || said == "" {
			t.Errorf("%v: %s", tt, said)
		}
		for number, want := range map[string]string{"1": "206 bytes 0-5242879/5242980", "2": "206 bytes 5242880-5242979/5242980", "3": "416 ", "0": "400 "} {
			part := s.do(t, call{method: http.MethodGet, path: "/u?partNumber=" + number})
			if said := fmt.Sprint(part.status, " ", part.header.Get("Content-Range")); said != want {
				t.Errorf("part %s: %s, want %s", number, said, want)
			}
		}
	}
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files of one object", n)
	}
}

func TestUploadsThatAreNotAsTheyShouldBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.put(t.Context(), "u", "old"); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, minPart)
	fresh := func() *s3.CompleteMultipartUploadInput {
		return s.upload(t, "u", types.ChecksumAlgorithmSha256, "", first, []byte("last"))
	}
	parts := func(in *s3.CompleteMultipartUploadInput) []types.CompletedPart { return in.MultipartUpload.Parts }
	for name, tt := range map[string]struct {
		change func(in *s3.CompleteMultipartUploadInput)
		want   string
	}{
		"another key":    {func(in *s3.CompleteMultipartUploadInput) { in.Key = aws.String("v") }, "NoSuchUpload"},
		"another id":     {func(in *s3.CompleteMultipartUploadInput) { in.UploadId = aws.String("x") }, "NoSuchUpload"},
		"wrong order":    {func(in *s3.CompleteMultipartUploadInput) { p := parts(in); p[0], p[1] = p[1], p[0] }, "InvalidPartOrder"},
		"twice":          {func(in *s3.CompleteMultipartUploadInput) { p := parts(in); p[1] = p[0] }, "InvalidPartOrder"},
		"wrong ETag":     {func(in *s3.CompleteMultipartUploadInput) { parts(in)[0].ETag = aws.String("x") }, "InvalidPart"},
		"missing part":   {func(in *s3.CompleteMultipartUploadInput) { parts(in)[1].PartNumber = aws.Int32(4) }, "InvalidPart"},
		"huge number":    {func(in *s3.CompleteMultipartUploadInput) { parts(in)[1].PartNumber = aws.Int32(65536 + 3) }, "InvalidPart"},
		"no parts":       {func(in *s3.CompleteMultipartUploadInput) { in.MultipartUpload.Parts = nil }, "MalformedXML"},
		"wrong checksum": {func(in *s3.CompleteMultipartUploadInput) { parts(in)[0].ChecksumSHA256 = parts(in)[1].ChecksumSHA256 }, "InvalidPart"},
		"no checksum":    {func(in *s3.CompleteMultipartUploadInput) { parts(in)[0].ChecksumSHA256 = nil }, "InvalidRequest"},
		"wrong size":     {func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(1) }, "InvalidRequest"},
		"wrong type":     {func(in *s3.CompleteMultipartUploadInput) { in.ChecksumType = types.ChecksumTypeFullObject }, "InvalidRequest"},
		"wrong sum": {func(in *s3.CompleteMultipartUploadInput) {
			in.ChecksumSHA256 = aws.String(sums("x")["x-amz-checksum-sha256"])
		}, "BadDigest"},
		"not there yet":     {func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }, "PreconditionFailed"},
		"the last one only": {func(in *s3.CompleteMultipartUploadInput) { in.MultipartUpload.Parts = parts(in)[1:] }, ""},
	} {
		in := fresh()
		id := in.UploadId
		tt.change(in)
		_, err := s.CompleteMultipartUpload(t.Context(), in)
		if tt.want == "" && err != nil || tt.want != "" && code(err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		want := "old"
		if tt.want == "" {
			want = "last"
		}
		if got := s.get(t, "u"); got != want {
			t.Errorf("%s leaves %.100q", name, got)
		}
		if _, err := s.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("u"), UploadId: id}); (err == nil) != (tt.want != "") {
			t.Errorf("%s: abort: %v", name, err)
		}
		if err := s.put(t.Context(), "u", "old"); err != nil {
			t.Fatal(err)
		}
	}
	small := s.upload(t, "u", types.ChecksumAlgorithmCrc32, "", []byte("small"), []byte("last"))
	if _, err := s.CompleteMultipartUpload(t.Context(), small); code(err) != "EntityTooSmall" {
		t.Error(err)
	}
	_, err := s.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: aws.String(bucket), Key: aws.String("u"), UploadId: small.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x"), ChecksumAlgorithm: types.ChecksumAlgorithmSha1,
	})
	if code(err) != "InvalidRequest" {
		t.Errorf("another algorithm: %v", err)
	}
	for _, c := range []types.ChecksumType{types.ChecksumTypeComposite, types.ChecksumTypeFullObject} {
		algorithm := types.ChecksumAlgorithmCrc64nvme
		if c == types.ChecksumTypeFullObject {
			algorithm = types.ChecksumAlgorithmSha1
		}
		if _, err := s.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("u"), ChecksumAlgorithm: algorithm, ChecksumType: c}); code(err) != "InvalidRequest" {
			t.Errorf("%s of %s: %v", c, algorithm, err)
		}
	}
	if n := files(t, dir); n != 2 {
		t.Errorf("%d files of two parts", n)
	}
	s.close()
	s = open(t, dir) // they are still there
	list, err := s.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil || len(list.Uploads) != 1 || aws.ToString(list.Uploads[0].UploadId) != aws.ToString(small.UploadId) {
		t.Errorf("%+v, %v", list, err)
	}
	var numbers []int32
	pages := s3.NewListPartsPaginator(s, &s3.ListPartsInput{Bucket: aws.String(bucket), Key: aws.String("u"), UploadId: small.UploadId, MaxParts: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Parts {
			numbers = append(numbers, aws.ToInt32(p.PartNumber))
		}
	}
	if fmt.Sprint(numbers) != "[1 3]" {
		t.Errorf("%v", numbers)
	}
	if _, err := s.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucket)}); code(err) != "BucketNotEmpty" {
		t.Error(err)
	}
	if _, err := s.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("u"), UploadId: small.UploadId}); err != nil {
		t.Error(err)
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files", n)
	}
}

func TestCopies(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if _, err := s.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a b+ü"), Body: strings.NewReader("content"), Metadata: map[string]string{"k": "v"}, Tagging: aws.String("t=1"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	}); err != nil {
		t.Fatal(err)
	}
	source := map[string]string{"x-amz-copy-source": bucket + "/a%20b%2B%C3%BC"}
	with := func(more ...string) map[string]string {
		header := map[string]string{}
		maps.Copy(header, source)
		for i := 0; i < len(more); i += 2 {
			header[more[i]] = more[i+1]
		}
		return header
	}
	for key, tt := range map[string]struct {
		header map[string]string
		want   string // metadata, how many tags, which checksum
	}{
		"plain":    {with(), "v 1 sha256"},
		"copied":   {with("x-amz-metadata-directive", "COPY", "x-amz-meta-k", "w"), "v 1 sha256"},
		"replaced": {with("x-amz-metadata-directive", "REPLACE", "x-amz-meta-k", "w"), "w 1 sha256"},
		"tagged":   {with("x-amz-tagging-directive", "REPLACE", "x-amz-tagging", "a=1&b=2"), "v 2 sha256"},
		"summed":   {with("x-amz-checksum-algorithm", "CRC32C"), "v 1 crc32c"},
	} {
		if got := s.do(t, call{method: http.MethodPut, path: "/" + key, header: tt.header}); got.status != http.StatusOK || !strings.Contains(got.body, "<CopyObjectResult") {
			t.Errorf("%s: %d %s", key, got.status, got.body)
		}
		got := s.do(t, call{method: http.MethodGet, path: "/" + key, header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
		algorithm := ""
		for name := range sums("") {
			if got.header.Get(name) == sums("content")[name] {
				algorithm = strings.TrimPrefix(name, "x-amz-checksum-")
			}
		}
		if said := got.header.Get("x-amz-meta-k") + " " + got.header.Get("x-amz-tagging-count") + " " + algorithm; got.body != "content" || said != tt.want {
			t.Errorf("%s: %s, %s, want %s", key, got.body, said, tt.want)
		}
	}
	for source, want := range map[string]string{
		bucket + "/none": "NoSuchKey", "none/a": "NoSuchBucket", bucket: "InvalidArgument", "%zz": "InvalidArgument", bucket + "/plain?versionId=1": "NotImplemented",
	} {
		if got := s.do(t, call{method: http.MethodPut, path: "/x", header: map[string]string{"x-amz-copy-source": source}}); got.code() != want {
			t.Errorf("%s: %d %s, want %s", source, got.status, got.body, want)
		}
	}
	created, err := s.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("p")})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
		Bucket: aws.String(bucket), Key: aws.String("p"), UploadId: created.UploadId, PartNumber: aws.Int32(1),
		CopySource: aws.String(bucket + "/plain"), CopySourceRange: aws.String("bytes=1-3"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String("p"), UploadId: created.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.CopyPartResult.ETag}}},
	}); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t, "p"); got != "ont" {
		t.Errorf("%q", got)
	}
}
