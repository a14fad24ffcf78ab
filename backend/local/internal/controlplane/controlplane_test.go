package controlplane

import (
	"archive/zip"
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local/internal/keep"
	"github.com/lambdapool/lambdapool/backend/local/internal/logs"
	"github.com/lambdapool/lambdapool/backend/local/internal/sandbox"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// entry is a file of a zip, whose mode says what it is.
type entry struct {
	name, content string
	mode          os.FileMode
}

func zipped(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name}
		header.SetMode(e.mode)
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// open makes a Lambda that runs nothing.
func open(t *testing.T, data *keep.Dir) *Lambda {
	t.Helper()
	l, err := New(Config{
		Auth: wire.NewAuthenticator("AKIAEXAMPLE000000000", "secret"), Data: data,
		Environments: sandbox.Spec{Output: logs.NewOutput(io.Discard), Logger: slog.New(slog.DiscardHandler)},
		Concurrency:  1000, Agents: 10, CodeStorage: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// A zip is refused for what it says about itself, before anything of it is written.
func TestZipsThatAreRefused(t *testing.T) {
	t.Parallel()
	program := entry{"bootstrap", "#!/bin/sh\n", 0o755}
	for name, c := range map[string]struct {
		entries []entry
		want    string // in the refusal; empty: it is taken
	}{
		"good":                 {[]entry{program, {"lib/", "", 0o755 | os.ModeDir}, {"lib/data.txt", "x", 0o644}}, ""},
		"good, in other words": {[]entry{{"./bootstrap", "#!/bin/sh\n", 0o755}}, ""},
		"nothing":              {nil, "no file bootstrap"},
		"no program":           {[]entry{{"main", "x", 0o755}}, "no file bootstrap"},
		"a program below":      {[]entry{{"bin/bootstrap", "x", 0o755}}, "no file bootstrap"},
		"no right to run":      {[]entry{{"bootstrap", "x", 0o644}}, "not executable"},
		"a link":               {[]entry{program, {"link", "/etc/passwd", 0o777 | os.ModeSymlink}}, "neither a file nor a directory"},
		"out of it":            {[]entry{program, {"../x", "x", 0o644}}, "must stay inside"},
		"from the root":        {[]entry{program, {"/x", "x", 0o644}}, "must stay inside"},
		"a backslash":          {[]entry{program, {`a\x`, "x", 0o644}}, "must stay inside"},
		"a name twice":         {[]entry{program, {"a", "x", 0o644}, {"a", "y", 0o644}}, "Could not unzip"},
		"a file as directory":  {[]entry{program, {"a", "x", 0o644}, {"a/b", "y", 0o644}}, "Could not unzip"},
	} {
		l := open(t, nil)
		c2, refused := l.codes.unpack(zipped(t, c.entries...))
		switch {
		case c.want == "" && refused != nil:
			t.Errorf("%s: %s", name, refused.Message)
		case c.want == "":
			if _, err := os.Stat(filepath.Join(c2.dir, bootstrap)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			l.codes.release(c2)
		case refused == nil || refused.Code != "InvalidParameterValueException" || !strings.Contains(refused.Message, c.want):
			t.Errorf("%s: %+v, want %s", name, refused, c.want)
		}
		if left, err := os.ReadDir(l.codes.dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
	if _, refused := open(t, nil).codes.unpack([]byte("no zip")); refused == nil || !strings.Contains(refused.Message, "Could not unzip") {
		t.Errorf("no zip: %+v", refused)
	}
}

// What runs of one function is written to the log as what runs of the others is: by one at a time.
func TestFunctionsShareTheOutput(t *testing.T) {
	t.Parallel()
	l := open(t, nil)
	g := l.region("eu-west-1")
	var outputs []*logs.Output
	for _, name := range []string{"one", "two"} {
		v := g.newVersion(settings{name: name, code: &code{dir: "/dir"}, role: "arn:aws:iam::000000000000:role/pool/agent", layers: []string{"a"}, logging: loggingConfig{LogGroup: "/g"}}, true)
		cfg, role := g.runConfig(&resource{quota: g.account.Quota()}, v)
		if cfg.Name != name || cfg.Region != "eu-west-1" || cfg.Version != wire.Latest || cfg.Binary != "/dir/bootstrap" || cfg.LogGroup != "/g" || cfg.Layers != 1 || role != "agent" {
			t.Errorf("%+v as %s", cfg, role)
		}
		outputs = append(outputs, cfg.Output)
	}
	if outputs[0] == nil || outputs[0] != outputs[1] {
		t.Errorf("outputs %p and %p", outputs[0], outputs[1])
	}
}

// Pages follow each other without gaps, also when the item is gone that a marker was made of.
func TestPages(t *testing.T) {
	t.Parallel()
	key := func(s string) string { return s }
	all := []string{"a", "b", "c", "d", "e"}
	for _, c := range []struct {
		paging
		want []string
		next string
	}{
		{paging{max: 5}, all, ""},
		{paging{max: 2}, []string{"a", "b"}, "b"},
		{paging{max: 2, marker: "b"}, []string{"c", "d"}, "d"},
		{paging{max: 2, marker: "d"}, []string{"e"}, ""},
		{paging{max: 2, marker: "bb"}, []string{"c", "d"}, "d"},
		{paging{max: 2, marker: "e"}, []string{}, ""},
	} {
		got, next := page(c.paging, all, key)
		if diff := cmp.Diff(c.want, got); diff != "" || (next == nil) != (c.next == "") || next != nil && *next != c.next {
			t.Errorf("%+v: %v %s", c.paging, next, diff)
		}
	}
	versions := []string{wire.Latest, "1", "2", "10", "100"}
	if !slices.IsSortedFunc(versions, func(a, b string) int { return strings.Compare(versionKey(a), versionKey(b)) }) {
		t.Error("versions are not in the order of their keys")
	}
}

// What is not served is called by its name, so that nobody takes it for something that is not there.
func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"GET /2021-10-31/functions/demo/url":        "no operation GetFunctionUrlConfig (GET /2021-10-31/functions/demo/url): the embedded Lambda does not have it: " + noURLs,
		"GET /2020-04-22/code-signing-configs":      "no operation ListCodeSigningConfigs (GET /2020-04-22/code-signing-configs): the embedded Lambda does not have it",
		"GET /2099-01-01/anything":                  "no operation at GET /2099-01-01/anything: the embedded Lambda does not have it",
		"PUT /2015-03-31/functions/demo/versions":   "no operation at PUT /2015-03-31/functions/demo/versions: the embedded Lambda does not have it",
		"GET /2015-03-31/functions":                 "no operation ListFunctions (GET /2015-03-31/functions): the embedded Lambda does not have it", // a Backend has not
		"POST /2014-11-13/functions/a/invoke-async": "no operation InvokeAsync (POST /2014-11-13/functions/a/invoke-async): the embedded Lambda does not have it: use Invoke with invocation type Event",
	} {
		method, path, _ := strings.Cut(request, " ")
		refused := UnknownOperation(httptest.NewRequestWithContext(t.Context(), method, path, nil))
		if refused.Status != http.StatusNotImplemented || refused.Code != "UnknownOperationException" || refused.Message != want {
			t.Errorf("%s: %d %s", request, refused.Status, refused.Message)
		}
	}
}

// What is kept and cannot be read is an error that says which file it is: starting without it
// would lose it.
func TestStateThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{
		"no JSON":   "{",
		"no code":   `{"functions":[{"region":"eu-west-1","name":"demo","arn":"arn","latest":{"code":"AAAA"}}]}`,
		"no object": "[]",
	} {
		data, err := keep.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := data.Write(stateFile, []byte(state)); err != nil {
			t.Fatal(err)
		}
		if l, err := New(Config{Data: data, CodeStorage: 1}); err == nil || l != nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadFile(data.Path(stateFile)); err != nil || string(left) != state {
			t.Errorf("%s: it is %q now, %v", name, left, err)
		}
	}
}
