package runlocal_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"runtime"
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

	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/runlocal"
)

// program is an image with this test's executable in it, and more that the container's test shows.
func program(t *testing.T, change func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "app/program", Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(buf.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", "amd64"
	cfg.Config = v1.Config{Entrypoint: []string{"/app/program"}, Env: []string{"OF_IMAGE=yes", "PORT=1"}, User: "65532:65532", WorkingDir: "/app"}
	change(cfg)
	if image, err = mutate.ConfigFile(image, cfg); err != nil {
		t.Fatal(err)
	}
	return image
}

// push pushes an image as admin, and returns its name by digest.
func (c *cloud) push(image v1.Image, path string) (string, error) {
	c.t.Helper()
	ref, err := name.ParseReference(c.Registry() + "/" + path)
	if err != nil {
		c.t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	err = remote.Write(ref, image, remote.WithContext(soon(c.t)), remote.WithTransport(transport),
		remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "oauth2accesstoken", Password: c.AccessToken(admin)})))
	digest, _ := image.Digest()
	return ref.Context().Name() + "@" + digest.String(), err
}

// registry is a cloud with a repository that admin may write to.
func registry(t *testing.T) *cloud {
	c := start(t, runlocal.Options{})
	c.Repository("mine")
	c.Grant("roles/artifactregistry.writer", admin, "")
	return c
}

func linuxOnly(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skipf("images of Cloud Run run on linux/amd64, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
}

func TestAPushedImageRuns(t *testing.T) {
	// In its own process: a program that was just written cannot be started while another one is being started
	// beside it, which has the file open for an instant.
	if !apart.Here(t) {
		return
	}
	linuxOnly(t)
	c := registry(t)
	named, err := c.push(program(t, func(*v1.ConfigFile) {}), c.Project()+"/mine/program:latest")
	if err != nil {
		t.Fatal(err)
	}
	url := c.create(func(_, box map[string]any) { box["image"] = named })
	if status, body, _ := c.invoke(url, "environment"); status != http.StatusOK || !strings.Contains(body, "OF_IMAGE=yes\n") || strings.Contains(body, "PORT=1\n") || !strings.Contains(body, "\nTMPDIR=/") {
		t.Errorf("HTTP %d %s", status, body)
	}
	_, body, _ := c.invoke(url, "who")
	user, dir, _ := strings.Cut(body, " ")
	if want := fmt.Sprint(os.Getuid()); user != want && (want != "0" || user != "65532") {
		t.Errorf("it runs as %s, and the image says 65532", user)
	}
	if !strings.HasSuffix(dir, "/app") {
		t.Errorf("it runs in %s", dir)
	}
	// The same by a tag, with a command of the service's, and arguments.
	failed := c.settled(c.api(admin, "PATCH", c.parent()+"/services/it", map[string]any{"template": template(func(_, box map[string]any) {
		box["image"], box["command"] = c.Registry()+"/"+c.Project()+"/mine/program", []string{"./program"}
	})}))
	if failed != "" {
		t.Error(failed)
	}
	if status, body, _ := c.invoke(url, "who"); status != http.StatusOK {
		t.Errorf("HTTP %d %s", status, body)
	}
}

func TestImagesThatCannotRunAreRefused(t *testing.T) {
	if !apart.Here(t) { // see TestAPushedImageRuns
		return
	}
	c := registry(t)
	for _, test := range []struct {
		why    string
		change func(*v1.ConfigFile)
	}{
		{"must support amd64/linux", func(f *v1.ConfigFile) { f.Architecture = "arm64" }},
		{"must support amd64/linux", func(f *v1.ConfigFile) { f.OS = "windows" }},
		{`"/app/other" is no program in it`, func(f *v1.ConfigFile) { f.Config.Entrypoint = []string{"/app/other"} }},
		{`"program" is no program in it`, func(f *v1.ConfigFile) { f.Config.Entrypoint = []string{"program"} }}, // of no PATH
		{"neither entrypoint nor command", func(f *v1.ConfigFile) { f.Config.Entrypoint = nil }},
	} {
		if strings.Contains(test.why, "program in it") || strings.Contains(test.why, "neither") {
			if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
				continue // it is refused before
			}
		}
		named, err := c.push(program(t, test.change), c.Project()+"/mine/bad")
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]any{"template": template(func(_, box map[string]any) { box["image"] = named })}
		failed := c.settled(c.api(admin, "PATCH", c.parent()+"/services/it?allowMissing=true", in))
		if !strings.Contains(failed, test.why) {
			t.Errorf("want %q, got %q", test.why, failed)
		}
	}
	for image, why := range map[string]string{
		c.Registry() + "/" + c.Project() + "/mine/none:v1":                               "not found",
		c.Registry() + "/" + c.Project() + "/other/none":                                 "not found",
		c.Registry() + "/" + c.Project() + "/mine/bad@sha256:" + strings.Repeat("0", 64): "not found",
	} {
		failed := c.settled(c.api(admin, "PATCH", c.parent()+"/services/it", map[string]any{"template": template(func(_, box map[string]any) { box["image"] = image })}))
		if !strings.Contains(failed, why) {
			t.Errorf("%s: want %q, got %q", image, why, failed)
		}
	}
	for _, image := range []string{"gcr.example/x/y/z", "program/x", c.Registry() + "/short"} {
		if status, body := c.api(admin, "PATCH", c.parent()+"/services/it", map[string]any{"template": template(func(_, box map[string]any) { box["image"] = image })}); status != http.StatusBadRequest {
			t.Errorf("%s: HTTP %d %v", image, status, body)
		}
	}
	c.Revoke("roles/artifactregistry.writer", admin, "")
	status, body := c.api(admin, "PATCH", c.parent()+"/services/it", map[string]any{"template": template(func(_, box map[string]any) { box["image"] = c.Registry() + "/" + c.Project() + "/mine/bad" })})
	if status != http.StatusForbidden {
		t.Errorf("an image that the caller may not read: HTTP %d %v", status, body)
	}
}

func TestTheRegistryAsksWhoItIs(t *testing.T) {
	t.Parallel()
	c := registry(t)
	base := "http://" + c.Registry() + "/v2/"
	mine := base + c.Project() + "/mine/program/"
	const manifest = `{"schemaVersion":2,"config":{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2}}`
	for _, test := range []struct {
		method, url, token, body string
		want                     int
		says                     string
	}{
		{"GET", base, "", "", 401, "UNAUTHORIZED"},
		{"GET", base, "ya29.stale", "", 401, "UNAUTHORIZED"},
		{"GET", base + "token", "", "", 401, "UNAUTHORIZED"},
		{"GET", base, c.AccessToken(caller), "", 200, ""},
		{"GET", mine + "manifests/latest", c.AccessToken(caller), "", 403, "DENIED"},
		{"POST", mine + "blobs/uploads/", c.AccessToken(caller), "", 403, "DENIED"},
		{"GET", base + "_catalog", c.AccessToken(admin), "", 404, "NAME_INVALID"}, // would tell of others' images
		{"GET", base + c.Project() + "/mine/manifests/latest", c.AccessToken(admin), "", 404, "NAME_INVALID"},
		{"GET", base + "elsewhere/mine/program/manifests/latest", c.AccessToken(admin), "", 404, "NAME_UNKNOWN"},
		{"POST", base + c.Project() + "/other/program/blobs/uploads/", c.AccessToken(admin), "", 404, "NAME_UNKNOWN"},
		{"GET", mine + "manifests/latest", c.AccessToken(admin), "", 404, "NAME_UNKNOWN"},
		{"PUT", mine + "manifests/latest", c.AccessToken(admin), manifest, 400, "MANIFEST_BLOB_UNKNOWN"},
		{"PUT", mine + "manifests/latest", c.AccessToken(admin), "{", 400, "MANIFEST_INVALID"},
		{"PUT", mine + "manifests/latest", c.AccessToken(admin), strings.Repeat(" ", 4<<20+1), 413, "SIZE_INVALID"},
		{"DELETE", mine + "manifests/latest", c.AccessToken(admin), "", 403, "DENIED"}, // a writer may not
	} {
		status, body, header := c.send(test.method, test.url, test.token, test.body)
		if status != test.want || !strings.Contains(body, test.says) {
			t.Errorf("%s %s: HTTP %d %s, want %d %s", test.method, test.url, status, body, test.want, test.says)
		}
		if challenge := header.Get("WWW-Authenticate"); (status == 401) != strings.HasPrefix(challenge, "Bearer realm=") {
			t.Errorf("%s %s: challenge %q", test.method, test.url, challenge)
		}
	}
}

func TestRepositoriesAreMadeByTheAPI(t *testing.T) {
	t.Parallel()
	c := start(t, runlocal.Options{})
	at := strings.Replace(c.parent(), "/v2/", "/v1/", 1) + "/repositories"
	if status, body := c.api(admin, "POST", at+"?repositoryId=mine", map[string]string{"format": "DOCKER"}); status != http.StatusForbidden {
		t.Errorf("without the right: HTTP %d %v", status, body)
	}
	c.Grant("roles/artifactregistry.admin", admin, "")
	for _, test := range []struct {
		method, path string
		in           any
		want         int
	}{
		{"GET", "/mine", nil, 404},
		{"POST", "?repositoryId=Mine", map[string]string{"format": "DOCKER"}, 400},
		{"POST", "?repositoryId=mine", map[string]string{"format": "MAVEN"}, 400},
		{"POST", "?repositoryId=mine", map[string]string{"format": "DOCKER", "description": "of lambdapool"}, 200},
		{"POST", "?repositoryId=mine", map[string]string{"format": "DOCKER"}, 409},
		{"GET", "/mine", nil, 200},
		{"DELETE", "/mine", nil, 200},
		{"DELETE", "/mine", nil, 404},
	} {
		status, body := c.api(admin, test.method, at+test.path, test.in)
		if status != test.want {
			t.Errorf("%s %s: HTTP %d %v, want %d", test.method, test.path, status, body, test.want)
		}
		if test.method == "POST" && status == 200 && (body["done"] != true || body["response"].(map[string]any)["name"] != strings.TrimPrefix(at, "/v1/")+"/mine") {
			t.Errorf("made: %v", body)
		}
	}
}
