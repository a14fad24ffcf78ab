package deploy_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/deploy"
)

// running is an account with demo and a working agent.
func running(t testing.TB) (*account, *deploy.Client) {
	t.Helper()
	a := newAccount(t)
	c := a.client(t)
	if _, err := c.Create(t.Context(), full(t), deploy.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return a, c
}

func TestLogsFollowAndFilter(t *testing.T) {
	_, c := running(t)
	call := func() string {
		r, err := c.Call(t.Context(), "demo", deploy.Call{Function: "fibonacci", Args: []string{"30"}})
		if err != nil {
			t.Fatal(err)
		}
		return r.RequestID
	}
	first := call()
	var lines []string
	for line, err := range c.Logs(t.Context(), "demo", deploy.LogQuery{RequestID: first}) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(line.Text, first) || line.Time.IsZero() || line.Stream == "" {
			t.Errorf("%+v is not about %s", line, first)
		}
		lines = append(lines, line.Text)
	}
	if len(lines) < 2 {
		t.Errorf("the log of %s is %q", first, lines)
	}

	// Following, the second call appears, and nothing twice.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	seen, second := map[string]int{}, ""
	for line, err := range c.Logs(ctx, "demo", deploy.LogQuery{Follow: true, Filter: "REPORT"}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[line.Text]++
		switch {
		case second == "" && strings.Contains(line.Text, first):
			second = call()
		case second != "" && strings.Contains(line.Text, second):
			cancel()
		}
	}
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("the second call did not appear: %v", context.Cause(ctx))
	}
	for text, n := range seen {
		if n > 1 {
			t.Errorf("%d times: %s", n, text)
		}
	}

	for _, err := range c.Logs(t.Context(), "other", deploy.LogQuery{}) {
		if !errors.Is(err, deploy.ErrNotFound) || !strings.Contains(err.Error(), "made at the first call") {
			t.Error(err)
		}
	}
}

func TestCallTellsWhoFailed(t *testing.T) {
	_, c := running(t)
	for _, tc := range []struct {
		call deploy.Call
		want string
	}{
		{deploy.Call{Function: "factorial", Args: []string{"-1"}}, "lambdapool: call factorial: factorial(-1): negative"},
		{deploy.Call{Function: "factorail", Args: []string{"1"}}, "did you mean factorial?"},
		{deploy.Call{Function: "factorial", Args: []string{"1"}, Qualifier: "nosuch"}, "not found"},
		{deploy.Call{Function: "factorial", Args: []string{"1"}, Qualifier: "no such"}, "qualifier"},
	} {
		if _, err := c.Call(t.Context(), "demo", tc.call); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want …%s…", tc.call, err, tc.want)
		}
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	a, c := running(t)
	reserved := 0
	update := deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 256, ReservedConcurrency: &reserved}}
	if _, err := c.Update(t.Context(), update, deploy.UpdateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	findings, err := c.Doctor(t.Context(), "demo", deploy.DoctorOptions{Workers: 800})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]deploy.Level{}
	for _, f := range findings {
		got[f.Check] = f.Level
		if (f.Level == deploy.Warning || f.Level == deploy.Problem) && f.Remedy == "" {
			t.Errorf("%+v has no remedy", f)
		}
	}
	want := map[string]deploy.Level{
		"region": deploy.OK, "credentials": deploy.OK, "function": deploy.OK, "version": deploy.OK, "memory": deploy.Warning,
		"code": deploy.Note, "code storage": deploy.OK, "agent": deploy.Note, "concurrency": deploy.Problem, "log streams": deploy.Note,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s%+v", diff, findings)
	}

	reserved = -1
	if _, err := c.Update(t.Context(), update, deploy.UpdateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	findings, err = c.Doctor(t.Context(), "demo", deploy.DoctorOptions{Workers: 800, Local: func(context.Context) ([]deploy.RegisteredFn, error) {
		return []deploy.RegisteredFn{{Name: "fibonacci", Shape: "func(int64) int"}, {Name: "new", Shape: "func()"}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var shapes []string
	for _, f := range findings {
		if f.Check == "shapes" {
			shapes = append(shapes, f.Text)
		}
		if f.Check == "concurrency" && !strings.Contains(f.Text, "leaves 200 to all other functions") {
			t.Error(f.Text)
		}
	}
	slices.Sort(shapes)
	if diff := cmp.Diff([]string{
		"factorial: client has none, agent func(int) int",
		"fibonacci: client func(int64) int, agent func(int) int",
		"new: client func(), agent has none",
	}, shapes); diff != "" {
		t.Error(diff)
	}

	a.before = func(_ int, _ string, r *http.Request) (*http.Response, error) {
		return answer(r, 403, "ExpiredTokenException", "expired"), nil
	}
	findings, err = c.Doctor(t.Context(), "demo", deploy.DoctorOptions{})
	if last := findings[len(findings)-1]; err != nil || last.Check != "credentials" || last.Level != deploy.Problem {
		t.Errorf("%+v, %v", findings, err)
	}
}

func TestEstimates(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		name     string
		sample   deploy.Sample
		cheapest int
		least    int // the smallest setting that is considered
	}{
		// What computes costs the same wherever it has part of a vCPU, so rounding decides; what waits is cheapest small.
		{"waits", deploy.Sample{Run: time.Second, CPU: time.Millisecond, Memory: 1769}, 128, 128},
		{"needs memory", deploy.Sample{Run: time.Second, CPU: time.Millisecond, PeakMemory: 300 * mb, Memory: 1769}, 512, 512},
	} {
		t.Run(tc.name, func(t *testing.T) {
			estimates := deploy.Estimates([]deploy.Sample{tc.sample}, 1000, deploy.ARM64)
			if estimates[0].Memory != tc.least {
				t.Errorf("begins at %d MB", estimates[0].Memory)
			}
			for _, e := range estimates {
				if e.Cheapest != (e.Memory == tc.cheapest) || e.Measured != (e.Memory == 1769) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
	half := deploy.Estimates([]deploy.Sample{{Run: time.Second, CPU: time.Second, Memory: 1024}}, 1, deploy.X8664, 512, 3538)
	if got, want := half[0].Run, 2*time.Second; got != want {
		t.Errorf("at half the memory a computation takes %v, want %v", got, want)
	}
	if got := half[2].Run.Round(time.Millisecond); got != 579*time.Millisecond {
		t.Errorf("beyond one vCPU a computation takes %v: one goroutine has one vCPU", got)
	}
	if deploy.Estimates(nil, 1, deploy.ARM64) != nil {
		t.Error("estimates of nothing")
	}
}

func TestRightsAreGranted(t *testing.T) {
	_, c := running(t)
	if err := c.GrantAgent(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
	if err := c.GrantAgent(t.Context(), "other"); !errors.Is(err, deploy.ErrNotFound) {
		t.Error(err)
	}
	for _, on := range []bool{true, true, false, false} {
		if err := c.GrantNested(t.Context(), "demo", on); err != nil {
			t.Error(on, err)
		}
	}
	if err := c.GrantNested(t.Context(), "other", true); !errors.Is(err, deploy.ErrNotFound) {
		t.Error(err)
	}
	in := deploy.PolicyInput{Function: "demo"}
	if err := c.GrantClient(t.Context(), in, deploy.Principal{Role: "lambdapool-demo"}); err != nil {
		t.Error(err)
	}
	if err := c.GrantClient(t.Context(), in, deploy.Principal{}); !errors.Is(err, deploy.ErrInvalid) {
		t.Error(err)
	}
	in, err := c.PolicyInput(t.Context(), in)
	if diff := cmp.Diff(deploy.PolicyInput{Partition: "aws", Region: "us-east-1", Account: "000000000000", Function: "demo"}, in); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// What Lambda would refuse, or take for something else, is refused before anything is built or sent.
func TestArchitecturesAreChecked(t *testing.T) {
	c := newAccount(t).client(t)
	good := artifact(t)
	for _, arch := range []string{"amd64", "arm", "", "x86"} {
		_, err := deploy.Pack([]byte("program"), arch)
		wantInvalid(t, "Pack for "+arch, err)
		_, err = deploy.Build(t.Context(), "", "github.com/lambdapool/lambdapool/examples/algorithms", arch)
		wantInvalid(t, "Build for "+arch, err)
		odd := *good
		odd.Arch = arch
		spec := deploy.Spec{Name: "demo", Artifact: &odd}
		_, err = c.Create(t.Context(), spec, deploy.CreateOptions{})
		wantInvalid(t, "Create with an artifact for "+arch, err)
		_, err = deploy.Auto(spec)(t.Context(), c.Config(), "demo")
		wantInvalid(t, "Auto with an artifact for "+arch, err)
	}
	_, err := c.Create(t.Context(), deploy.Spec{Name: "demo", Artifact: &deploy.Artifact{Arch: deploy.ARM64}}, deploy.CreateOptions{})
	wantInvalid(t, "Create with an empty artifact", err)
	_, err = deploy.New(c.Config(), nil)
	wantInvalid(t, "New with a nil option", err)
}

func wantInvalid(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, deploy.ErrInvalid) {
		t.Errorf("%s: %v; want ErrInvalid", what, err)
	}
}

// What is built is for the platform that was asked for, whichever this machine is: there each package has another name.
func TestBuildIsForAPlatform(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":             "module example.com/other\n",
		"one_linux_arm64.go": "package linuxarm\n", "one_linux_amd64.go": "package linuxamd\n", "one_darwin.go": "package darwin\n", "one_windows.go": "package windows\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for arch, want := range map[string]string{deploy.ARM64: "is linuxarm, not main", deploy.X8664: "is linuxamd, not main"} {
		if _, err := deploy.Build(t.Context(), dir, ".", arch); !errors.Is(err, deploy.ErrNotAgent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", arch, err, want)
		}
	}
}

func TestBuildRefusesWhatIsNoAgent(t *testing.T) {
	for _, tc := range []struct {
		pkg  string
		kind error
		want string
	}{
		{"./codec", deploy.ErrNotAgent, "is codec, not main"},
		{"./cmd/lambdapool", deploy.ErrNotAgent, "does not import"},
		{"./nosuch", deploy.ErrNotAgent, "no such file or directory"},
		{"./go.mod", deploy.ErrNotAgent, "is a file"},
		{"./...", deploy.ErrInvalid, "means several"},
		{"example.org/nosuch", nil, "go list"},
	} {
		_, err := deploy.Build(t.Context(), "..", tc.pkg, deploy.ARM64)
		if err == nil || !strings.Contains(err.Error(), tc.want) || tc.kind != nil && !errors.Is(err, tc.kind) {
			t.Errorf("%s: %v, want …%s…", tc.pkg, err, tc.want)
		}
	}
	big := make([]byte, deploy.MaxUnpacked+1)
	if _, err := deploy.Pack(big, deploy.ARM64); !errors.Is(err, deploy.ErrInvalid) || !strings.Contains(err.Error(), "250 MB unpacked") {
		t.Error(err)
	}
}
