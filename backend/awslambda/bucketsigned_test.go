package awslambda_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// checkSignatures does of S3's checks what the suite needs: a link, or a form, that is not
// signed for this, or whose time is over or has not come, is refused. now is the server's
// clock. internal/s3test has a server that checks requests with a header as well.
func checkSignatures(now func() time.Time) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
			if r.Header.Get("Authorization") == "" && !signed(r, now()) {
				http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

const (
	testKeyID  = "AKIATEST"
	testSecret = "planted-secret"
	testToken  = "planted-token"
)

var testCredentials = aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret, SessionToken: testToken}

// early is how far a signature may be of the future. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html, 2026-11.
const early = 15 * time.Minute

// signed signs a link again.
func signed(r *http.Request, now time.Time) bool {
	if r.Method == http.MethodPost {
		return signedForm(r, now)
	}
	query := r.URL.Query()
	at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	life, lifeErr := time.ParseDuration(query.Get("X-Amz-Expires") + "s")
	if err != nil || lifeErr != nil || now.After(at.Add(life)) || now.Before(at.Add(-early)) {
		return false
	}
	again := &http.Request{Method: r.Method, URL: &url.URL{}, Host: r.Host, Header: http.Header{}}
	*again.URL = *r.URL
	again.URL.Host = r.Host
	again.URL.RawPath = httpbinding.EscapePath(r.URL.Path, false)
	for name := range strings.SplitSeq(query.Get("X-Amz-SignedHeaders"), ";") {
		if value := r.Header.Get(name); value != "" {
			again.Header.Set(name, value)
		}
	}
	want := query.Get("X-Amz-Signature")
	for _, name := range []string{"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Credential", "X-Amz-Algorithm", "X-Amz-SignedHeaders"} {
		query.Del(name)
	}
	again.URL.RawQuery = query.Encode()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	uri, _, err := signer.PresignHTTP(r.Context(), testCredentials, again, "UNSIGNED-PAYLOAD", "s3", "us-east-1", at)
	return err == nil && want != "" && strings.Contains(uri+"&", "X-Amz-Signature="+want+"&")
}

// signedForm checks a form's policy.
func signedForm(r *http.Request, now time.Time) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return false
	}
	form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 30)
	if err != nil {
		return false
	}
	defer func() { _ = form.RemoveAll() }() // it is in memory
	field := func(name string) string {
		for other, values := range form.Value {
			if strings.EqualFold(name, other) {
				return values[0]
			}
		}
		return ""
	}
	key := []byte("AWS4" + testSecret)
	for _, part := range append(strings.Split(field("X-Amz-Credential"), "/")[1:], field("policy")) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	document, err := base64.StdEncoding.DecodeString(field("policy"))
	if err != nil || hex.EncodeToString(key) != field("X-Amz-Signature") {
		return false
	}
	var policy struct {
		Expiration time.Time
		Conditions []any
	}
	if json.Unmarshal(document, &policy) != nil || now.After(policy.Expiration) {
		return false
	}
	covered := map[string]bool{"policy": true, "x-amz-signature": true, "file": true}
	for _, c := range policy.Conditions {
		switch c := c.(type) {
		case map[string]any: // equal
			for name, want := range c {
				covered[strings.ToLower(name)] = true
				if name != "bucket" && field(name) != want || name == "bucket" && want != "payloads" {
					return false
				}
			}
		case []any:
			switch c[0] {
			case "starts-with":
				name := strings.TrimPrefix(c[1].(string), "$")
				covered[name] = true
				if !strings.HasPrefix(field(name), c[2].(string)) {
					return false
				}
			case "content-length-range":
				if size := float64(form.File["file"][0].Size); size < c[1].(float64) || size > c[2].(float64) {
					return false
				}
			}
		}
	}
	for name := range form.Value {
		if !covered[strings.ToLower(name)] {
			return false // S3 takes no field that the policy does not know
		}
	}
	return true
}
