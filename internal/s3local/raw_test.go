package s3local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A call is a request as it is sent, which no SDK makes.
type call struct {
	method, path string // the path with its query, below the bucket
	header       map[string]string
	body         string
	hash         string // what stands for that of the body; empty: it
	unsigned     map[string]string
}

// An answered call.
type answered struct {
	status int
	header http.Header
	body   string
}

// code is what S3 calls a failure.
func (a answered) code() string {
	_, code, _ := strings.Cut(a.body, "<Code>")
	code, _, _ = strings.Cut(code, "</Code>")
	return code
}

// signedAt signs a request.
func (s store) signed(t *testing.T, c call) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, s.endpoint+"/"+bucket+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	hash := c.hash
	if hash == "" {
		sum := sha256.Sum256([]byte(c.body))
		hash = hex.EncodeToString(sum[:])
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	creds := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(t.Context(), creds, r, hash, "s3", "us-east-1", s.now()); err != nil {
		t.Fatal(err)
	}
	for name, value := range c.unsigned {
		r.Header.Set(name, value)
	}
	return r
}

// now is the store's clock.
func (s store) now() time.Time {
	if s.clock != nil {
		return *s.clock
	}
	return time.Now()
}

// do sends a request that is signed.
func (s store) do(t *testing.T, c call) answered {
	t.Helper()
	return send(t, s.signed(t, c))
}

func send(t *testing.T, r *http.Request) answered {
	t.Helper()
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return answered{resp.StatusCode, resp.Header, string(data)}
}

// all is everything that is in the bucket: keys, contents, tags.
func (s store) all(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	out, err := s.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		key := aws.ToString(o.Key)
		tags := s.do(t, call{method: http.MethodGet, path: "/" + key + "?tagging"})
		b.WriteString(key + " " + s.get(t, key) + " " + aws.ToString(o.ETag) + " " + tags.body + "\n")
	}
	buckets, err := s.ListBuckets(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range buckets.Buckets {
		b.WriteString(aws.ToString(one.Name) + "\n")
	}
	return b.String()
}

// What the bucket does not serve is 501, and changes nothing.
func TestWhatIsNotServed(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, key := range []string{"a", "b"} {
		if err := s.put(t.Context(), key, "content of "+key); err != nil {
			t.Fatal(err)
		}
	}
	before := s.all(t)
	var calls []call
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch, http.MethodOptions}
	for _, method := range methods {
		for _, sub := range []string{
			"retention", "legal-hold", "torrent", "restore", "select&select-type=2", "attributes", "versionId=1", "versions", "policy", "policyStatus",
			"cors", "encryption", "logging", "notification", "replication", "website", "requestPayment", "accelerate", "inventory&id=x",
			"analytics&id=x", "metrics&id=x", "intelligent-tiering&id=x", "object-lock", "ownershipControls", "publicAccessBlock",
			"tagging&versionId=1", "uploadId=x&new", "new-thing", "append", "renameObject", "session", "metadataTable",
		} {
			calls = append(calls, call{method: method, path: "/a?" + sub, body: "<X/>"}, call{method: method, path: "?" + sub, body: "<X/>"})
		}
	}
	for _, method := range methods {
		for _, sub := range []string{"tagging", "cors", "lifecycle&x", "location"} {
			if sub != "location" || method != http.MethodGet {
				calls = append(calls, call{method: method, path: "?" + sub, body: "<X/>"})
			}
		}
	}
	for _, header := range []string{
		"x-amz-acl: public-read", "x-amz-grant-read: id=x", "x-amz-object-lock-mode: GOVERNANCE", "x-amz-storage-class: GLACIER",
		"x-amz-server-side-encryption-customer-key: x", "x-amz-website-redirect-location: /", "x-amz-write-offset-bytes: 3",
		"x-amz-new-thing: 1", "if-range: x", "if-modified-since: Mon, 02 Jan 2006 15:04:05 GMT", "range: bytes=0-1", "x-amz-expected-bucket-owner: 1",
		"x-amz-checksum-sha512: AA==", "x-amz-server-side-encryption: aws:fsx", "content-range: bytes 0-1/2", "x-amz-bypass-governance-retention: true",
	} {
		name, value, _ := strings.Cut(header, ": ")
		calls = append(calls, call{method: http.MethodPut, path: "/a", body: "new", header: map[string]string{name: value}})
	}
	calls = append(calls,
		call{method: http.MethodPut, path: "/a", body: "new", header: map[string]string{"if-none-match": `"etag"`}},
		call{method: http.MethodDelete, path: "/a", header: map[string]string{"if-none-match": "*"}},
		call{method: http.MethodPost, path: "/a", body: "x"}, call{method: http.MethodPost, path: "/", body: "x"},
		call{method: http.MethodPut, path: "/a?acl", header: map[string]string{"x-amz-acl": "public-read"}},
		call{method: http.MethodPut, path: "/a?acl", body: `<AccessControlPolicy><AccessControlList><Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`},
		call{method: http.MethodPut, path: "/a?tagging", body: "<Tagging/>", header: map[string]string{"x-amz-acl": "private"}},
		call{method: http.MethodGet, path: "?list-type=3"},
	)
	for _, c := range calls {
		if got := s.do(t, c); got.status != http.StatusNotImplemented || c.method != http.MethodHead && got.code() != "NotImplemented" {
			t.Errorf("%s %s %v: %d %s", c.method, c.path, c.header, got.status, got.body)
		}
	}
	if after := s.all(t); after != before {
		t.Errorf("before:\n%safter:\n%s", before, after)
	}
}

// Nobody who does not sign hears what is served.
func TestUnsignedRequests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, path := range []string{"", "/a", "/a?tagging", "?policy", "?lifecycle"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
			r, err := http.NewRequestWithContext(t.Context(), method, s.endpoint+"/"+bucket+path, strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			if got := send(t, r); got.status != http.StatusForbidden {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files", n)
	}
}

// What was verified is what is executed: what could be read in two ways is refused.
func TestTwoReadings(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.put(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		call

		want string
	}{
		{call{method: http.MethodGet, path: "/a?response-content-type=a&response-content-type=b"}, "InvalidArgument"},
		{call{method: http.MethodGet, path: "/a", unsigned: map[string]string{"X-Amz-Checksum-Mode": "ENABLED"}}, "AccessDenied"},
		{call{method: http.MethodPut, path: "/a", body: "2", unsigned: map[string]string{"X-Amz-Meta-A": "b"}}, "AccessDenied"},
		{call{method: http.MethodPut, path: "/a", body: "2", unsigned: map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}}, "SignatureDoesNotMatch"},
		{call{method: http.MethodGet, path: "/a", unsigned: map[string]string{"X-Amz-Date": time.Now().Add(-time.Minute).UTC().Format("20060102T150405Z")}}, "SignatureDoesNotMatch"},
		{call{method: http.MethodGet, path: "/a", header: map[string]string{"X-Amz-Security-Token": "x"}}, "InvalidToken"},
		{call{method: http.MethodPut, path: "/a", body: "2", hash: "nonsense"}, "InvalidArgument"},
		{call{method: http.MethodPut, path: "/a", body: "2", hash: strings.Repeat("0", 64)}, "XAmzContentSHA256Mismatch"},
		{call{method: http.MethodPut, path: "/a", body: "2", hash: "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", header: map[string]string{"X-Amz-Decoded-Content-Length": "1"}}, "NotImplemented"},
		{call{method: http.MethodPut, path: "/a", body: "2", hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, "MissingContentLength"},
	} {
		if got := s.do(t, c.call); got.code() != c.want {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, got.status, got.body, c.want)
		}
	}
	r := s.signed(t, call{method: http.MethodPut, path: "/a", body: "2", header: map[string]string{"If-Match": "*"}})
	r.Header["If-Match"] = []string{"*", "x"}
	if got := send(t, r); got.code() != "InvalidArgument" {
		t.Errorf("a header twice: %d %s", got.status, got.body)
	}
	r = s.signed(t, call{method: http.MethodGet, path: ""})
	r.URL.RawQuery = "prefix=%zz"
	if got := send(t, r); got.code() != "InvalidURI" {
		t.Errorf("a query that is none: %d %s", got.status, got.body)
	}
	if got := s.get(t, "a"); got != "1" {
		t.Errorf("it is %q now", got)
	}
}

// The query is signed in the order of its names, some of which have characters that come
// before the equals sign.
func TestQueryIsSortedByName(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, query := range []string{"?a-b=1&a=2", "?a=2&a-b=1", "?a%20=1&a=3", "?a!=1&a=&A=2"} {
		if got := s.do(t, call{method: http.MethodGet, path: query}); got.code() != "NotImplemented" {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

// Links stay within what S3 allows of them, and are not to be stretched.
func TestLinksAreExact(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.put(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	link := func(method, query string, header map[string]string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, s.endpoint+"/"+bucket+"/a?"+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range header {
			r.Header.Set(name, value)
		}
		uri, signed, err := signer.PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		out, err := http.NewRequestWithContext(t.Context(), method, uri, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for name := range signed {
			if !slices.Contains([]string{"Host", "Content-Length"}, name) {
				out.Header.Set(name, signed.Get(name))
			}
		}
		return out
	}
	with := func(r *http.Request, name, value string) *http.Request {
		r.Header.Set(name, value)
		return r
	}
	for name, tt := range map[string]struct {
		r    *http.Request
		want string
	}{
		"as it is":                  {link(http.MethodGet, "X-Amz-Expires=60", nil), "200 1"},
		"other type":                {link(http.MethodGet, "X-Amz-Expires=60&response-content-type=text/x", nil), "200 1"},
		"a checksum of nothing":     {link(http.MethodGet, "X-Amz-Expires=60&x-amz-checksum-crc32=AAAAAA==", nil), "200 1"},
		"for longer than a week":    {link(http.MethodGet, "X-Amz-Expires=604801", nil), "400 AuthorizationQueryParametersError"},
		"for no time":               {link(http.MethodGet, "X-Amz-Expires=0", nil), "400 AuthorizationQueryParametersError"},
		"for what is not served":    {link(http.MethodGet, "X-Amz-Expires=60&retention", nil), "501 NotImplemented"},
		"an ACL in the query":       {link(http.MethodPut, "X-Amz-Expires=60&x-amz-acl=public-read", nil), "501 NotImplemented"},
		"with Authorization":        {with(link(http.MethodGet, "X-Amz-Expires=60", nil), "Authorization", "x"), "400 InvalidArgument"},
		"more headers":              {with(link(http.MethodGet, "X-Amz-Expires=60", nil), "X-Amz-Checksum-Mode", "ENABLED"), "403 not signed"},
		"a condition":               {link(http.MethodPut, "X-Amz-Expires=60", map[string]string{"If-None-Match": "*"}), "412 PreconditionFailed"},
		"in the query and a header": {link(http.MethodPut, "X-Amz-Expires=60&x-amz-tagging=a%3Db", map[string]string{"x-amz-tagging": "c=d"}), "400 InvalidArgument"},
	} {
		if got := answer(t, tt.r); !has(got, tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	broken := link(http.MethodPut, "X-Amz-Expires=60", map[string]string{"If-None-Match": "*"})
	broken.Header.Del("If-None-Match")
	if got := answer(t, broken); !has(got, "403 SignatureDoesNotMatch") {
		t.Errorf("without the condition: %s", got)
	}
}
