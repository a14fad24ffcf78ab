package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/deploy"
)

// A shelf is a bucket that takes an object once.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    int
}

func (s *shelf) fetch(_ context.Context, _, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

// put answers what is for S3, and nothing else.
func (s *shelf) put(t testing.TB, r *http.Request) *http.Response {
	t.Helper()
	key, ok := strings.CutPrefix(r.URL.Path, "/archives/")
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	said := &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: http.NoBody}
	if s.objects[key] != nil {
		said.StatusCode = http.StatusPreconditionFailed
		said.Body = io.NopCloser(strings.NewReader("<Error><Code>PreconditionFailed</Code></Error>"))
		return said
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	s.objects[key] = data
	return said
}

// The archive of all shards is stored once, and every function refers to it; where Lambda knows no references, it copies.
func TestCodeBucket(t *testing.T) {
	for _, reference := range []bool{true, false} {
		t.Run(fmt.Sprintf("reference %v", reference), func(t *testing.T) {
			s := &shelf{objects: map[string][]byte{}}
			a := newAccount(t, local.WithCodeFrom(s.fetch))
			sent := 0
			a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
				if said := s.put(t, r); said != nil {
					return said, nil
				}
				if r.Body == nil || operation != "POST /2015-03-31/functions" && !strings.HasSuffix(operation, "/code") {
					return nil, nil //nolint:nilnil // go on
				}
				data, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(strings.NewReader(string(data)))
				if strings.Contains(string(data), "ZipFile") {
					t.Errorf("%s brings the archive", operation)
				}
				if !strings.Contains(string(data), "REFERENCE") {
					sent++
				} else if !reference {
					return answer(r, 400, "InvalidParameterValueException", "S3ObjectStorageMode is not supported"), nil
				}
				return nil, nil //nolint:nilnil // go on
			}
			spec := deploy.Spec{Name: "demo", Shards: 3, Artifact: script(t, "first"), CodeBucket: "archives"}
			c := a.client(t)
			if _, err := c.Create(t.Context(), spec, deploy.CreateOptions{NoSmoke: true}); err != nil {
				t.Fatal(err)
			}
			if len(s.objects) != 1 || s.puts != 1 {
				t.Errorf("%d objects after %d requests", len(s.objects), s.puts)
			}
			spec.Artifact = script(t, "second")
			if _, err := c.Update(t.Context(), spec, deploy.UpdateOptions{NoSmoke: true}); err != nil {
				t.Fatal(err)
			}
			if got := sums(t, a); len(s.objects) != 2 || got[0] != spec.Artifact.Sum || got[2] != spec.Artifact.Sum {
				t.Errorf("%d objects, code %v", len(s.objects), got)
			}
			if (sent > 0) == reference {
				t.Errorf("%d requests without a reference", sent)
			}
			spec.Artifact = script(t, "first") // which is there
			if _, err := c.Update(t.Context(), spec, deploy.UpdateOptions{NoSmoke: true}); err != nil || len(s.objects) != 2 {
				t.Errorf("%d objects: %v", len(s.objects), err)
			}
		})
	}
	bad := deploy.Spec{Name: "demo", CodeBucket: "s3://archives"}
	if err := bad.Check(); !errors.Is(err, deploy.ErrInvalid) || !strings.Contains(err.Error(), "code bucket") {
		t.Error(err)
	}
}
