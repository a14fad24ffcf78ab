package sandbox

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
)

// An agent sees what Lambda sets and what the user adds, and nothing of this process.
func TestEnvironment(t *testing.T) {
	t.Setenv("OF_THIS_PROCESS", "secret")
	spec := Spec{
		Region: "eu-west-1", Name: "demo", Version: "7", Memory: 512, Address: "127.0.0.1:1", Isolation: true,
		Credentials: aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "token"},
		Build:       func() string { return "build" },
	}
	base := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "HOME": os.TempDir(), "TMPDIR": os.TempDir(),
		"_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": "/dir", "LAMBDA_RUNTIME_DIR": "/dir",
		"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "demo", "AWS_LAMBDA_FUNCTION_VERSION": "7",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/demo", "AWS_LAMBDA_LOG_STREAM_NAME": "stream", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1/e/id",
		"LAMBDAPOOL_LOCAL_AGENT": "1", "LAMBDAPOOL_LIFELINE_FD": "3", "LAMBDAPOOL_ISOLATION": "on", "LAMBDAPOOL_BUILD": "build",
	}
	role := map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
	for name, c := range map[string]struct {
		change func(*Spec)
		more   []map[string]string
		less   string
	}{
		"as it is":     {func(*Spec) {}, []map[string]string{role}, ""},
		"the user's":   {func(s *Spec) { s.Env = map[string]string{"MINE": "1", "TZ": ":Local"} }, []map[string]string{role, {"MINE": "1", "TZ": ":Local"}}, ""},
		"a profile":    {func(s *Spec) { s.Env = map[string]string{"AWS_PROFILE": "other"} }, []map[string]string{{"AWS_PROFILE": "other"}}, ""},
		"a group":      {func(s *Spec) { s.LogGroup = "/g" }, []map[string]string{role, {"AWS_LAMBDA_LOG_GROUP_NAME": "/g"}}, ""},
		"no isolation": {func(s *Spec) { s.Isolation = false }, []map[string]string{role, {"LAMBDAPOOL_ISOLATION": "off"}}, ""},
		"no build":     {func(s *Spec) { s.Build = func() string { return "" } }, []map[string]string{role}, "LAMBDAPOOL_BUILD"},
	} {
		s := spec
		c.change(&s)
		want := maps.Clone(base)
		for _, more := range c.more {
			maps.Copy(want, more)
		}
		delete(want, c.less)
		got := map[string]string{}
		for _, v := range s.environment("id", "stream", "/dir") {
			name, value, _ := strings.Cut(v, "=")
			got[name] = value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The platform's own errors are JSON as functions' are, and nothing in them is escaped that need not be.
func TestErrorBody(t *testing.T) {
	t.Parallel()
	if got, want := string(ErrorBody("A", "a < %q & %d", "b", 7)), `{"errorType":"A","errorMessage":"a < \"b\" & 7"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDurationsOfReports(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]struct {
		millis string
		billed int64
	}{
		0:                             {"0.00", 0},
		time.Nanosecond:               {"0.00", 1},
		time.Millisecond:              {"1.00", 1},
		1500 * time.Microsecond:       {"1.50", 2},
		time.Second + time.Nanosecond: {"1000.00", 1001},
	} {
		if millis(d) != want.millis || billed(d) != want.billed {
			t.Errorf("%v: %s and %d, want %+v", d, millis(d), billed(d), want)
		}
	}
}

// A build is the program's content, whatever it is called.
func TestBuild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write("first", "one")
	one := Build(first)
	if len(one) != buildLength || Build(write("other", "one")) != one {
		t.Errorf("the build of the same is %q and another", one)
	}
	if two := Build(write("second", "two")); len(two) != buildLength || two == one {
		t.Errorf("the build of something else is %q", two)
	}
	if err := os.Rename(filepath.Join(dir, "second"), first); err != nil {
		t.Fatal(err)
	}
	if Build(first) == one {
		t.Error("a file that was replaced is the same build")
	}
	if got := Build(filepath.Join(dir, "none")); got != "" {
		t.Errorf("what is not there is build %q", got)
	}
	if Build("") == "" {
		t.Error("this executable has no build")
	}
}
