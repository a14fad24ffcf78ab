package runlocal_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/internal/apart"
	"github.com/lambdapool/lambdapool/internal/googlelocal"
)

// An entry is a file of an archive.
type entry struct {
	tar.Header

	data []byte
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	w := tar.NewWriter(z)
	for _, e := range entries {
		if e.Size == 0 {
			e.Size = int64(len(e.data))
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
		if n := e.Size - int64(len(e.data)); n > 0 {
			if _, err := io.CopyN(w, zeros{}, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What runs without an image: the archive of one generation, over nothing else, with a program of its own to start.
func TestServicesWithoutAnImage(t *testing.T) {
	if !apart.Here(t) { // see TestAPushedImageRuns
		return
	}
	linuxOnly(t)
	const (
		email = "deployer@local-project.iam.gserviceaccount.com"
		key   = "agents/a b.tar.gz"
	)
	cloud, err := googlelocal.New(googlelocal.Options{Dir: filepath.Join(t.TempDir(), "objects"), Account: email})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	cloud.Grant("roles/storage.objectUser", email, "")
	cloud.Grant("roles/run.developer", email, "")
	put := func(key string, data []byte) (generation string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, cloud.Environment()["STORAGE_EMULATOR_HOST"]+"/"+googlelocal.Bucket+"/"+strings.ReplaceAll(key, " ", "%20"), bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+cloud.AccessToken(email))
		r.Close = true
		resp, err := (&http.Transport{}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("HTTP %d", resp.StatusCode)
		}
		return resp.Header.Get("X-Goog-Generation")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, data []byte) entry {
		return entry{tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}, data}
	}
	good := put(key, archive(t, file("bin/program", program), file("bin/.wh.kept", nil)))

	type object = map[string]any
	service := func(change func(c, from object)) object {
		from := object{"bucket": googlelocal.Bucket, "object": key, "generation": good}
		c := object{
			"image": "scratch", "baseImageUri": "osonly24", "sourceCode": object{"cloudStorageSource": from}, "command": []string{"bin/program"},
			"env": []object{{"name": container, "value": "yes"}},
		}
		change(c, from)
		return object{"template": object{"containers": []object{c}}}
	}
	n := 0
	deploy := func(change func(c, from object)) error {
		n++
		_, err := cloud.Deploy(t.Context(), fmt.Sprintf("s%d", n), service(change))
		return err
	}
	cloud.Grant("roles/storage.objectViewer", "owner@local-project.iam.gserviceaccount.com", "")
	if err := deploy(func(_, _ object) {}); err != nil {
		t.Fatal(err)
	}
	if err := deploy(func(_, from object) { delete(from, "generation") }); err != nil {
		t.Errorf("the newest generation: %v", err)
	}

	link := func(name, to string) entry {
		return entry{tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}, nil}
	}
	bad := func(name string, data []byte) func(c, from object) {
		generation := put(name, data)
		return func(_, from object) { from["object"], from["generation"] = name, generation }
	}
	for what, tc := range map[string]struct {
		change func(c, from object)
		want   string
	}{
		"an image besides":       {func(c, _ object) { c["image"] = "another" }, "with source_code it must be"},
		"no base":                {func(c, _ object) { delete(c, "baseImageUri") }, "the embedded Cloud Run has"},
		"another base":           {func(c, _ object) { c["baseImageUri"] = "go126" }, "the embedded Cloud Run has"},
		"a base of an image":     {func(c, _ object) { delete(c, "sourceCode") }, "for source code only"},
		"scratch alone":          {func(c, _ object) { delete(c, "sourceCode"); delete(c, "baseImageUri") }, "Expected an image path"},
		"no command":             {func(c, _ object) { delete(c, "command") }, "command: is required"},
		"another command":        {func(c, _ object) { c["command"] = []string{"./program"} }, "is no program in it"},
		"no object":              {func(_, from object) { delete(from, "object") }, "bucket and object are required"},
		"inlined source":         {func(c, _ object) { c["sourceCode"] = object{"inlinedSource": object{}} }, "unknown field"},
		"another bucket":         {func(_, from object) { from["bucket"] = "another" }, "not found"},
		"another object":         {func(_, from object) { from["object"] = "another" }, "not found"},
		"another generation":     {func(_, from object) { from["generation"] = "1" }, "not found"},
		"no archive":             {bad("text", []byte("text")), "is no tar.gz"},
		"one that is cut":        {bad("cut", archive(t, file("bin/program", program))[:5000]), "unexpected EOF"},
		"out of the archive":     {bad("out", archive(t, file("../program", program))), "leads out"},
		"a link out of it":       {bad("link", archive(t, link("bin", "../../elsewhere"))), "leads out"},
		"more than may be in it": {bad("bomb", archive(t, entry{tar.Header{Name: "large", Size: 250<<20 + 1, Mode: 0o644, Typeflag: tar.TypeReg}, nil})), "250 MiB"},
	} {
		if err := deploy(tc.change); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want %q in: %v", what, tc.want, err)
		}
	}

	// Who deploys must be able to read it.
	cloud.Revoke("roles/storage.objectUser", email, "")
	path := "/v2/projects/local-project/locations/europe-west1/services?serviceId=denied"
	if err := cloud.Call(t.Context(), email, http.MethodPost, path, service(func(_, _ object) {}), &object{}); err == nil || !strings.Contains(err.Error(), "storage.objects.get") {
		t.Errorf("without the right: %v", err)
	}
}
