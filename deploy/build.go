package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// An Artifact is an agent ready to be sent.
type Artifact struct {
	Package string // import path
	Arch    string
	Zip     []byte
	Sum     string // SHA-256 of Zip in base64, as Lambda's CodeSha256
	Size    int64  // bytes of the executable
	SDK     bool   // the agent links the AWS SDK, which makes it larger and slower to start
}

// Build builds the agent of a main package for Lambda and zips it. The same
// source, Go version and module versions give the same bytes on every machine.
// It runs the go command, and blocks until that ends or ctx does.
//
// The error matches [ErrNotAgent] when the package is no main, or does not link
// package agent, and [ErrInvalid] when the result is above Lambda's limits.
func Build(ctx context.Context, dir, pkg, arch string) (*Artifact, error) {
	a, err := build(ctx, dir, pkg, "linux", arch)
	return a, fail("build", pkg, err)
}

func build(ctx context.Context, dir, pkg, goos, arch string) (_ *Artifact, err error) {
	if dir, pkg, err = locate(dir, pkg); err != nil {
		return nil, err
	}
	g := goCommand{dir: dir, goos: goos, goarch: goarch(arch)}
	a := &Artifact{Arch: arch}
	if a.Package, a.SDK, err = g.checkAgent(ctx, pkg); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "lambdapool-build-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	out := filepath.Join(tmp, "bootstrap")
	if err := g.build(ctx, pkg, out); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return a, a.pack(program)
}

// Pack makes an Artifact of an agent that was built in another way. It matches
// [ErrInvalid] when it is above Lambda's limits.
func Pack(program []byte, arch string) (*Artifact, error) {
	a := &Artifact{Package: "agent", Arch: arch}
	return a, fail("pack", "agent", a.pack(program))
}

func (a *Artifact) pack(program []byte) (err error) {
	a.Size = int64(len(program))
	if a.Zip, err = Zip(program); err != nil {
		return err
	}
	sum := sha256.Sum256(a.Zip)
	a.Sum = base64.StdEncoding.EncodeToString(sum[:])
	return checkSize(len(program), len(a.Zip))
}

// BuildHere builds the agent of a main package for this machine, into the file out.
// It blocks and fails as [Build] does.
func BuildHere(ctx context.Context, dir, pkg, out string) error {
	return fail("build", pkg, buildHere(ctx, dir, pkg, out))
}

func buildHere(ctx context.Context, dir, pkg, out string) error {
	out, err := filepath.Abs(out) // go runs elsewhere
	if err != nil {
		return err
	}
	if dir, pkg, err = locate(dir, pkg); err != nil {
		return err
	}
	g := goCommand{dir: dir, goos: runtime.GOOS, goarch: runtime.GOARCH}
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
		return "", "", invalid("package %s means several: name one, a main that calls agent.Main()", pkg)
	}
	path := pkg
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", "", &Error{Kind: ErrNotAgent, Err: err, Hint: "name the directory of a main package that calls agent.Main(), or its import path"}
	case !info.IsDir():
		return "", "", &Error{Kind: ErrNotAgent, Err: fmt.Errorf("%s is a file", pkg), Hint: "name the directory that it is in"}
	}
	return path, ".", nil
}

func (g goCommand) build(ctx context.Context, pkg, out string) error {
	_, err := g.run(ctx, "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc",
		"-ldflags", "-s -w -buildid=", "-o", out, "--", pkg)
	return err
}

func checkSize(unpacked, zipped int) error {
	switch {
	case zipped > MaxZip:
		return invalid("the zip has %.1f MB: Lambda takes %d MB in a request; what the agent links is in `go list -deps`, data belongs into a bucket or a layer", float64(zipped)/(1<<20), MaxZip>>20)
	case unpacked > MaxUnpacked:
		return invalid("the agent has %.1f MB: Lambda takes %d MB unpacked", float64(unpacked)/(1<<20), MaxUnpacked>>20)
	}
	return nil
}

// Zip packs an executable as Lambda's provided runtimes want it: named bootstrap,
// mode 0755, at the root. The same program gives the same bytes.
func Zip(program []byte) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	header := &zip.FileHeader{
		Name:     "bootstrap",
		Method:   zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), // the oldest that a zip can say
	}
	header.SetMode(0o755)
	entry, err := w.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := entry.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func goarch(arch string) string {
	if arch == X8664 {
		return "amd64"
	}
	return "arm64"
}

// A goCommand runs go for one platform.
type goCommand struct{ dir, goos, goarch string }

func (g goCommand) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // no shell, and -- before what the caller names
	cmd.Dir = g.dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS="+g.goos, "GOARCH="+g.goarch)
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
				return "", false, invalid("%s means several packages: name one, a main that calls agent.Main()", pkg)
			}
			path, name = importPath, pkgName
		}
	}
	switch {
	case name != "main":
		return "", false, &Error{Kind: ErrNotAgent, Err: fmt.Errorf("package %s is %s, not main", path, name), Hint: "name a main package whose first line is agent.Main()"}
	case !linked:
		return "", false, &Error{Kind: ErrNotAgent, Err: fmt.Errorf("package %s does not import %s", path, agentPackage), Hint: "make agent.Main() the first line of its main"}
	}
	return path, sdk, nil
}
