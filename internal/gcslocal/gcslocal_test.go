package gcslocal_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/internal/gcslocal"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

const (
	bucket  = "payloads"
	account = "signer@project.iam.gserviceaccount.com"
	token   = "token"
)

func TestMain(m *testing.M) { noleak.Main(m) }

// key is made once: that takes a while.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// open serves a directory.
func open(t *testing.T, dir string) (endpoint string) {
	t.Helper()
	s, err := gcslocal.Open(gcslocal.Config{
		Dir: dir, Buckets: []string{bucket}, Account: account, Keys: []*rsa.PublicKey{&key().PublicKey},
		Token: func(got string) bool { return got == token },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Endpoint()
}

// A call is a request as it is sent.
type call struct {
	method, path string // the path with its query, below the bucket
	header       map[string]string
	body         string
}

// An answered call.
type answered struct {
	status int
	header http.Header
	body   string
}

// code is what Google calls a failure.
func (a answered) code() string {
	_, code, _ := strings.Cut(a.body, "<Code>")
	code, _, _ = strings.Cut(code, "</Code>")
	return code
}

// request makes one without a token.
func request(t *testing.T, endpoint string, c call) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, endpoint+"/"+bucket+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	return r
}

// do sends a request with a token.
func do(t *testing.T, endpoint string, c call) answered {
	t.Helper()
	r := request(t, endpoint, c)
	r.Header.Set("Authorization", "Bearer "+token)
	return send(t, r)
}

func send(t *testing.T, r *http.Request) answered {
	t.Helper()
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(r)
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

// files counts the files of objects in a directory.
func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "objects"), func(_ string, f os.DirEntry, err error) error {
		if err == nil && !f.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An object is what was stored, and is described as Google does.
func TestObjects(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put := do(t, s, call{method: http.MethodPut, path: "/a%20b", body: "data", header: map[string]string{"Content-Type": "text/x", "X-Goog-Meta-Some": "v"}})
	if put.status != http.StatusOK || put.header.Get("ETag") != `"8d777f385d3dfec8815d20f7496026dc"` {
		t.Errorf("%+v", put)
	}
	get := do(t, s, call{method: http.MethodGet, path: "/a%20b"})
	for name, want := range map[string]string{
		"Content-Type": "text/x", "X-Goog-Meta-Some": "v", "X-Goog-Stored-Content-Length": "4", "X-Goog-Generation": put.header.Get("X-Goog-Generation"),
		"X-Goog-Hash": "crc32c=rth90Q==", "X-Goog-Stored-Content-Encoding": "identity",
	} {
		if got := get.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if hashes := get.header.Values("X-Goog-Hash"); get.body != "data" || len(hashes) != 2 || hashes[1] != "md5=jXd/OF09/siBXSD3SWAm3A==" {
		t.Errorf("%q, %v", get.body, hashes)
	}
	if part := do(t, s, call{method: http.MethodGet, path: "/a%20b", header: map[string]string{"Range": "bytes=0-0"}}); part.status != http.StatusPartialContent || part.body != "d" {
		t.Errorf("%+v", part)
	}
	if head := do(t, s, call{method: http.MethodHead, path: "/a%20b"}); head.status != http.StatusOK || head.header.Get("Content-Length") != "4" {
		t.Errorf("%+v", head)
	}
}

// A generation is another one for each object that is stored, and conditions are on it.
func TestGenerations(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put := func(generation, body string) answered {
		c := call{method: http.MethodPut, path: "/a", body: body}
		if generation != "" {
			c.header = map[string]string{"x-goog-if-generation-match": generation}
		}
		return do(t, s, c)
	}
	first := put("0", "1")
	if first.status != http.StatusOK {
		t.Fatalf("%+v", first)
	}
	for _, wrong := range []string{"0", "1"} {
		if got := put(wrong, "2"); got.status != http.StatusPreconditionFailed || got.code() != "PreconditionFailed" {
			t.Errorf("generation %s: %+v", wrong, got)
		}
	}
	for _, wrong := range []string{"x", "-1", ""} {
		if got := do(t, s, call{method: http.MethodPut, path: "/a", body: "2", header: map[string]string{"x-goog-if-generation-match": wrong}}); got.status != http.StatusBadRequest {
			t.Errorf("generation %q: %+v", wrong, got)
		}
	}
	generation := first.header.Get("X-Goog-Generation")
	second := put(generation, "3")
	if second.status != http.StatusOK || second.header.Get("X-Goog-Generation") <= generation {
		t.Errorf("%s, then %+v", generation, second)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if got := do(t, s, call{method: method, path: "/a", header: map[string]string{"x-goog-if-generation-match": generation}}); got.status != http.StatusPreconditionFailed {
			t.Errorf("%s by the generation before: %+v", method, got)
		}
	}
	if got := do(t, s, call{method: http.MethodGet, path: "/a"}); got.body != "3" {
		t.Errorf("%+v", got)
	}
	if got := do(t, s, call{method: http.MethodDelete, path: "/a"}); got.status != http.StatusNoContent {
		t.Errorf("%+v", got)
	}
	if got := do(t, s, call{method: http.MethodDelete, path: "/a"}); got.status != http.StatusNotFound || got.code() != "NoSuchKey" {
		t.Errorf("deleted again: %+v", got)
	}
}

// What the bucket does not serve is 501, and changes nothing.
func TestWhatIsNotServed(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if got := do(t, s, call{method: http.MethodPut, path: "/a", body: "content"}); got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	before := do(t, s, call{method: http.MethodGet, path: "?list-type=2"}).body
	var calls []call
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch, http.MethodOptions}
	for _, method := range methods {
		for _, sub := range []string{
			"acl", "cors", "lifecycle", "versioning", "website", "billing", "encryption", "logging", "tagging", "storageClass", "defaultObjectAcl", "compose",
			"uploads", "uploadId=x&partNumber=1", "generation=1", "generation=1&userProject=x", "versions", "upload_id=x", "new-thing", "response-content-type=a",
			"alt=media", "notificationConfigs", "retention", "list-type=3",
		} {
			calls = append(calls, call{method: method, path: "?" + sub, body: "<X/>"})
			if sub != "generation=1" || method != http.MethodGet && method != http.MethodHead { // which is served
				calls = append(calls, call{method: method, path: "/a?" + sub, body: "<X/>"})
			}
		}
	}
	for _, header := range []string{
		"x-goog-acl: public-read", "x-goog-acl: private", "x-goog-copy-source: payloads/a", "x-goog-resumable: start", "x-goog-storage-class: NEARLINE",
		"x-goog-encryption-key: x", "x-goog-encryption-kms-key-name: x", "x-goog-user-project: x", "x-goog-custom-time: x", "x-goog-content-length-range: 0,1",
		"x-goog-if-metageneration-match: 1", "x-goog-new-thing: 1", "x-goog-object-lock-mode: x", "x-amz-acl: private", "x-amz-meta-a: b", "content-encoding: gzip",
		"content-range: bytes 0-1/2", "if-none-match: *", "if-match: *", "if-unmodified-since: Mon, 02 Jan 2006 15:04:05 GMT", "range: bytes=0-1",
		"x-http-method-override: DELETE", "x-goog-date: 20260101T000000Z", "x-goog-content-sha256: 00",
	} {
		name, value, _ := strings.Cut(header, ": ")
		calls = append(calls, call{method: http.MethodPut, path: "/a", body: "new", header: map[string]string{name: value}})
	}
	calls = append(calls,
		call{method: http.MethodDelete, path: "/a", header: map[string]string{"if-match": "*"}},
		call{method: http.MethodPut, path: "", body: "x"}, call{method: http.MethodDelete, path: ""}, call{method: http.MethodPost, path: "/a", body: "x"},
		call{method: http.MethodPost, path: "?delete", body: "<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>"},
		call{method: http.MethodPost, path: "?delete", body: "<Delete><New/><Object><Key>a</Key></Object></Delete>"},
		call{method: http.MethodPost, path: "?delete&versions", body: "<Delete><Object><Key>a</Key></Object></Delete>"},
	)
	for _, c := range calls {
		if got := do(t, s, c); got.status != http.StatusNotImplemented || c.method != http.MethodHead && got.code() != "NotImplemented" {
			t.Errorf("%s %s %v: %d %s", c.method, c.path, c.header, got.status, got.body)
		}
	}
	if after := do(t, s, call{method: http.MethodGet, path: "?list-type=2"}).body; after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got := do(t, s, call{method: http.MethodGet, path: "/a"}); got.body != "content" {
		t.Errorf("%+v", got)
	}
}

// Nobody without a token hears what is served, and nothing of what they send is kept.
func TestWithoutToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, path := range []string{"", "/a", "?acl", "?list-type=2"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
			for authorization, want := range map[string]int{
				"": 403, "Bearer x": 401, "Bearer": 501, "bearer " + token: 501, "Basic x": 501, "AWS4-HMAC-SHA256 Credential=x": 501, "GOOG1 x:y": 501,
			} {
				r := request(t, s, call{method: method, path: path, body: strings.Repeat("x", 100_000)})
				if authorization != "" {
					r.Header.Set("Authorization", authorization)
				}
				if got := send(t, r); got.status != want {
					t.Errorf("%s %s %q: %d %s, want %d", method, path, authorization, got.status, got.body, want)
				}
			}
		}
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files", n)
	}
}

// What was verified is what is executed: what could be read in two ways is refused, and so is what is wrong.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	long := strings.Repeat("x", 100_000)
	for _, c := range []struct {
		call

		want string
	}{
		{call{method: http.MethodGet, path: "?prefix=a&prefix=b"}, "InvalidArgument"},
		{call{method: http.MethodGet, path: "?prefix=%zz"}, "InvalidURI"},
		{call{method: http.MethodGet, path: "?max-keys=x"}, "InvalidArgument"},
		{call{method: http.MethodGet, path: "?list-type=2&continuation-token=!"}, "InvalidArgument"},
		{call{method: http.MethodPut, path: "/a", body: long, header: map[string]string{"x-goog-hash": "crc32c=AAAAAA=="}}, "BadDigest"},
		{call{method: http.MethodPut, path: "/a", body: long, header: map[string]string{"x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA=="}}, "BadDigest"},
		{call{method: http.MethodPut, path: "/a", body: long, header: map[string]string{"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}}, "BadDigest"},
		{call{method: http.MethodPut, path: "/a", body: "x", header: map[string]string{"x-goog-hash": "sha256=AAAA"}}, "InvalidDigest"},
		{call{method: http.MethodPut, path: "/a", body: "x", header: map[string]string{"x-goog-hash": "crc32c=AAAA"}}, "InvalidDigest"},
		{call{method: http.MethodPut, path: "/a", body: "x", header: map[string]string{"x-goog-hash": "crc32c=AAAAAA==,crc32c=AAAAAA=="}}, "InvalidDigest"},
		{call{method: http.MethodPut, path: "/..", body: "x"}, "InvalidObjectName"},
		{call{method: http.MethodPut, path: "/a%0Ab", body: "x"}, "InvalidObjectName"},
		{call{method: http.MethodPut, path: "/" + strings.Repeat("x", 1025), body: "x"}, "KeyTooLong"},
		{call{method: http.MethodPost, path: "?delete", body: "<Delete></Delete>"}, "MalformedXML"},
		{call{method: http.MethodPost, path: "?delete", body: "x"}, "MalformedXML"},
		{call{method: http.MethodPost, path: "?delete"}, "MalformedXML"},
		{call{method: http.MethodGet, path: "/nothing"}, "NoSuchKey"},
		{call{method: http.MethodGet, path: "/../another/a"}, "NoSuchKey"},
		{call{method: http.MethodGet, path: "x/a"}, "NoSuchBucket"},
		{call{method: http.MethodPut, path: "x/a", body: long}, "NoSuchBucket"},
	} {
		if got := do(t, s, c.call); got.code() != c.want {
			t.Errorf("%s %s %v: %d %s, want %s", c.method, c.path, c.header, got.status, got.body, c.want)
		}
	}
	r := request(t, s, call{method: http.MethodPut, path: "/a", body: "2"})
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header["X-Goog-If-Generation-Match"] = []string{"0", "1"}
	if got := send(t, r); got.code() != "InvalidArgument" {
		t.Errorf("a header twice: %d %s", got.status, got.body)
	}
	r = request(t, s, call{method: http.MethodPut, path: "/a", body: "2"})
	r.Header.Set("Authorization", "Bearer "+token)
	r.ContentLength = -1
	if got := send(t, r); got.code() != "MissingContentLength" {
		t.Errorf("without a length: %d %s", got.status, got.body)
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files", n)
	}
}

// A generation is read by its number as long as it is the one that is there.
func TestGenerationsAreRead(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	first := do(t, s, call{method: http.MethodPut, path: "/a", body: "one"}).header.Get("X-Goog-Generation")
	if got := do(t, s, call{method: http.MethodGet, path: "/a?generation=" + first}); got.status != http.StatusOK || got.body != "one" {
		t.Errorf("%+v", got)
	}
	second := do(t, s, call{method: http.MethodPut, path: "/a", body: "two"}).header.Get("X-Goog-Generation")
	if got := do(t, s, call{method: http.MethodGet, path: "/a?generation=" + first}); got.status != http.StatusNotFound {
		t.Errorf("%+v", got)
	}
	if got := do(t, s, call{method: http.MethodGet, path: "/a?generation=" + second}); got.body != "two" {
		t.Errorf("%+v", got)
	}
}

// Who may not do something is told which permission that takes, and what is there stays.
func TestPermissions(t *testing.T) {
	t.Parallel()
	var may []string
	server, err := gcslocal.Open(gcslocal.Config{
		Dir: t.TempDir(), Buckets: []string{bucket}, Account: account, Token: func(got string) bool { return got == token },
		May: func(_, permission string) bool { return slices.Contains(may, permission) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, step := range []struct {
		method, path, permission string
		want                     int
	}{
		{http.MethodPut, "/a", "storage.objects.create", http.StatusOK},
		{http.MethodGet, "/a", "storage.objects.get", http.StatusOK},
		{http.MethodGet, "?list-type=2", "storage.objects.list", http.StatusOK},
		{http.MethodDelete, "/a", "storage.objects.delete", http.StatusNoContent},
	} {
		c := call{method: step.method, path: step.path, body: "content"}
		if got := do(t, server.Endpoint(), c); got.status != http.StatusForbidden || got.code() != "AccessDenied" || !strings.Contains(got.body, step.permission) {
			t.Errorf("%s without rights: %d %s", step.method, got.status, got.body)
		}
		may = append(may, step.permission)
		if got := do(t, server.Endpoint(), c); got.status != step.want {
			t.Errorf("%s: %d %s", step.method, got.status, got.body)
		}
	}
}

// Links cannot be for what is not served, and what they are for is signed, query included.
func TestLinks(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if got := do(t, s, call{method: http.MethodPut, path: "/a", body: "content"}); got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	for _, tt := range []struct {
		method, query string
		want          int
	}{
		{http.MethodGet, "", http.StatusOK},
		{http.MethodHead, "", http.StatusOK},
		{http.MethodGet, "&acl=", http.StatusNotImplemented},
		{http.MethodGet, "&generation=1", http.StatusNotFound},
		{http.MethodDelete, "&generation=1", http.StatusNotImplemented},
		{http.MethodPut, "&x-goog-if-generation-match=0", http.StatusNotImplemented},
		{http.MethodPost, "", http.StatusNotImplemented},
	} {
		at := time.Now().UTC().Format("20060102T150405Z")
		scope := at[:8] + "/auto/storage/goog4_request"
		query := "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=" + url.QueryEscape(account+"/"+scope) +
			"&X-Goog-Date=" + at + "&X-Goog-Expires=60&X-Goog-SignedHeaders=host" + tt.query
		host, _, _ := strings.Cut(strings.TrimPrefix(s, "http://"), ":") // Google signs it without its port
		sum := sha256.Sum256([]byte(tt.method + "\n/" + bucket + "/a\n" + query + "\nhost:" + host + "\n\nhost\nUNSIGNED-PAYLOAD"))
		text := sha256.Sum256([]byte("GOOG4-RSA-SHA256\n" + at + "\n" + scope + "\n" + hex.EncodeToString(sum[:])))
		signature, err := rsa.SignPKCS1v15(nil, key(), crypto.SHA256, text[:])
		if err != nil {
			t.Fatal(err)
		}
		c := call{method: tt.method, path: "/a?" + query + "&X-Goog-Signature=" + hex.EncodeToString(signature)}
		if got := send(t, request(t, s, c)); got.status != tt.want {
			t.Errorf("%s%s: %d %s, want %d", tt.method, tt.query, got.status, got.body, tt.want)
		}
		if got := do(t, s, c); got.code() != "InvalidArgument" && tt.method != http.MethodHead {
			t.Errorf("%s%s with a token besides: %d %s", tt.method, tt.query, got.status, got.body)
		}
	}
}

// What a killed process leaves is there; one directory has one server.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	cfg := gcslocal.Config{Dir: dir, Buckets: []string{bucket}, Token: func(string) bool { return true }}
	s, err := gcslocal.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/small", "/large"} {
		body := strings.Repeat("x", map[string]int{"/small": 1, "/large": 100_000}[path])
		if got := do(t, s.Endpoint(), call{method: http.MethodPut, path: path, body: body}); got.status != http.StatusOK {
			t.Fatalf("%+v", got)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	endpoint := open(t, dir)
	for path, size := range map[string]int{"/small": 1, "/large": 100_000} {
		if got := do(t, endpoint, call{method: http.MethodGet, path: path}); len(got.body) != size {
			t.Errorf("%s: %d %d bytes", path, got.status, len(got.body))
		}
	}
	if _, err := gcslocal.Open(gcslocal.Config{Dir: t.TempDir(), Address: "0.0.0.0:0"}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("beyond this machine: %v", err)
	}
}
