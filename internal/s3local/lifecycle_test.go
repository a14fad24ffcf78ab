package s3local_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// keys are those of the bucket, by a request as of the store's clock.
func (s store) keys(t *testing.T) string {
	t.Helper()
	got := s.do(t, call{method: http.MethodGet, path: ""})
	var keys []string
	for part := range strings.SplitSeq(got.body, "<Key>") {
		if key, _, ok := strings.Cut(part, "</Key>"); ok {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, " ")
}

// rules puts a lifecycle configuration.
func (s store) rules(t *testing.T, rules string) answered {
	t.Helper()
	body := "<LifecycleConfiguration>" + rules + "</LifecycleConfiguration>"
	return s.do(t, call{method: http.MethodPut, path: "?lifecycle", body: body, header: map[string]string{"content-md5": sums(body)["content-md5"]}})
}

// What a rule wants removed is gone at the midnight that S3 names, and not before.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s := openAt(t, dir, &now)
	large := strings.Repeat("x", 20_000)
	put := func(key, body, tags string) {
		t.Helper()
		header := map[string]string{}
		if tags != "" {
			header["x-amz-tagging"] = tags
		}
		if got := s.do(t, call{method: http.MethodPut, path: "/" + key, body: body, header: header}); got.status != http.StatusOK {
			t.Fatal(got)
		}
	}
	put("calls/a", large, "")
	put("runs/b", "x", "")
	put("runs/big", large, "")
	put("tagged", "x", "keep=no&a=b")
	put("untagged", "x", "keep=yes")
	put("dated", "x", "")
	put("other", "x", "")
	started := s.do(t, call{method: http.MethodPost, path: "/calls/u?uploads"})
	_, id, _ := strings.Cut(started.body, "<UploadId>")
	id, _, _ = strings.Cut(id, "</UploadId>")
	if got := s.do(t, call{method: http.MethodPut, path: "/calls/u?partNumber=1&uploadId=" + id, body: "x"}); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if got := s.do(t, call{method: http.MethodGet, path: "?lifecycle"}); got.code() != "NoSuchLifecycleConfiguration" {
		t.Error(got)
	}
	if got := s.rules(t, `<Rule><ID>calls</ID><Status>Enabled</Status><Filter><Prefix>calls/</Prefix></Filter><Expiration><Days>1</Days></Expiration>
			<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>
		<Rule><ID>runs</ID><Status>Enabled</Status><Filter><And><Prefix>runs/</Prefix><ObjectSizeLessThan>10</ObjectSizeLessThan></And></Filter><Expiration><Days>2</Days></Expiration></Rule>
		<Rule><Status>Enabled</Status><Filter><Tag><Key>keep</Key><Value>no</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule>
		<Rule><Status>Enabled</Status><Prefix>dated</Prefix><Expiration><Date>2026-11-24T00:00:00Z</Date></Expiration></Rule>
		<Rule><Status>Disabled</Status><Prefix></Prefix><Expiration><Days>1</Days></Expiration></Rule>`); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if got := s.do(t, call{method: http.MethodGet, path: "?lifecycle"}); strings.Count(got.body, "<Rule>") != 5 || !strings.Contains(got.body, "<ID>runs</ID>") {
		t.Error(got)
	}
	uploads := func() int {
		return strings.Count(s.do(t, call{method: http.MethodGet, path: "?uploads"}).body, "<UploadId>")
	}
	for _, tt := range []struct {
		at      string
		keys    string
		uploads int
		files   int
	}{
		{"2026-11-20T12:00:01Z", "calls/a dated other runs/b runs/big tagged untagged", 1, 3},
		{"2026-11-21T23:59:59Z", "calls/a dated other runs/b runs/big tagged untagged", 1, 3},
		{"2026-11-22T00:00:00Z", "dated other runs/b runs/big untagged", 1, 2},
		{"2026-11-22T23:59:59Z", "dated other runs/b runs/big untagged", 1, 2},
		{"2026-11-23T00:00:00Z", "dated other runs/big untagged", 0, 1},
		{"2026-11-24T00:00:00Z", "other runs/big untagged", 0, 1},
		{"2036-11-24T00:00:00Z", "other runs/big untagged", 0, 1},
	} {
		var err error
		if now, err = time.Parse(time.RFC3339, tt.at); err != nil {
			t.Fatal(err)
		}
		if got := s.keys(t); got != tt.keys || uploads() != tt.uploads || files(t, dir) != tt.files {
			t.Errorf("%s: %s, %d uploads, %d files; want %s, %d, %d", tt.at, got, uploads(), files(t, dir), tt.keys, tt.uploads, tt.files)
		}
	}
	s.close()
	s = openAt(t, dir, &now) // rules are kept
	if got := s.do(t, call{method: http.MethodGet, path: "?lifecycle"}); strings.Count(got.body, "<Rule>") != 5 {
		t.Error(got)
	}
	for range 2 {
		if got := s.do(t, call{method: http.MethodDelete, path: "?lifecycle"}); got.status != http.StatusNoContent {
			t.Error(got)
		}
	}
	if got := s.do(t, call{method: http.MethodGet, path: "?lifecycle"}); got.code() != "NoSuchLifecycleConfiguration" {
		t.Error(got)
	}
}

func TestLifecyclesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	const rule = "<Rule><ID>a</ID><Status>Enabled</Status><Prefix></Prefix><Expiration><Days>1</Days></Expiration></Rule>"
	change := func(old, now string) string { return strings.Replace(rule, old, now, 1) }
	for rules, want := range map[string]string{
		"":                              "MalformedXML",
		rule + rule:                     "InvalidArgument",
		change("Enabled", "On"):         "MalformedXML",
		change("<Prefix></Prefix>", ""): "MalformedXML",
		change("<Prefix></Prefix>", "<Prefix></Prefix><Filter></Filter>"):                                                         "MalformedXML",
		change("<Expiration><Days>1</Days></Expiration>", ""):                                                                     "InvalidRequest",
		change("<Days>1</Days>", ""):                                                                                              "MalformedXML",
		change("<Days>1</Days>", "<Days>-1</Days>"):                                                                               "InvalidArgument",
		change("<Days>1</Days>", "<Date>2026-11-24T01:00:00Z</Date>"):                                                             "InvalidArgument",
		change("<Days>1</Days>", "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"):                                   "NotImplemented",
		change("</Rule>", "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>"):                   "NotImplemented",
		change("</Rule>", "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>"): "NotImplemented",
		change("<Prefix></Prefix>", "<Filter><New/></Filter>"):                                                                    "NotImplemented",
	} {
		if got := s.rules(t, rules); got.code() != want {
			t.Errorf("%s: %d %s, want %s", rules, got.status, got.body, want)
		}
	}
	if got := s.do(t, call{method: http.MethodPut, path: "?lifecycle", body: "<LifecycleConfiguration>" + rule + "</LifecycleConfiguration>"}); got.code() != "InvalidRequest" {
		t.Errorf("without a sum: %d %s", got.status, got.body)
	}
	if got := s.do(t, call{method: http.MethodGet, path: "?lifecycle"}); got.code() != "NoSuchLifecycleConfiguration" {
		t.Error(got)
	}
}

func TestTagsAndACLs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.put(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	name, key := aws.String(bucket), aws.String("a")
	if _, err := s.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: name, Key: key, Tagging: &types.Tagging{TagSet: []types.Tag{
		{Key: aws.String("k"), Value: aws.String("v w")}, {Key: aws.String("l"), Value: aws.String("")},
	}}}); err != nil {
		t.Fatal(err)
	}
	tags, err := s.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: name, Key: key})
	if err != nil || len(tags.TagSet) != 2 || aws.ToString(tags.TagSet[0].Value) != "v w" {
		t.Errorf("%+v, %v", tags, err)
	}
	if _, err := s.DeleteObjectTagging(t.Context(), &s3.DeleteObjectTaggingInput{Bucket: name, Key: key}); err != nil {
		t.Error(err)
	}
	if tags, err := s.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: name, Key: key}); err != nil || len(tags.TagSet) > 0 || s.get(t, "a") != "1" {
		t.Errorf("%+v, %v, %s", tags, err, s.get(t, "a"))
	}
	const empty = "<Tagging><TagSet/></Tagging>"
	for body, want := range map[string]string{
		"": "MalformedXML", "<X/>": "MalformedXML", "<Tagging><TagSet><Tag><Key></Key></Tag></TagSet></Tagging>": "InvalidTag",
		empty + empty: "MalformedXML", empty + "x": "MalformedXML", empty + "<": "MalformedXML", empty + "\n<!-- all -->\n": "",
	} {
		if got := s.do(t, call{method: http.MethodPut, path: "/a?tagging", body: body}); got.code() != want {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if got := s.do(t, call{method: http.MethodPut, path: "/none?tagging", body: "<Tagging><TagSet/></Tagging>"}); got.code() != "NoSuchKey" {
		t.Error(got)
	}
	acl, err := s.GetObjectAcl(t.Context(), &s3.GetObjectAclInput{Bucket: name, Key: key})
	if err != nil || len(acl.Grants) != 1 || acl.Grants[0].Permission != types.PermissionFullControl || acl.Grants[0].Grantee.Type != types.TypeCanonicalUser {
		t.Fatalf("%+v, %v", acl, err)
	}
	for what, in := range map[string]*s3.PutObjectAclInput{
		"private": {ACL: types.ObjectCannedACLPrivate}, "as it is": {AccessControlPolicy: &types.AccessControlPolicy{Owner: acl.Owner, Grants: acl.Grants}},
	} {
		in.Bucket, in.Key = name, key
		if _, err := s.PutObjectAcl(t.Context(), in); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		in.Key = aws.String("none")
		if _, err := s.PutObjectAcl(t.Context(), in); code(err) != "NoSuchKey" {
			t.Errorf("%s of nothing: %v", what, err)
		}
	}
	if _, err := s.PutBucketAcl(t.Context(), &s3.PutBucketAclInput{Bucket: name, ACL: types.BucketCannedACLPrivate}); err != nil {
		t.Error(err)
	}
	if got, err := s.GetBucketAcl(t.Context(), &s3.GetBucketAclInput{Bucket: name}); err != nil || len(got.Grants) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if _, err := s.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); code(err) != "BucketAlreadyOwnedByYou" {
		t.Error(err)
	}
	for _, name := range []string{"No_Name", "ab", "a..b", "127.0.0.1"} {
		if _, err := s.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); code(err) != "InvalidBucketName" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("another")}); err != nil {
		t.Fatal(err)
	}
	out, err := s.ListBuckets(t.Context(), nil)
	if err != nil || !slices.ContainsFunc(out.Buckets, func(b types.Bucket) bool { return aws.ToString(b.Name) == "another" }) || len(out.Buckets) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	if got, err := s.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: aws.String("another")}); err != nil || got.LocationConstraint != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("another")}); err != nil || aws.ToString(got.BucketRegion) != "us-east-1" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String("another")}); err != nil || got.Status != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("another")}); err != nil {
		t.Error(err)
	}
	if _, err := s.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("another")}); code(err) != "NoSuchBucket" {
		t.Error(err)
	}
	if err := s.put(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(bucket)}); code(err) != "BucketNotEmpty" {
		t.Error(err)
	}
}
