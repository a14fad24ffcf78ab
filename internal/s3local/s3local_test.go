package s3local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/s3local"
)

const (
	keyID  = "AKIALOCALTEST000"
	secret = "secret"
	bucket = "payloads"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveDir); dir != "" {
		serveForEver(dir)
	}
	noleak.Main(m)
}

// A store is a server with the SDK's client.
type store struct {
	*s3.Client
	endpoint string
	close    func()
	clock    *time.Time // nil: this machine's
}

func open(t *testing.T, dir string) store { return openAt(t, dir, nil) }

// openAt serves a directory by a clock.
func openAt(t *testing.T, dir string, now *time.Time) store {
	t.Helper()
	cfg := s3local.Config{Dir: dir, AccessKeyID: keyID, SecretAccessKey: secret, Buckets: []string{bucket}}
	if now != nil {
		cfg.Now = func() time.Time { return *now }
	}
	s, err := s3local.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing := sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closing)
	return store{client(t, s.Endpoint(), keyID, secret), s.Endpoint(), closing, now}
}

func client(t testing.TB, endpoint, keyID, secret string) *s3.Client {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		HTTPClient:  &http.Client{Transport: transport},
	})
}

func (s store) put(ctx context.Context, key, body string) error {
	_, err := s.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(body)})
	return err
}

func (s store) get(t *testing.T, key string) string {
	t.Helper()
	out, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		return code(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestObjects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.put(t.Context(), "a/b c+ü%", "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.put(t.Context(), "a", "two"); err != nil { // next to a/…
		t.Fatal(err)
	}
	if err := s.put(t.Context(), "a", "three"); err != nil { // instead of it
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a/b c+ü%": "one", "a": "three", "a/": "NoSuchKey"} {
		if got := s.get(t, key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	head, err := s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("a")})
	if err != nil || aws.ToInt64(head.ContentLength) != 5 || time.Since(aws.ToTime(head.LastModified)).Abs() > time.Minute {
		t.Errorf("%+v, %v", head, err)
	}
	ranged := func(key, want string) {
		t.Helper()
		part, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key, Range: aws.String("bytes=1-2")})
		if err != nil {
			t.Fatal(err)
		}
		defer part.Body.Close()
		data, err := io.ReadAll(part.Body)
		if err != nil || string(data) != want {
			t.Errorf("%s: %q, %v; want %q", key, data, err, want)
		}
	}
	ranged("a", "hr")
	large := strings.Repeat("0123456789", 5000)
	for _, body := range []string{large, "small", large + large, large} {
		if err := s.put(t.Context(), "large", body); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, "large"); got != body {
			t.Errorf("%d bytes, want %d", len(got), len(body))
		}
	}
	ranged("large", "12")
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files for one large object", n)
	}

	s.close()
	s = open(t, dir) // what was there is there
	if got := s.get(t, "a"); got != "three" {
		t.Errorf("after a restart: %q", got)
	}
	if got := s.get(t, "large"); got != large {
		t.Errorf("after a restart: %d bytes, want %d", len(got), len(large))
	}
	if _, err := s.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a")}, {Key: aws.String("a/b c+ü%")}, {Key: aws.String("none")}, {Key: aws.String("large")},
	}}}); err != nil {
		t.Error(err)
	}
	if _, err := s.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("a")}); err != nil {
		t.Error(err)
	}
	if n := files(t, dir); n != 0 || s.get(t, "a") != "NoSuchKey" {
		t.Errorf("%d files after all was deleted", n)
	}
	if _, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("other"), Key: aws.String("a")}); code(err) != "NoSuchBucket" {
		t.Errorf("%v", err)
	}
}

// files counts what is stored.
func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "objects"), func(_ string, f fs.DirEntry, err error) error {
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

// Of many that create one object at once exactly one does, and the object is its.
func TestOneCreatorWins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for round := range 50 {
		key := fmt.Sprint("run/", round)
		const writers = 16
		var group sync.WaitGroup
		var mu sync.Mutex
		var won []string
		for writer := range writers {
			group.Go(func() {
				body := strings.Repeat(fmt.Sprint(writer, " "), 1000+round%2*9000) // small, or large
				_, err := s.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(body), IfNoneMatch: aws.String("*"),
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, body)
				case code(err) != "PreconditionFailed":
					t.Error(err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 || s.get(t, key) != won[0] {
			t.Fatalf("%s: %d of %d won", key, len(won), writers)
		}
	}
	if n := files(t, dir); n != 25 {
		t.Errorf("%d files for 25 large objects", n)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	keys := []string{"a", "a!", "a/1", "a/2", "a/3", "a/30", "b", "b/1", "c"}
	for _, key := range slices.Backward(keys) {
		if err := s.put(t.Context(), key, key); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		prefix, after, delimiter string
		want                     []string // pages of two, each but the last with a +
	}{
		{"", "", "", []string{"a a!+", "a/1 a/2+", "a/3 a/30+", "b b/1+", "c"}},
		{"a/", "", "", []string{"a/1 a/2+", "a/3 a/30"}},
		{"a/", "a/2", "", []string{"a/3 a/30"}},
		{"a/", "a/25", "", []string{"a/3 a/30"}},
		{"a/", "a", "", []string{"a/1 a/2+", "a/3 a/30"}},
		{"a/", "a/30", "", []string{""}},
		{"a/", "b", "", []string{""}},
		{"x", "", "", []string{""}},
		{"", "", "/", []string{"a a!+", "b a/+", "c b/"}},
	} {
		in := &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: &tt.prefix, MaxKeys: aws.Int32(2)}
		if tt.after != "" {
			in.StartAfter = &tt.after
		}
		if tt.delimiter != "" {
			in.Delimiter = &tt.delimiter
		}
		var got []string
		for pages := s3.NewListObjectsV2Paginator(s, in); pages.HasMorePages(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var items []string
			for _, o := range page.Contents {
				items = append(items, aws.ToString(o.Key))
				if int(aws.ToInt64(o.Size)) != len(aws.ToString(o.Key)) {
					t.Errorf("%s has %d bytes", aws.ToString(o.Key), aws.ToInt64(o.Size))
				}
			}
			for _, p := range page.CommonPrefixes {
				items = append(items, aws.ToString(p.Prefix))
			}
			line := strings.Join(items, " ")
			if aws.ToBool(page.IsTruncated) {
				line += "+"
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v\n%s", tt, diff)
		}
	}
}

func TestWhoMayCome(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.put(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	for who, tt := range map[string]struct{ id, secret, want string }{
		"a stranger":  {"AKIASTRANGER0000", secret, "InvalidAccessKeyId"},
		"an impostor": {keyID, "guess", "SignatureDoesNotMatch"},
	} {
		if got := (store{Client: client(t, s.endpoint, tt.id, tt.secret)}).get(t, "a"); got != tt.want {
			t.Errorf("%s got %s, want %s", who, got, tt.want)
		}
	}
	presign := s3.NewPresignClient(s.Client)
	link, err := presign.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("a")}, s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct{ url, want string }{
		"a link":              {link.URL, "200 1"},
		"an old link":         {s.endpoint + "/" + bucket + "/a?AWSAccessKeyId=" + keyID + "&Signature=x&Expires=99999999999", "400 Please use AWS4-HMAC-SHA256"},
		"a forged link":       {strings.Replace(link.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1), "403 SignatureDoesNotMatch"},
		"a link for longer":   {strings.Replace(link.URL, "X-Amz-Expires=60", "X-Amz-Expires=6000", 1), "403 SignatureDoesNotMatch"},
		"a link to another":   {strings.Replace(link.URL, "/a?", "/b?", 1), "403 SignatureDoesNotMatch"},
		"nothing":             {s.endpoint + "/" + bucket + "/a", "403 AccessDenied"},
		"an expired link":     {strings.Replace(link.URL, "X-Amz-Date=2", "X-Amz-Date=1", 1), "403 Request has expired"},
		"a link without date": {strings.Replace(link.URL, "X-Amz-Date", "X", 1), "400 AuthorizationQueryParametersError"},
		"a stranger's link":   {strings.Replace(link.URL, keyID, "AKIASTRANGER0000", 1), "403 InvalidAccessKeyId"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer(t, req); !has(got, tt.want) {
			t.Errorf("%s: %s, want %s", what, got, tt.want)
		}
	}
}

// has compares the status and looks for the rest.
func has(got, want string) bool {
	status, text, _ := strings.Cut(want, " ")
	return strings.HasPrefix(got, status) && strings.Contains(got, text)
}

func answer(t *testing.T, r *http.Request) string {
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
	return fmt.Sprint(resp.StatusCode, " ", string(data))
}

// It is a store as the library wants it.
func TestStore(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	b, err := awslambda.New(t.Context(), "demo",
		awslambda.WithConfig(aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, "")}),
		awslambda.WithBucket(bucket, awslambda.BucketEndpoint(s.endpoint)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	backendtest.RunStore(t, b.Store(), transport)
}

// An upload that ends early leaves what was there.
func TestTornUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	whole := strings.Repeat("whole", 10_000)
	if err := s.put(t.Context(), "a", whole); err != nil {
		t.Fatal(err)
	}
	link, err := s3.NewPresignClient(s.Client).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link.URL, io.MultiReader(strings.NewReader("half"), brokenReader{}))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 1 << 20
	if resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Errorf("status %d", resp.StatusCode)
	}
	s.close() // it waits for what is under way
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files for one object", n)
	}
	if got := open(t, dir).get(t, "a"); got != whole {
		t.Errorf("%.100q", got)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the sender has gone") }

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir, strange, garbage := t.TempDir(), t.TempDir(), t.TempDir()
	open(t, dir)
	other, err := bbolt.Open(filepath.Join(strange, "index.db"), 0o600, nil)
	if err == nil {
		err = other.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("lambdapool"))
			return err
		})
	}
	if err := errors.Join(err, other.Close(), os.WriteFile(filepath.Join(garbage, "index.db"), bytes.Repeat([]byte("x"), 1<<16), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		cfg  s3local.Config
		says string
	}{
		{s3local.Config{Dir: strange}, "is not as this version of lambdapool makes it"},
		{s3local.Config{Dir: garbage}, "invalid database"},
		{s3local.Config{Dir: dir}, "another process has it open"},
		{s3local.Config{Dir: t.TempDir(), Address: "10.0.0.1:80"}, "not on loopback"},
		{s3local.Config{Dir: t.TempDir(), Address: "localhost"}, "it is IP:PORT"},
		{s3local.Config{Dir: t.TempDir(), Buckets: []string{"No_Name"}}, `bucket "No_Name"`},
		{s3local.Config{Dir: filepath.Join(os.Args[0], "x")}, "not a directory"},
	} {
		s, err := s3local.Open(tt.cfg)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v, want %q", err, tt.says)
		}
	}
}
