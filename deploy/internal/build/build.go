// Package build builds the agents of main packages with the go command of this machine, the same bytes on
// every machine, whichever cloud they are for.
package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/shared"
)

// A Target is what an agent is built for.
type Target struct{ OS, Arch, Tags string }

const (
	// ForLambda leaves out what an agent on Lambda does not use: the RPC of aws-lambda-go, and the HTTP server
	// of package agent.
	ForLambda = "lambda.norpc,lambdapool.nohttp"
	// ForHTTP leaves out the RPC alone.
	ForHTTP = "lambda.norpc"
)

// A Program is an agent that was built.
type Program struct {
	Package string // import path
	Code    []byte // the executable
	SDK     bool   // it links the AWS SDK
	Commit  string // MODULE@REVISION, or empty where nothing is certain
}

// Agent builds the agent of a main package.
func Agent(ctx context.Context, dir, pkg string, to Target) (_ *Program, err error) {
	if dir, pkg, err = locate(dir, pkg); err != nil {
		return nil, err
	}
	g := goCommand{dir, to}
	p := &Program{}
	if p.Package, p.SDK, err = g.checkAgent(ctx, pkg); err != nil {
		return nil, err
	}
	p.Commit = g.commit(ctx, pkg)
	tmp, err := os.MkdirTemp("", "lambdapool-build-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	out := filepath.Join(tmp, "agent")
	if err := g.build(ctx, pkg, out); err != nil {
		return nil, err
	}
	p.Code, err = os.ReadFile(out)
	return p, err
}

// To builds it into the file out.
func To(ctx context.Context, dir, pkg string, to Target, out string) error {
	out, err := filepath.Abs(out) // go runs elsewhere
	if err != nil {
		return err
	}
	if dir, pkg, err = locate(dir, pkg); err != nil {
		return err
	}
	g := goCommand{dir, to}
	if _, _, err := g.checkAgent(ctx, pkg); err != nil {
		return err
	}
	return g.build(ctx, pkg, out)
}

// locate makes a package that is named as a directory the current one: it may belong
// to another module than the directory we are in.
func locate(dir, pkg string) (string, string, error) {
	if !filepath.IsAbs(pkg) && !strings.HasPrefix(pkg, ".") {
		return dir, pkg, nil
	}
	if strings.Contains(pkg, "...") {
		return "", "", steps.Invalid("package %s means several: name one, a main that calls agent.Main()", pkg)
	}
	path := pkg
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", "", &shared.Error{Kind: shared.ErrNotAgent, Err: err, Hint: "name the directory of a main package that calls agent.Main(), or its import path"}
	case !info.IsDir():
		return "", "", &shared.Error{Kind: shared.ErrNotAgent, Err: fmt.Errorf("%s is a file", pkg), Hint: "name the directory that it is in"}
	}
	return path, ".", nil
}

// build leaves out what differs from machine to machine: paths, the state of the checkout, symbols.
func (g goCommand) build(ctx context.Context, pkg, out string) error {
	_, err := g.run(ctx, "build", "-trimpath", "-buildvcs=false", "-tags", g.to.Tags,
		"-ldflags", "-s -w -buildid=", "-o", out, "--", pkg)
	return err
}

// A goCommand runs go for one platform.
type goCommand struct {
	dir string
	to  Target
}

// run returns what go printed. When it fails, its error is what it said, since that names the line
// to mend.
func (g goCommand) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // no shell, and -- before what the caller names
	cmd.Dir = g.dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS="+g.to.OS, "GOARCH="+g.to.Arch)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that go ends its compilers, too
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the go command cannot be run here: %w; agents are built with it, from https://go.dev/dl/", err)
	}
	if text := strings.TrimSpace(stderr.String()); text != "" {
		return nil, fmt.Errorf("go %s: %s", args[0], text)
	}
	return nil, fmt.Errorf("go %s: %w", args[0], err)
}

const (
	agentPackage = module + "/agent"
	sdkModule    = "github.com/aws/aws-sdk-go-v2"
)

// checkAgent returns the import path of pkg if it is a main package that links
// the agent.
func (g goCommand) checkAgent(ctx context.Context, pkg string) (path string, sdk bool, err error) {
	out, err := g.run(ctx, "list", "-deps", "-f", "{{.ImportPath}} {{.Name}} {{.DepOnly}}", "--", pkg)
	if err != nil {
		return "", false, err
	}
	linked, name := false, ""
	for line := range strings.Lines(string(out)) {
		var importPath, pkgName string
		var depOnly bool
		if _, err := fmt.Sscan(line, &importPath, &pkgName, &depOnly); err != nil {
			return "", false, fmt.Errorf("go list: unexpected answer %q", line)
		}
		linked = linked || importPath == agentPackage
		sdk = sdk || strings.HasPrefix(importPath, sdkModule)
		if !depOnly {
			if path != "" {
				return "", false, steps.Invalid("%s means several packages: name one, a main that calls agent.Main()", pkg)
			}
			path, name = importPath, pkgName
		}
	}
	switch {
	case name != "main":
		return "", false, &shared.Error{Kind: shared.ErrNotAgent, Err: fmt.Errorf("package %s is %s, not main", path, name), Hint: "name a main package whose first line is agent.Main()"}
	case !linked:
		return "", false, &shared.Error{Kind: shared.ErrNotAgent, Err: fmt.Errorf("package %s does not import %s", path, agentPackage), Hint: "make agent.Main() the first line of its main"}
	}
	return path, sdk, nil
}
