package googletest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/api/option"

	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

func TestMain(m *testing.M) {
	// Whether there is a metadata server is looked up once in a process, and must not be asked of the network.
	os.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	agent.Main()
	os.Exit(m.Run())
}

// developer is the account of the credentials.
const developer = "developer@local-project.iam.gserviceaccount.com"

// patience is when a test gives up, on whatever machine.
const patience = time.Minute

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A cloud is what Google's clients meet.
type cloud struct {
	*googlelocal.Cloud

	t    *testing.T
	file string // of the credentials
}

// start makes one, with the rights that roles give developer in the project.
func start(t *testing.T, roles ...string) *cloud {
	t.Helper()
	made, err := googlelocal.New(googlelocal.Options{
		Run: runlocal.Options{Images: map[string]string{"agent": ""}, Output: os.Stderr},
		Dir: filepath.Join(t.TempDir(), "objects"), Account: developer, Backoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, role := range roles {
		made.Grant(role, developer, "")
	}
	c := &cloud{made, t, filepath.Join(t.TempDir(), "credentials.json")}
	if err := os.WriteFile(c.file, made.Key(), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// at are the options of a client whose API is at url: nothing but the address is of tests.
func (c *cloud) at(url string) []option.ClientOption {
	return []option.ClientOption{option.WithEndpoint(url), option.WithAuthCredentialsFile(option.ServiceAccount, c.file)}
}

func (c *cloud) parent() string { return "projects/" + c.Project() + "/locations/" + c.Region() }
