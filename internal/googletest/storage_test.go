package googletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/lambdapool/lambdapool/internal/googlelocal"
)

// A signer has what a key file says.
func (c *cloud) signer() (email string, private []byte, host string) {
	c.t.Helper()
	var file struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(c.Key(), &file); err != nil {
		c.t.Fatal(err)
	}
	return file.Email, []byte(file.Key), strings.TrimPrefix(c.bucketURL(), "http://")
}

func (c *cloud) bucketURL() string { return c.Environment()["STORAGE_EMULATOR_HOST"] }

// link signs one as Google's client does.
func (c *cloud) link(object string, o storage.SignedURLOptions) string {
	c.t.Helper()
	email, key, host := c.signer()
	o.GoogleAccessID, o.PrivateKey, o.Hostname, o.Scheme, o.Insecure, o.Style = email, key, host, storage.SigningSchemeV4, true, storage.PathStyle()
	if o.Expires.IsZero() {
		o.Expires = time.Now().Add(time.Hour)
	}
	link, err := storage.SignedURL(googlelocal.Bucket, object, &o)
	if err != nil {
		c.t.Fatal(err)
	}
	return link
}

// follow makes a request of a link.
func (c *cloud) follow(method, link, body string, header ...string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(soon(c.t), method, link, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

var lifetime = regexp.MustCompile("X-Goog-Expires=[0-9]+")

func TestLinksThatGooglesClientSigns(t *testing.T) {
	c := start(t)
	const once = "x-goog-if-generation-match:0"
	put := c.link("a/b c+ü.txt", storage.SignedURLOptions{Method: http.MethodPut, ContentType: "text/plain", Headers: []string{once}})
	get := c.link("a/b c+ü.txt", storage.SignedURLOptions{Method: http.MethodGet})
	for _, test := range []struct {
		why, method, link, body string
		header                  []string
		want                    int
		says                    string
	}{
		{"nothing is there", "GET", get, "", nil, 404, "NoSuchKey"},
		{"without the condition that was signed", "PUT", put, "x", []string{"Content-Type:text/plain"}, 400, ""},
		{"another type", "PUT", put, "x", []string{"Content-Type:text/html", once}, 403, "SignatureDoesNotMatch"},
		{"created", "PUT", put, "first", []string{"Content-Type:text/plain", once}, 200, ""},
		{"created again", "PUT", put, "second", []string{"Content-Type:text/plain", once}, 412, "PreconditionFailed"},
		{"read", "GET", get, "", nil, 200, "first"},
		{"another method", "DELETE", get, "", nil, 403, "SignatureDoesNotMatch"},
		{"another object", "GET", strings.Replace(get, "/a/", "/c/", 1), "", nil, 403, "SignatureDoesNotMatch"},
		{"a longer life", "GET", lifetime.ReplaceAllString(get, "X-Goog-Expires=7200"), "", nil, 403, "SignatureDoesNotMatch"},
		{"a part", "GET", get, "", []string{"Range:bytes=1-2"}, 206, "ir"},
		{"deleted", "DELETE", c.link("a/b c+ü.txt", storage.SignedURLOptions{Method: http.MethodDelete}), "", nil, 204, ""},
	} {
		status, body := c.follow(test.method, test.link, test.body, test.header...)
		if status != test.want || !strings.Contains(body, test.says) {
			t.Errorf("%s: HTTP %d %s, want %d %s", test.why, status, body, test.want, test.says)
		}
	}
}

// A form that Google's client makes is taken, and what its policy does not say is refused.
func TestFormsThatGooglesClientSigns(t *testing.T) {
	c := start(t)
	email, key, host := c.signer()
	form, err := storage.GenerateSignedPostPolicyV4(googlelocal.Bucket, "marks/one", &storage.PostPolicyV4Options{
		GoogleAccessID: email, PrivateKey: key, Expires: time.Now().Add(time.Hour), Hostname: host, Insecure: true, Style: storage.PathStyle(),
		Conditions: []storage.PostPolicyV4Condition{storage.ConditionStartsWith("$key", "marks/"), storage.ConditionContentLengthRange(0, 8)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		why, key, body string
		want           int
	}{
		{"taken", "marks/one", "12345678", 204},
		{"too large", "marks/one", "123456789", 400},
		{"another key", "other/one", "1", 403},
	} {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for name, value := range form.Fields {
			if name == "key" {
				value = test.key
			}
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
		part, err := w.CreateFormFile("file", "one")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, test.body)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if status, said := c.follow("POST", form.URL, body.String(), "Content-Type:"+w.FormDataContentType()); status != test.want {
			t.Errorf("%s: HTTP %d %s, want %d", test.why, status, said, test.want)
		}
	}
}

// Google's client reads objects by the XML API, which is what is served. It writes, lists and looks by the JSON API: that
// is refused as a whole, and nothing changes.
func TestGooglesClientReads(t *testing.T) {
	c := start(t, "roles/storage.objectUser")
	if status, body := c.follow("PUT", c.link("object", storage.SignedURLOptions{Method: http.MethodPut}), strings.Repeat("0123456789", 1000)); status != 200 {
		t.Fatalf("HTTP %d %s", status, body)
	}
	ctx := soon(t)
	client, err := storage.NewClient(ctx, append(c.at(c.bucketURL()), storage.WithXMLReads())...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	bucket := client.Bucket(googlelocal.Bucket)
	r, err := bucket.Object("object").NewReader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r) // the client checks the CRC32C
	if err != nil || len(data) != 10_000 || r.Attrs.Size != 10_000 || r.Attrs.Generation == 0 {
		t.Errorf("%d bytes, %+v, %v", len(data), r.Attrs, err)
	}
	_ = r.Close()
	part, err := bucket.Object("object").NewRangeReader(ctx, 9_995, 100)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(part); err != nil || string(data) != "56789" {
		t.Errorf("%q, %v", data, err)
	}
	_ = part.Close()
	if _, err := bucket.Object("missing").NewReader(ctx); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("an object that is not there: %v", err)
	}
	never := bucket.Object("object").Retryer(storage.WithPolicy(storage.RetryNever))
	w := never.NewWriter(ctx)
	_, _ = io.WriteString(w, "x")
	for what, err := range map[string]error{
		"upload": w.Close(), "attributes": second(never.Attrs(ctx)), "deletion": never.Delete(ctx), "listing": second(bucket.Retryer(storage.WithPolicy(storage.RetryNever)).Objects(ctx, nil).Next()),
	} {
		if e, ok := errors.AsType[*googleapi.Error](err); !ok || e.Code != http.StatusNotImplemented {
			t.Errorf("%s by the JSON API: %v", what, err)
		}
	}
	c.Revoke("roles/storage.objectUser", developer, "")
	if _, err := bucket.Object("object").NewReader(ctx); err == nil {
		t.Error("an object was read without the right")
	}
}

func second[T any](_ T, err error) error { return err }

func init() { os.Unsetenv("STORAGE_EMULATOR_HOST") } // it would have the client send no credentials
