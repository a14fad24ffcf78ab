package archtest_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What a program links of other modules, by who it is. A module that is added here is one that
// users download, audit and start: it needs a reason in the commit that adds it. "…" at the end
// stands for all modules that begin so.
var (
	ofEveryone = []string{
		"github.com/klauspost/compress",     // zstd of large requests and replies
		"github.com/vmihailenco/msgpack/v5", // numbers and headers of the wire
		"github.com/vmihailenco/tagparser/v2",
		"golang.org/x/sync",
		"golang.org/x/sys",
	}
	ofAgents = append([]string{"github.com/aws/aws-lambda-go"}, ofEveryone...)
	ofAWS    = append([]string{"github.com/aws/aws-sdk-go-v2…", "github.com/aws/smithy-go"}, ofEveryone...)
	ofGoogle = append([]string{
		"golang.org/x/oauth2",                  // credentials; Google's own SDK would double a client
		"cloud.google.com/go/compute/metadata", // x/oauth2 asks it whether this is a machine of Google's
	}, ofEveryone...)
	ofImages = append([]string{
		"github.com/google/go-containerregistry", // images, and their way to a registry
		"github.com/docker/cli",                  // of go-containerregistry: it knows Docker's files of passwords
		"github.com/docker/docker-credential-helpers",
		"github.com/opencontainers/go-digest",
		"github.com/opencontainers/image-spec",
		"github.com/sirupsen/logrus",
		"golang.org/x/crypto/x509roots/fallback", // the certificates of authorities in an image
	}, ofGoogle...)
	ofTheCLI = append([]string{
		"github.com/spf13/cobra",
		"github.com/spf13/pflag",
		"github.com/goccy/go-yaml", // the project file
		"go.etcd.io/bbolt",         // journals
	}, ofAWS...)
)

func TestNobodyLinksMoreModules(t *testing.T) {
	for _, test := range []struct {
		pkg     string
		modules []string
	}{
		{".", ofEveryone},
		{"./agent", ofAgents},
		{"./backend/inproc", ofAgents},
		{"./backend/httpagent", ofEveryone},
		{"./backend/cloudrun", ofGoogle},
		{"./backend/awslambda", ofAWS},
		{"./backend/cloudrun/internal/gcs", ofGoogle},
		{"./backend/cloudrun/internal/tasks", ofGoogle},
		{"./deploy", append(slices.Clone(ofAWS), ofAgents...)},
		{"./deploy/shared", ofEveryone},
		{"./deploy/rundeploy", append(slices.Clone(ofImages), ofAgents...)},
		{"./cmd/lambdapool", slices.Concat(ofTheCLI, ofAgents, ofImages)},
	} {
		for _, linked := range modules(t, test.pkg) {
			allowed := func(pattern string) bool {
				prefix, all := strings.CutSuffix(pattern, "…")
				return linked == pattern || all && strings.HasPrefix(linked, prefix)
			}
			if !slices.ContainsFunc(test.modules, allowed) {
				t.Errorf("%s links module %s, which is not in its list", test.pkg, linked)
			}
		}
	}
}

// modules returns the other modules of which pkg, below the module, links packages.
func modules(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", pkg)
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", pkg, err)
	}
	linked := strings.Fields(string(out))
	slices.Sort(linked)
	return slices.DeleteFunc(slices.Compact(linked), func(m string) bool { return m == module })
}
