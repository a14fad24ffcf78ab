package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	containers "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/lambdapool/lambdapool/deploy/rundeploy/internal/image"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) { noleak.Main(m) }

func of(t *testing.T, program string) v1.Image {
	t.Helper()
	img, err := image.Of([]byte(program))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestTheSameProgramIsTheSameImage(t *testing.T) {
	one, again, other := digest(t, of(t, "program")), digest(t, of(t, "program")), digest(t, of(t, "another"))
	if one != again || one == other {
		t.Errorf("%s, again %s, another %s", one, again, other)
	}
}

func TestAnImageHasWhatAnAgentNeeds(t *testing.T) {
	img := of(t, "program")
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.OS != "linux" || cfg.Architecture != "amd64" || cfg.Config.User != "65532:65532" || !cfg.Created.IsZero() && cfg.Created.Unix() != 0 {
		t.Errorf("%+v", cfg)
	}
	if diff := cmp.Diff([]string{"/agent"}, cfg.Config.Entrypoint); diff != "" {
		t.Error(diff)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	modes, texts := map[string]int64{}, map[string]string{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		modes[h.Name], texts[h.Name] = h.Mode, string(data)
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s depends on this machine: %+v", h.Name, h)
		}
	}
	want := map[string]int64{"etc/": 0o755, "etc/ssl/": 0o755, "etc/ssl/certs/": 0o755, "etc/ssl/certs/ca-certificates.crt": 0o644, "tmp/": 0o1777, "agent": 0o755}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
	if texts["agent"] != "program" {
		t.Errorf("the program is %q", texts["agent"])
	}
	pool := x509.NewCertPool()
	if pem := texts["etc/ssl/certs/ca-certificates.crt"]; !pool.AppendCertsFromPEM([]byte(pem)) || strings.Count(pem, "BEGIN CERTIFICATE") < 100 {
		t.Errorf("%d certificates", strings.Count(pem, "BEGIN CERTIFICATE"))
	}
}

func TestPushSendsWhatIsMissing(t *testing.T) {
	var requests atomic.Int32
	protocol := containers.New(containers.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if user, password, _ := r.BasicAuth(); user != "oauth2accesstoken" || password != "ya29.token" {
			w.Header().Set("WWW-Authenticate", "Basic realm=registry")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		protocol.ServeHTTP(w, r)
	}))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	at := image.Place{Name: strings.TrimPrefix(server.URL, "http://") + "/my-project/lambdapool/demo", Token: "ya29.token", Transport: transport}
	img := of(t, "program")
	pushed, err := at.Push(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if want := at.Name + "@" + digest(t, img); pushed != want {
		t.Errorf("pushed %s, want %s", pushed, want)
	}
	first := requests.Swap(0)
	if _, err := at.Push(t.Context(), img); err != nil || requests.Load() >= first {
		t.Errorf("%d requests for the first push, %d for the second, %v", first, requests.Load(), err)
	}
	ref, err := name.ParseReference(pushed)
	if err != nil {
		t.Fatal(err)
	}
	at.Token = ""
	if _, err := at.Push(t.Context(), img); !image.Denied(err) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := remote.Head(ref, remote.WithTransport(transport), remote.WithContext(t.Context())); err == nil {
		t.Error("the registry lets everybody in")
	}
	at.Name = "Not A Name"
	if _, err := at.Push(t.Context(), img); err == nil {
		t.Error("an image without a name was pushed")
	}
}

// An archive has the program alone, and is the same bytes again.
func TestTheSameProgramIsTheSameArchive(t *testing.T) {
	one, err := image.Archive([]byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := image.Archive([]byte("program")); err != nil || !bytes.Equal(one, again) {
		t.Errorf("%x, again %x, %v", one, again, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	h, err := r.Next()
	if err != nil || "./"+h.Name != image.Command || h.Mode != 0o755 || h.ModTime.Unix() != 0 || h.Uid != 0 || h.Uname != "" || !z.ModTime.IsZero() {
		t.Fatalf("%+v, %v", h, err)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "program" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("there is more: %v", err)
	}
}
