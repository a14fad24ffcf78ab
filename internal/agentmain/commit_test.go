package agentmain_test

import (
	"runtime/debug"
	"testing"

	"github.com/lambdapool/lambdapool/internal/agentmain"
)

func TestCommitOf(t *testing.T) {
	const revision = "3f2a9c0d1e2b3f2a9c0d1e2b3f2a9c0d1e2b3f2a"
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     string
	}{
		{"go build in a clean checkout", map[string]string{"vcs": "git", "vcs.revision": revision, "vcs.modified": "false"}, "example.com/m@3f2a9c0d1e2b"},
		{"with changes", map[string]string{"vcs.revision": revision, "vcs.modified": "true"}, ""},
		{"nobody says whether there were any", map[string]string{"vcs.revision": revision}, ""},
		{"go run", map[string]string{"GOOS": "linux"}, ""},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Path: "example.com/m"}}
		for key, value := range tt.settings {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: key, Value: value})
		}
		if got := agentmain.CommitOf(info); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := agentmain.OwnCommit(); got != "" {
		t.Errorf("a test binary is no commit, but %s", got)
	}
}

func TestDiffer(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "", false},
		{"aaaa", "", false},
		{"", "m@1", false},
		{"aaaa", "aaaa", false},
		{"aaaa", "bbbb", true},
		{"m@1", "m@1", false},
		{"m@1", "m@2", true},
		{"m@1", "n@2", false}, // client and agent of two modules
		{"aaaa", "m@1", false},
	} {
		if got := agentmain.Differ(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %v", tt.a, tt.b, got)
		}
	}
}
