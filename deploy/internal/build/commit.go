package build

import (
	"bytes"
	"context"
	"os/exec"
	"strings"

	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// commit names the commit that a main package is built from, as go build stamps it into
// programs. The agent itself is built without the stamp, or its bytes would change
// with every commit, and a commit of the documentation would be another agent.
//
// It is empty where nothing is certain: there is no git, the package is in no checkout, or
// something there is changed or new.
func (g goCommand) commit(ctx context.Context, pkg string) string {
	out, err := g.run(ctx, "list", "-f", "{{with .Module}}{{if not .Version}}{{.Path}}{{end}}{{end}}\n{{.Dir}}", "--", pkg)
	if err != nil {
		return ""
	}
	module, dir, _ := strings.Cut(strings.TrimSuffix(string(out), "\n"), "\n")
	if module == "" || dir == "" {
		return ""
	}
	revision, err := git(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	changes, err := git(ctx, dir, "status", "--porcelain")
	if err != nil {
		return ""
	}
	return agentmain.Commit(module, revision, changes != "")
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // no shell, and all arguments are ours
	cmd.Dir = dir
	out, err := cmd.Output()
	return string(bytes.TrimSpace(out)), err
}
