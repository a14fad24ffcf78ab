package rundeploy_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/buildonce"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestMain(m *testing.M) {
	stop := buildonce.Start()
	code := m.Run()
	if s := exampleCloud.server; s != nil {
		_ = s.Close()
	}
	code = noleak.After(code)
	stop()
	os.Exit(code)
}

const (
	algorithms = "github.com/lambdapool/lambdapool/examples/algorithms"
	deployer   = "deployer@local-project.iam.gserviceaccount.com"
)

// deploying are the roles that `lambdapool policy deployer` names, in the whole project.
var deploying = []string{"roles/run.developer", "roles/iam.serviceAccountUser", "roles/artifactregistry.writer", "roles/logging.viewer"}

// agent is built once.
var agent = sync.OnceValues(func() (*rundeploy.Artifact, error) { return rundeploy.Build(context.Background(), "", algorithms) })

func artifact(t testing.TB) *rundeploy.Artifact {
	t.Helper()
	a, err := agent()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A cloud is Google's on this machine, and a deployer with a key.
type cloud struct {
	*runlocal.Server

	t testing.TB
}

// newCloud has a deployer with these roles, and a repository if that is not to be made.
func newCloud(t testing.TB, o runlocal.Options, roles ...string) *cloud {
	t.Helper()
	server, err := runlocal.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return signedIn(t, server, roles...)
}

// signedIn is a deployer of a server, with these roles.
func signedIn(t testing.TB, server *runlocal.Server, roles ...string) *cloud {
	t.Helper()
	c := &cloud{server, t}
	key, err := server.KeyFile(deployer)
	if err != nil {
		t.Fatal(err)
	}
	c.signIn(key)
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "CLOUDSDK_RUN_REGION", rundeploy.RegistryVariable, rundeploy.CallAsVariable} {
		t.Setenv(name, "")
	}
	for _, role := range roles {
		server.Grant(role, deployer, "")
	}
	return c
}

// signIn has the next client use these credentials.
func (c *cloud) signIn(file []byte) {
	c.t.Helper()
	name := filepath.Join(c.t.TempDir(), "credentials.json")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.t.(interface{ Setenv(key, value string) }).Setenv("GOOGLE_APPLICATION_CREDENTIALS", name)
}

func (c *cloud) project() rundeploy.Project {
	return rundeploy.Project{ID: c.Project(), Region: c.Region(), Endpoint: c.URL(), Registry: c.Registry()}
}

func (c *cloud) client(opts ...rundeploy.Option) *rundeploy.Client {
	return c.clientOf(c.project(), opts...)
}

func (c *cloud) clientOf(p rundeploy.Project, opts ...rundeploy.Option) *rundeploy.Client {
	c.t.Helper()
	client, err := rundeploy.Open(c.t.Context(), p, append(opts, rundeploy.WithPoll(time.Millisecond))...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// raw asks the Admin API as its owner.
func (c *cloud) raw(method, path string, in any) map[string]any {
	c.t.Helper()
	const owner = "owner@local-project.iam.gserviceaccount.com"
	c.Grant("roles/run.admin", owner, "")
	out := map[string]any{}
	if err := c.Call(c.t.Context(), owner, method, "/v2/projects/"+c.Project()+"/locations/"+c.Region()+"/services/"+path, in, &out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *cloud) get(name string) map[string]any { return c.raw(http.MethodGet, name, nil) }
