package gcs_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lambdapool/lambdapool/backend/backendtest"
	"github.com/lambdapool/lambdapool/backend/cloudrun/internal/gcs"
	"github.com/lambdapool/lambdapool/driver"
	"github.com/lambdapool/lambdapool/internal/gcslocal"
)

// put stores a text.
func put(t testing.TB, s *gcs.Store, key, text string) error {
	t.Helper()
	return s.Put(t.Context(), key, strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text)))
}

// create creates a text.
func create(t testing.TB, s *gcs.Store, key, text string) error {
	t.Helper()
	return s.Create(t.Context(), key, strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text)))
}

// get reads a text.
func get(t testing.TB, s *gcs.Store, key string) (string, error) {
	t.Helper()
	body, size, err := s.Open(t.Context(), key)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err == nil && int64(len(data)) != size {
		t.Errorf("%d bytes of %d", len(data), size)
	}
	return string(data), err
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, signer := range map[string]func(testing.TB) gcs.Signer{"by a key": keySigner, "by Google": blobSigner} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, serve(t), func(cfg *gcs.Config) { cfg.Signer = signer(t) })
			backendtest.RunStore(t, s, transport(t))
			left, err := s.List(t.Context(), "", "")
			if err != nil || len(left.Objects) > 0 {
				t.Errorf("%d objects remain, %v", len(left.Objects), err)
			}
		})
	}
}

func TestConformanceWithoutForms(t *testing.T) {
	t.Parallel()
	s := open(t, serve(t), func(cfg *gcs.Config) { cfg.EachLink = true })
	backendtest.RunStore(t, s, transport(t))
}

// Links and forms end with what signs them.
func TestLinkedUntil(t *testing.T) {
	t.Parallel()
	for want, signer := range map[time.Duration]gcs.Signer{7 * 24 * time.Hour: keySigner(t), 12 * time.Hour: blobSigner(t)} {
		s := open(t, "http://127.0.0.1:1", func(cfg *gcs.Config) { cfg.Signer = signer })
		until, err := s.LinkedUntil(t.Context())
		if off := time.Until(until) - want; err != nil || off.Abs() > 5*time.Second {
			t.Errorf("until %v, %v; want in %v", until, err, want)
		}
		form, err := s.LinkUnder(t.Context(), "run/", 1000*time.Hour)
		if off := time.Until(form.Expires) - want; err != nil || off.Abs() > 5*time.Second {
			t.Errorf("a form ends %v, %v; want in %v", form.Expires, err, want)
		}
	}
}

// What is asked of Google: the token, the prefix and the checksum.
func TestRequests(t *testing.T) {
	t.Parallel()
	var seen []*http.Request
	endpoint := serve(t, func(cfg *gcslocal.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r)
				next.ServeHTTP(w, r)
			})
		}
	})
	s := open(t, endpoint, func(cfg *gcs.Config) { cfg.Prefix, cfg.Threshold = "team/a/", 1000 })
	if s.Threshold() != 1000 {
		t.Errorf("threshold %d", s.Threshold())
	}
	if err := errors.Join(put(t, s, "run/1", "data"), create(t, s, "run/2", "data")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "0"} {
		r := seen[i]
		if r.URL.Path != fmt.Sprintf("/payloads/team/a/run/%d", i+1) || r.Header.Get("Authorization") != "Bearer "+token ||
			r.Header.Get("X-Goog-Hash") != "crc32c=rth90Q==" || r.Header.Get("X-Goog-If-Generation-Match") != want || r.ContentLength != 4 {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	}
	link, err := s.LinkCreate(t.Context(), "run/3", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(link.URL, endpoint+"/payloads/team/a/run/3?X-Goog-Algorithm=GOOG4-RSA-SHA256&") || len(link.Header) != 1 ||
		link.Header["X-Goog-If-Generation-Match"] != "0" || strings.Contains(link.URL, token) {
		t.Errorf("link %s, %v", link.URL, link.Header)
	}
}

// A refusal is permanent where another try cannot help, says what to do, and keeps what is secret.
func TestFailures(t *testing.T) {
	t.Parallel()
	for code, tt := range map[string]struct {
		status    int
		permanent bool
		kind      error
		hint      string
		requests  int32
	}{
		"AccessDenied":           {403, true, driver.ErrAccessDenied, "roles/storage.objectUser", 1},
		"AuthenticationRequired": {401, false, driver.ErrAccessDenied, "gcloud auth", 1},
		"NoSuchBucket":           {404, true, nil, "bucket's name", 1},
		"InvalidArgument":        {400, false, nil, "", 1},
		"InternalError":          {500, false, nil, "", 4},
		"ServiceUnavailable":     {503, false, nil, "", 4},
		"SlowDown":               {429, false, nil, "", 4},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, `<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>m</Message><Details>why</Details></Error>`, code)
			}))
			defer server.Close()
			s := open(t, server.URL)
			err := put(t, s, "run/key", "planted")
			var failed *driver.InvokeError
			if !errors.As(err, &failed) || failed.Permanent != tt.permanent || !errors.Is(failed.Kind, tt.kind) || !strings.Contains(failed.Hint, tt.hint) {
				t.Errorf("%+v", failed)
			}
			if !strings.Contains(err.Error(), code+": why") || !strings.Contains(err.Error(), "gs://payloads/lambdapool/run/key") || strings.Contains(err.Error(), "planted") {
				t.Error(err)
			}
			if requests.Load() != tt.requests {
				t.Errorf("%d requests, want %d", requests.Load(), tt.requests)
			}
		})
	}
}

// A page that is not Google's, as a proxy may send it, is not quoted.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, "<html>planted</html>")
	}))
	defer server.Close()
	s := open(t, server.URL)
	_, err := s.List(t.Context(), "", "")
	for _, err := range []error{err, put(t, s, "a", "x"), s.Delete(t.Context(), "a", "b")} {
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v", err)
		}
	}
}

// An answer that was lost leaves it open whether an object was created.
func TestCreateWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	endpoint := serve(t, func(cfg *gcslocal.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut && lose.CompareAndSwap(true, false) {
					next.ServeHTTP(httptest.NewRecorder(), r)
					panic(http.ErrAbortHandler)
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	s := open(t, endpoint)
	lose.Store(true)
	if err := create(t, s, "a", "mine"); err != nil {
		t.Errorf("what this one created: %v", err)
	}
	if err := put(t, s, "b", "theirs"); err != nil {
		t.Fatal(err)
	}
	lose.Store(true)
	if err := create(t, s, "b", "mine"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("what another one created: %v", err)
	}
	if got, err := get(t, s, "b"); got != "theirs" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Bytes that change on their way are noticed, both ways.
func TestChangedBytes(t *testing.T) {
	t.Parallel()
	var change atomic.Bool
	endpoint := serve(t, func(cfg *gcslocal.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if change.Load() && r.Method == http.MethodPut {
					r.Body = io.NopCloser(strings.NewReader("DATA"))
				}
				if change.Load() && r.Method == http.MethodGet {
					rec := httptest.NewRecorder()
					next.ServeHTTP(rec, r)
					maps.Copy(w.Header(), rec.Header())
					_, _ = io.WriteString(w, "DATA")
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	s := open(t, endpoint)
	if err := put(t, s, "a", "data"); err != nil {
		t.Fatal(err)
	}
	change.Store(true)
	if err := put(t, s, "a", "data"); err == nil || !strings.Contains(err.Error(), "BadDigest") {
		t.Errorf("put: %v", err)
	}
	if got, err := get(t, s, "a"); err == nil || !strings.Contains(err.Error(), "CRC32C") {
		t.Errorf("get: %q, %v", got, err)
	}
}

// Keys that an agent has chosen are listed and deleted as they are, and nothing else is.
func TestStrangeKeys(t *testing.T) {
	t.Parallel()
	var dots atomic.Bool
	s, tr := open(t, serve(t, func(cfg *gcslocal.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.RequestURI+"/", "/../") || strings.Contains(r.RequestURI+"/", "/./") {
					dots.Store(true)
				}
				next.ServeHTTP(w, r)
			})
		}
	})), transport(t)
	form, err := s.LinkUnder(t.Context(), "mine/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, "theirs", "theirs"); err != nil {
		t.Fatal(err)
	}
	strange := []string{"mine/../theirs", "mine/./a", "mine/a\x01b", "mine/a b+c%20d", "mine/é&<>?#", "mine/..", "mine//"}
	for _, key := range strange {
		if status, body := postForm(t, tr, form, form.Under+strings.TrimPrefix(key, "mine/"), "x"); status != http.StatusNoContent {
			t.Errorf("%q: HTTP %d %s", key, status, body)
		}
	}
	list, err := s.List(t.Context(), "mine/", "")
	if err != nil || len(list.Objects) != len(strange) {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, o := range list.Objects {
		if err := s.Delete(t.Context(), o.Key); err != nil {
			t.Errorf("%q: %v", o.Key, err)
		}
	}
	if list, err := s.List(t.Context(), "", ""); err != nil || len(list.Objects) != 1 || list.Objects[0].Key != "theirs" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, key := range []string{"mine/../theirs", "..", "a/.", "./a"} {
		if _, _, err := s.Open(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %s: %v", key, err)
		}
		if err := errors.Join(put(t, s, key, "strange"), put(t, s, "a", "other")); err != nil {
			t.Errorf("put %s: %v", key, err)
		}
		if got, err := get(t, s, key); got != "strange" || err != nil {
			t.Errorf("%s is %q, %v", key, got, err)
		}
		if link, err := s.LinkPut(t.Context(), key, time.Minute); err == nil {
			t.Errorf("link to %s: %v", key, link)
		}
	}
	if dots.Load() {
		t.Error("a path had dots between slashes")
	}
}

// Many are deleted by one request, whether they are there or not.
func TestDeleteMany(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := open(t, serve(t, func(cfg *gcslocal.Config) {
		cfg.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					requests.Add(1)
				}
				next.ServeHTTP(w, r)
			})
		}
	}))
	keys := make([]string, 1500)
	for i := range keys {
		keys[i] = fmt.Sprintf("k/%d", i)
		if i%100 == 0 {
			if err := put(t, s, keys[i], "x"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Delete(t.Context(), keys...); err != nil || requests.Load() != 2 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
	if list, err := s.List(t.Context(), "", ""); err != nil || len(list.Objects) > 0 {
		t.Errorf("%d remain, %v", len(list.Objects), err)
	}
}

func TestBadConfigs(t *testing.T) {
	t.Parallel()
	for says, change := range map[string]func(*gcs.Config){
		"name of a bucket": func(cfg *gcs.Config) { cfg.Bucket = "Upper" },
		"access tokens":    func(cfg *gcs.Config) { cfg.Tokens = nil },
		"signs links":      func(cfg *gcs.Config) { cfg.Signer = nil },
		"negative":         func(cfg *gcs.Config) { cfg.Threshold = -1 },
		"a/../b":           func(cfg *gcs.Config) { cfg.Prefix = "a/../b" },
		`"/a" is not`:      func(cfg *gcs.Config) { cfg.Prefix = "/a" },
		`"a b" is not`:     func(cfg *gcs.Config) { cfg.Prefix = "a b" },
		"an endpoint":      func(cfg *gcs.Config) { cfg.Endpoint = "https://u:planted@host" },
	} {
		cfg := gcs.Config{Bucket: bucket, Tokens: tokens(), Signer: keySigner(t)}
		change(&cfg)
		if _, err := gcs.New(cfg); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

type noTokens struct{}

func (noTokens) Token() (*oauth2.Token, error) { return nil, errors.New("cannot fetch token") }

// Without a token nothing is sent, and the error says how to sign in.
func TestNoToken(t *testing.T) {
	t.Parallel()
	s := open(t, "http://127.0.0.1:1", func(cfg *gcs.Config) { cfg.Tokens = noTokens{} })
	err := put(t, s, "a", "x")
	var failed *driver.InvokeError
	if !errors.As(err, &failed) || !errors.Is(err, driver.ErrAccessDenied) || failed.Outcome != driver.OutcomeNotRun || !strings.Contains(failed.Hint, "gcloud auth") {
		t.Errorf("%+v", failed)
	}
}
