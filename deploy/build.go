package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"runtime"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/build"
)

// An Artifact is an agent ready to be sent: a program, and the zip of it that Lambda takes.
// [Build] and [Pack] make one. Put it in [Spec] to send the same bytes to several functions, or
// to build on another machine than the one that deploys. It is not changed by this package, so
// several deployments may share it.
type Artifact struct {
	// Package is the import path of the program, "agent" if Pack made the artifact. It is shown
	// in plans and in the description of the function.
	Package string

	// Arch is what the program was built for, [ARM64] or [X8664].
	Arch string

	// Zip is what is sent.
	Zip []byte

	// Sum is the SHA-256 of Zip in base64, as in Lambda's CodeSha256. Equal sums are equal
	// code, and are not sent again.
	Sum string

	// Size is that of the executable, in bytes.
	Size int64

	// SDK says that the agent links the AWS SDK, which makes it larger and slower to start. A
	// main package that imports neither awslambda nor local avoids that. [Pack] does not look,
	// so it is false there.
	SDK bool

	// Commit is "MODULE@REVISION" of a package in a git checkout without changes, otherwise
	// empty. The agents say it in their replies, and a client that go build has stamped with another
	// commit of the same module logs a warning.
	Commit string
}

// Build builds the agent of a main package for Lambda and zips it. The same source, Go version
// and module versions give the same bytes on every machine.
//
// pkg is a directory or an import path. A directory that is not absolute must begin with a dot,
// and is below dir. dir "" is the current directory. arch is [ARM64] or [X8664].
//
// It runs the go command of this machine, without cgo, and blocks until that ends or ctx does.
// A first build takes as long as any build of the program, a second one finds Go's build cache
// filled. It is safe for concurrent use.
//
// The error matches [ErrNotAgent] when the package is no main, or does not link package agent.
// It matches [ErrInvalid] for another arch, when pkg means several packages, or when the result
// is above [MaxZip] or [MaxUnpacked]. What the compiler says is in the error's text.
func Build(ctx context.Context, dir, pkg, arch string) (*Artifact, error) {
	if err := checkArch(arch); err != nil {
		return nil, fail("build", pkg, err)
	}
	a, err := compile(ctx, dir, pkg, "linux", arch)
	return a, fail("build", pkg, err)
}

// compile is Build for any system: what plays Lambda on this machine may be no Linux.
func compile(ctx context.Context, dir, pkg, goos, arch string) (*Artifact, error) {
	p, err := build.Agent(ctx, dir, pkg, build.Target{OS: goos, Arch: goarch(arch), Tags: build.ForLambda})
	if err != nil {
		return nil, err
	}
	a := &Artifact{Package: p.Package, Arch: arch, SDK: p.SDK, Commit: p.Commit}
	return a, a.pack(p.Code)
}

// Pack makes an [Artifact] of an agent that was built in another way, for instance by Bazel.
// program is the content of a static Linux executable for arch. Pack does not look into it: a
// program that is no agent is noticed at the smoke call of [Client.Create], after it was
// deployed. [Build] checks before.
//
// The error matches [ErrInvalid] for an arch that is neither [ARM64] nor [X8664], and when the
// result is above [MaxZip] or [MaxUnpacked].
func Pack(program []byte, arch string) (*Artifact, error) {
	if err := checkArch(arch); err != nil {
		return nil, fail("pack", "agent", err)
	}
	a := &Artifact{Package: "agent", Arch: arch}
	return a, fail("pack", "agent", a.pack(program))
}

// check says early what Lambda, or the first comparison with it, would refuse.
func (a *Artifact) check() error {
	if err := checkArch(a.Arch); err != nil {
		return err
	}
	if len(a.Zip) == 0 || a.Sum == "" {
		return invalid("artifact: it has no code: deploy.Build and deploy.Pack make one")
	}
	return nil
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

// BuildHere builds the agent of a main package for this machine, into the file out. Use it with
// local.WithBinary, to run the agent without AWS. It is built without the HTTP server of
// package agent, so it does not serve package httpagent: use go build for that. It blocks and
// fails as [Build] does, but does not check Lambda's limits.
func BuildHere(ctx context.Context, dir, pkg, out string) error {
	return fail("build", pkg, build.To(ctx, dir, pkg, build.Target{OS: runtime.GOOS, Arch: runtime.GOARCH, Tags: build.ForLambda}, out))
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

// Zip packs an executable as Lambda's provided runtimes want it: one file at the root, named
// bootstrap, with mode 0755. The same program gives the same bytes, since the entry has a fixed
// date. It checks no limit: [Pack] does, and is what most programs want.
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
