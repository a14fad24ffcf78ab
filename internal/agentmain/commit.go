package agentmain

import (
	"runtime/debug"
	"strings"
)

// shownRevision is how many digits of a revision name it: more than git itself shows.
const shownRevision = 12

// Commit names the source of a build of a module: "example.com/module@3f2a…". It is empty where
// that is not certain: there is no revision, or the tree had changes besides.
func Commit(module, revision string, modified bool) string {
	if module == "" || revision == "" || modified {
		return ""
	}
	return module + "@" + revision[:min(len(revision), shownRevision)]
}

// CommitOf is the Commit that a build was stamped with: go build does it in a clean checkout, go
// run and go test do not.
func CommitOf(info *debug.BuildInfo) string {
	revision, modified := "", true
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value != "false"
		}
	}
	return Commit(info.Main.Path, revision, modified)
}

// OwnCommit is the Commit of this program.
func OwnCommit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return CommitOf(info)
}

// Differ reports whether two names of builds, hashes or Commits, are certain to be of different
// ones. Commits of different modules say nothing: client and agent need not be one module.
func Differ(a, b string) bool {
	if a == "" || b == "" || a == b {
		return false
	}
	moduleA, _, commitA := strings.Cut(a, "@")
	moduleB, _, commitB := strings.Cut(b, "@")
	return commitA == commitB && (!commitA || moduleA == moduleB)
}
