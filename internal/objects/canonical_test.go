package objects_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/objects"
)

func request(t *testing.T, method, url string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// Both clouds publish what requests become before they are signed. Sources:
// docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, examples, and
// github.com/googleapis/google-cloud-go, storage/internal/test/conformance/v4_signatures.json.
func TestPublishedCanonicalRequests(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	const google = "http://storage.googleapis.com/test-bucket/test-object?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=test-iam-credentials%40dummy-project-id.iam.gserviceaccount.com%2F20190201%2Fauto%2Fstorage%2Fgoog4_request&X-Goog-Date=20190201T090000Z&X-Goog-Expires=10&X-Goog-SignedHeaders=host&X-Goog-Signature=00"
	for _, test := range []struct {
		why     string
		r       *http.Request
		except  string
		headers []string
		hash    string
		want    string // SHA-256 of the canonical request
	}{
		{
			"S3: GET Object", request(t, "GET", "http://examplebucket.s3.amazonaws.com/test.txt", "Range", "bytes=0-9", "x-amz-content-sha256", empty, "x-amz-date", "20130524T000000Z"), "",
			[]string{"host", "range", "x-amz-content-sha256", "x-amz-date"}, empty, "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
		},
		{
			"S3: GET Bucket Lifecycle", request(t, "GET", "http://examplebucket.s3.amazonaws.com/?lifecycle", "x-amz-content-sha256", empty, "x-amz-date", "20130524T000000Z"), "",
			[]string{"host", "x-amz-content-sha256", "x-amz-date"}, empty, "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
		},
		{
			"S3: GET Bucket", request(t, "GET", "http://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", "x-amz-content-sha256", empty, "x-amz-date", "20130524T000000Z"), "",
			[]string{"host", "x-amz-content-sha256", "x-amz-date"}, empty, "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
		},
		{"Google: Simple GET", request(t, "GET", google), "X-Goog-Signature", []string{"host"}, "UNSIGNED-PAYLOAD", "00e2fb794ea93d7adb703edaebdd509821fcc7d4f1a79ac5c8d2b394df109320"},
		{"Google: Simple PUT", request(t, "PUT", google), "X-Goog-Signature", []string{"host"}, "UNSIGNED-PAYLOAD", "78742860705da91404222d5d66ff89850292471199c3c2808d116ad12e6177b4"},
	} {
		pairs, err := objects.Pairs(test.r.URL.RawQuery)
		if err != nil {
			t.Fatal(err)
		}
		canonical := objects.Canonical(test.r, test.r.URL.Path, pairs, test.except, test.headers, test.hash)
		sum := sha256.Sum256([]byte(canonical))
		if got := hex.EncodeToString(sum[:]); got != test.want {
			t.Errorf("%s: %s\n%s", test.why, got, canonical)
		}
	}
}

func TestWhatIsSignedIsUnambiguous(t *testing.T) {
	r := request(t, "GET", "http://host:80/a", "X-Meta", "  two   words ", "X-Meta", "again")
	r.ContentLength = 7
	got := objects.Canonical(r, "/a b/ü+~", [][2]string{{"b", "1"}, {"a-", ""}, {"a", "=&"}, {"sig", "x"}}, "sig", []string{"content-length", "host", "x-meta"}, "hash")
	want := "GET\n/a%20b/%C3%BC%2B~\na=%3D%26&a-=&b=1\ncontent-length:7\nhost:host:80\nx-meta:two words,again\n\ncontent-length;host;x-meta\nhash"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestQueriesAndHeadersAreReadOnce(t *testing.T) {
	pairs, err := objects.Pairs("b=%20&a=1+2&&c")
	if want := [][2]string{{"b", " "}, {"a", "1 2"}, {"c", ""}}; err != nil || !slices.Equal(pairs, want) {
		t.Errorf("%q, %v", pairs, err)
	}
	for _, query := range []string{"a=1&a=2", "a&%61", "a=%zz", "%"} {
		if _, err := objects.Pairs(query); status(err) != 400 {
			t.Errorf("%q: %v", query, err)
		}
	}
	meaningful := func(name string) bool { return strings.HasPrefix(name, "x-") }
	again := func(name string) bool { return name == "x-list" }
	h := http.Header{"X-One": {" 1 "}, "X-List": {"a", "b"}, "Other": {"1", "2"}}
	got, err := objects.Header(h, meaningful, again)
	if err != nil || len(got) != 2 || got["x-one"] != "1" || got["x-list"] != "a,b" {
		t.Errorf("%q, %v", got, err)
	}
	h["X-One"] = []string{"1", "2"}
	if _, err := objects.Header(h, meaningful, again); status(err) != 400 {
		t.Errorf("twice: %v", err)
	}
}
