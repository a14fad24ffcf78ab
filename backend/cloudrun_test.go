package backend_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// Every parameter of cloudrun:// arrives where it belongs, and what was opened runs calls.
func TestOpenCloudRun(t *testing.T) {
	isolate(t)
	s, err := runlocal.New(runlocal.Options{Images: map[string]string{"agent": ""}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const deployer, invoker = "deployer@local-project.iam.gserviceaccount.com", "invoker@local-project.iam.gserviceaccount.com"
	key, err := s.KeyFile(deployer)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	service := runlocal.Agents("agent", nil)
	service["customAudiences"] = []string{"doublers"}
	name, err := s.Deploy(t.Context(), "doubler", service)
	if err != nil {
		t.Fatal(err)
	}
	s.ServiceAccount(invoker)
	s.Grant("roles/run.viewer", deployer, name)
	s.Grant("roles/iam.serviceAccountTokenCreator", deployer, invoker)
	s.Grant("roles/run.invoker", invoker, name)
	var made struct{ URI string }
	if err := s.Call(t.Context(), deployer, http.MethodGet, "/v2/"+name, nil, &made); err != nil {
		t.Fatal(err)
	}

	rest := "&audience=doublers&account=" + invoker + "&endpoint=" + url.QueryEscape(s.URL()) + "&workers=3&timeout=20s"
	for _, target := range []string{
		"cloudrun://doubler?project=" + s.Project() + "&region=" + s.Region() + rest,
		"cloudrun:" + name + "?" + strings.TrimPrefix(rest, "&"),
		"cloudrun://doubler?url=" + url.QueryEscape(made.URI) + rest,
	} {
		b, err := backend.Open(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if l := b.Limits(); l.Workers != 3 || l.Timeout != 20*time.Second {
			t.Errorf("limits %+v", l)
		}
		e, err := lambdapool.New(b, lambdapool.WithOwnedBackend())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lambdapool.Call(t.Context(), e, double, 21); err != nil || got != 42 {
			t.Errorf("%s: double(21) = %d, %v", target, got, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
