package deploy

import (
	"context"
	"debug/elf"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// autoAttempts is how often Auto begins again when others deploy at the same time.
const autoAttempts = 20

// Auto returns a deployer for awslambda.WithAutoDeploy. Client and agent are the same build
// then, and cannot differ.
//
//	awslambda.New(ctx, "demo", awslambda.WithAutoDeploy(deploy.Auto(deploy.Spec{})))
//
// Use it while you develop, and for programs that run from one machine. It is not for clients
// that must not change functions: they need the rights of [DeployerPolicy]. Let those name a
// version or an alias with awslambda.WithQualifier.
//
// A build is deployed once. The first client publishes a version, calls its agent, and makes an
// alias that is named after the hash of the code. Every other client of the same build finds
// the alias, which takes one request. Versions of other builds stay for the clients that use
// them, and nobody removes them. A function that does not exist is created with s. One that
// does exist keeps its configuration. Only when a new build is published it gets what s says.
// The name in s is ignored: the name is that of the backend.
//
// Without a Package or an Artifact in s the code is this very executable. It must have called
// agent.Main, and be built for Linux without cgo. Otherwise the error matches [ErrNotAgent]. A
// function of the other architecture changes to this one's. The executable is read and zipped
// each time, to know its hash.
//
// The deployer blocks: for one request when the build is there, for some seconds when it must
// be deployed. When others deploy at the same time it waits and begins again, 20 times at most,
// with [WithPoll] between. Then the error matches [ErrChanged] or [ErrExists]. Other errors are
// those of [Client.Create] and [Client.Update].
func Auto(s Spec, opts ...Option) awslambda.Deployer {
	return func(ctx context.Context, cfg aws.Config, function string) (string, error) {
		c, err := New(cfg, opts...)
		if err != nil {
			return "", err
		}
		s := s
		s.Name = function
		alias, err := c.auto(ctx, s)
		return alias, fail("deploy", function, err)
	}
}

func (c *Client) auto(ctx context.Context, s Spec) (alias string, err error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	switch {
	case s.Artifact != nil:
	case s.Package != "":
		s.Artifact, err = c.artifact(ctx, &s)
	default:
		s.Artifact, err = ownExecutable()
	}
	if err != nil {
		return "", err
	}
	if alias, err = aliasOf(s.Artifact); err != nil {
		return "", err
	}
	for left := autoAttempts; ; left-- {
		_, err := c.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: aws.String(s.Name), Name: aws.String(alias)})
		switch {
		case err == nil:
			return alias, nil
		case code(err) != notFound:
			return "", cause(ctx, err)
		}
		if err = c.publishBuild(ctx, s, alias); err == nil {
			return alias, nil
		}
		if left == 0 || !errors.Is(err, ErrChanged) && !errors.Is(err, ErrExists) {
			return "", err
		}
		c.say("wait", "somebody else deploys "+s.Name)
		if err := sleep(ctx, c.poll); err != nil {
			return "", err
		}
	}
}

// publishBuild makes the alias of a build, and the function if there is none.
func (c *Client) publishBuild(ctx context.Context, s Spec, alias string) error {
	_, err := c.own(ctx, s.Name)
	if code(err) == notFound {
		_, err = c.create(ctx, s, CreateOptions{NoSmoke: true})
	}
	if err != nil {
		return err
	}
	_, err = c.Update(ctx, s, UpdateOptions{Publish: true, Alias: alias})
	return err
}

// aliasOf names a build by the hash of its code, and its architecture.
func aliasOf(a *Artifact) (string, error) {
	sum, err := base64.StdEncoding.DecodeString(a.Sum)
	if err != nil || len(sum) < 16 {
		return "", invalid("artifact: its sum is no SHA-256 in base64")
	}
	return "build-" + hex.EncodeToString(sum[:16]), nil
}

// ownExecutable packs this program, which is client and agent at once.
func ownExecutable() (*Artifact, error) {
	const hint = "name a Package in deploy.Auto's Spec to have it built"
	refuse := func(format string, args ...any) error {
		return &Error{Kind: ErrNotAgent, Err: fmt.Errorf("this executable "+format, args...), Hint: hint}
	}
	switch {
	case runtime.GOOS != "linux":
		return nil, refuse("runs on %s, and Lambda on Linux", runtime.GOOS)
	case !agentmain.Called():
		return nil, refuse("did not call agent.Main")
	}
	file, err := os.Open("/proc/self/exe") // the one that runs, even if it was replaced
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	program, err := elf.NewFile(file)
	if err != nil {
		return nil, err
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, refuse("needs libraries of this machine: build it with CGO_ENABLED=0")
		}
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	arch := ARM64
	if strings.HasPrefix(runtime.GOARCH, "amd64") {
		arch = X8664
	}
	a, err := Pack(data, arch)
	if err != nil {
		return nil, err
	}
	a.Commit = agentmain.OwnCommit()
	return a, nil
}
