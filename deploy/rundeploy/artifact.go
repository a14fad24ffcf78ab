package rundeploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lambdapool/lambdapool/deploy/internal/build"
	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/deploy/rundeploy/internal/image"
)

// An Artifact is an agent in a container image, ready to be pushed. [Build] and [Pack] make one. Put it in [Spec] to
// send the same image to several services. It is not changed by this package, so several deployments may share it.
type Artifact struct {
	// Package is the import path of the program, "agent" if Pack made the artifact.
	Package string

	// Digest is that of the image: "sha256:…". Equal digests are equal images, and are not sent again.
	Digest string

	// Size is that of the executable, and Compressed that of the image's layer, in bytes.
	Size, Compressed int64

	// SDK says that the agent links the AWS SDK, which makes it larger and slower to start. [Pack] does not look.
	SDK bool

	// Commit is "MODULE@REVISION" of a package in a git checkout without changes, otherwise empty: see deploy.Artifact.
	Commit string

	image   v1.Image
	archive func() (*archive, error) // for services without an image; made when one is deployed
}

// An archive is an agent as services without an image have it.
type archive struct {
	data []byte
	key  string // of its object, made of its digest
}

// Build builds the agent of a main package for Cloud Run, linux/amd64, and makes an image of it. The same source, Go
// version and module versions give the same digest on every machine.
//
// pkg is a directory or an import path. A directory that is not absolute must begin with a dot, and is below dir. dir
// "" is the current directory. It runs the go command of this machine, without cgo, and blocks until that ends or ctx
// does. Nothing is sent.
//
// The error matches shared.ErrNotAgent when the package is no main, or does not link package agent.
func Build(ctx context.Context, dir, pkg string) (*Artifact, error) {
	a, err := compile(ctx, dir, pkg)
	return a, fail("build", pkg, err)
}

func compile(ctx context.Context, dir, pkg string) (*Artifact, error) {
	p, err := build.Agent(ctx, dir, pkg, build.Target{OS: "linux", Arch: "amd64", Tags: build.ForHTTP})
	if err != nil {
		return nil, err
	}
	a, err := pack(p.Code)
	if err != nil {
		return nil, err
	}
	a.Package, a.SDK, a.Commit = p.Package, p.SDK, p.Commit
	return a, nil
}

// Pack makes an [Artifact] of an agent that was built in another way, for instance by Bazel. program is the content of
// a static executable for linux/amd64: the error matches shared.ErrInvalid if it is not one. A program that is no
// agent is noticed when it is deployed: it does not listen.
func Pack(program []byte) (*Artifact, error) {
	a, err := pack(program)
	return a, fail("pack", "agent", err)
}

func pack(program []byte) (*Artifact, error) {
	if err := checkProgram(program); err != nil {
		return nil, err
	}
	img, err := image.Of(program)
	if err != nil {
		return nil, err
	}
	a := &Artifact{Package: "agent", Size: int64(len(program)), image: img}
	a.archive = sync.OnceValues(func() (*archive, error) {
		data, err := image.Archive(program)
		sum := sha256.Sum256(data)
		return &archive{data, archives + hex.EncodeToString(sum[:]) + ".tar.gz"}, err
	})
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			return nil, err
		}
		a.Compressed += size
	}
	a.Digest = digest.String()
	return a, nil
}

// checkProgram refuses what no instance could start.
func checkProgram(program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return steps.Invalid("the agent is no executable of Linux: %w", err)
	}
	if f.Machine != elf.EM_X86_64 {
		return steps.Invalid("the agent is for %v: Cloud Run runs amd64 alone; build it with GOARCH=amd64", f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return steps.Invalid("the agent needs libraries, and the image has none: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

func (a *Artifact) check() error {
	if a.image == nil {
		return steps.Invalid("artifact: it has no image: rundeploy.Build and rundeploy.Pack make one")
	}
	return nil
}

func (a *Artifact) String() string {
	return fmt.Sprintf("%s, %.1f MB, %.1f MB compressed", a.Package, float64(a.Size)/(1<<20), float64(a.Compressed)/(1<<20))
}
