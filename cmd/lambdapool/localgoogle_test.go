package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/oauth2/google"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend"
	"github.com/lambdapool/lambdapool/examples/algorithms/numbers"
)

func TestLocalGoogleArguments(t *testing.T) {
	s := newShell(t, "", "", "")
	s.want(2, `cloud "azure": must be aws or google`, "local", "--cloud", "azure")
	s.want(2, "data means nothing with --cloud google", "local", "--cloud", "google", "--data", t.TempDir())
	s.want(2, "freeze means nothing", "local", "--cloud", "google", "--freeze")
	s.want(2, `bucket "No"`, "local", "--cloud", "google", "--bucket", "No")
	s.want(0, "<europe-west9>", "local", "--cloud", "google", "--region", "europe-west9", "--", "sh", "-c", `echo "<$CLOUDSDK_RUN_REGION>"`)
	t.Setenv("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "mine")
	s.want(0, "<none>", "local", "--cloud", "google", "--", "sh", "-c", `echo "<${CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT-none}>"`)
	s.want(1, "exit status 3", "local", "--cloud", "google", "--", "sh", "-c", "exit 3")
}

// What a program finds in the environment is all that it needs: a service is made of a pushed image, and called by
// its name alone.
func TestLocalGoogleRunsAProgram(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skipf("images of Cloud Run run on linux/amd64, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	t.Setenv("TMPDIR", t.TempDir())
	if err := os.Chmod(os.TempDir(), 0o711); err != nil { // images run as another user where root starts them
		t.Fatal(err)
	}
	run := startLocal(t, "--cloud", "google")
	newShell(t, "", "", "")
	for name, value := range run.Environment {
		t.Setenv(name, value)
	}
	createService(t, push(t, buildAgent(t)))
	e, err := backend.NewExecutor(t.Context(), "cloudrun://demo?bucket="+run.Bucket+"&queue="+run.Queue)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lambdapool.Submit(t.Context(), e, numbers.Fib, 30).Result(t.Context()); err != nil || got != 832040 {
		t.Errorf("%d, %v", got, err)
	}
	detached, err := lambdapool.MapDetached(t.Context(), e, numbers.Fib, []int{10, 20})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := detached.Wait(t.Context()); err != nil || !slices.Equal(got, []int{55, 6765}) {
		t.Errorf("detached: %v, %v", got, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	run.end()
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "lambdapool-*")); err != nil || len(left) > 0 {
		t.Errorf("%v remain, %v", left, err)
	}
}

// buildAgent returns an executable as Cloud Run wants it, built as create builds it, so that what the compiler has made
// for one does for the other.
func buildAgent(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-o", path, algorithms)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// token is an access token of who the environment says.
func token(t *testing.T) string {
	t.Helper()
	found, err := google.FindDefaultCredentials(t.Context(), "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		t.Fatal(err)
	}
	token, err := found.TokenSource.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// push makes a repository, and pushes an image with one program. It returns its name.
func push(t *testing.T, program []byte) string {
	t.Helper()
	call(t, os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY")+"/v1/projects/local-project/locations/europe-west1/repositories?repositoryId=mine", map[string]string{"format": "DOCKER"})
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "agent", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(program)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{Entrypoint: []string{"/agent"}, User: "65532"}, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(os.Getenv("LAMBDAPOOL_REGISTRY") + "/local-project/mine/demo:latest")
	if err != nil {
		t.Fatal(err)
	}
	auth := authn.FromConfig(authn.AuthConfig{Username: "oauth2accesstoken", Password: token(t)})
	if err := remote.Write(ref, image, remote.WithContext(t.Context()), remote.WithAuth(auth)); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

// createService makes a service of an image, and waits until it is ready.
func createService(t *testing.T, image string) {
	t.Helper()
	base := os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN") + "/v2/"
	op := call(t, base+"projects/local-project/locations/europe-west1/services?serviceId=demo", map[string]any{"template": map[string]any{
		"maxInstanceRequestConcurrency": 1, "scaling": map[string]int{"maxInstanceCount": 2},
		"containers": []any{map[string]any{"image": image, "env": []any{
			map[string]string{"name": "LAMBDAPOOL_AGENT", "value": "http"}, map[string]string{"name": "LAMBDAPOOL_AUTH", "value": "platform"},
		}}},
	}})
	for op["done"] != true {
		op = call(t, base+op["name"].(string)+":wait", map[string]string{"timeout": "30s"})
	}
	if op["error"] != nil {
		t.Fatal(op["error"])
	}
}

// call posts to an API of Google's.
func call(t *testing.T, url string, in any) (out map[string]any) {
	t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token(t))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d %s, %v", url, resp.StatusCode, strings.TrimSpace(string(data)), err)
	}
	return out
}
