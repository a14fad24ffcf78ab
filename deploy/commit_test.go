package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/deploy"
)

const greeter = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

var greet = lambdapool.Register("greet", func(_ context.Context, who string) (string, error) { return "hello " + who, nil })

func main() {
	agent.Main()
	ctx := context.Background()
	b, err := awslambda.New(ctx, "demo", awslambda.WithRegion("us-east-1"), awslambda.WithEndpoint(os.Args[1]))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	pool, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	for range 2 {
		fmt.Println(lambdapool.Call(ctx, pool, greet, "Ada"))
	}
}
`

// A checkout is a git repository with a program that is client and agent.
type checkout struct {
	t   *testing.T
	dir string
	a   *account
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, dir: t.TempDir(), a: newAccount(t)}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	const us = "github.com/lambdapool/lambdapool"
	c.write("go.mod", strings.Replace(string(mod), "module "+us, "module example.com/greeter", 1)+
		"\nrequire "+us+" v0.0.0\n\nreplace "+us+" => "+root+"\n")
	c.write("go.sum", string(sums))
	c.write("main.go", greeter)
	c.run("git", "init", "-q")
	c.commit()
	return c
}

func (c *checkout) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkout) run(name string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), name, args...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits everything, and returns how it is named.
func (c *checkout) commit() string {
	c.t.Helper()
	c.run("git", "add", "-A")
	c.run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", "commit", "-qm", "change")
	return "example.com/greeter@" + c.run("git", "rev-parse", "HEAD")[:12]
}

// client builds the program as it is now, as a client.
func (c *checkout) client() func() (printed, logged string) {
	c.t.Helper()
	program := filepath.Join(c.t.TempDir(), "client")
	c.run("go", "build", "-buildvcs=true", "-ldflags=-s -w", "-o", program, ".") // nobody debugs it
	return func() (string, string) {
		c.t.Helper()
		cmd := exec.CommandContext(c.t.Context(), program, c.a.server.Endpoint())
		id, secret := c.a.server.Credentials()
		cmd.Env = append(cmd.Environ(), "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_SESSION_TOKEN=",
			"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none")
		var out, log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &log
		if err := cmd.Run(); err != nil {
			c.t.Fatalf("%v\n%s%s", err, &out, &log)
		}
		return strings.TrimSpace(out.String()), log.String()
	}
}

func (c *checkout) spec() deploy.Spec {
	return deploy.Spec{Name: "demo", Package: ".", Dir: c.dir, Arch: hostArch()}
}

// A client learns that the agents are of another commit, where both sides are certain of theirs.
func TestClientsOfAnotherCommitAreTold(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	first := "example.com/greeter@" + c.run("git", "rev-parse", "HEAD")[:12]
	account := c.a.client(t)
	created, err := account.Create(t.Context(), c.spec(), deploy.CreateOptions{NoSmoke: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := created.Function.Env["LAMBDAPOOL_BUILD"]; got != first {
		t.Fatalf("deployed as %q, want %q", got, first)
	}
	old := c.client()
	if printed, logged := old(); printed != "hello Ada <nil>\nhello Ada <nil>" || strings.Contains(logged, "another build") {
		t.Fatalf("%s\n%s", printed, logged)
	}

	c.write("main.go", strings.Replace(greeter, `"hello "`, `"good evening "`, 1))
	if printed, logged := c.client()(); printed != "hello Ada <nil>\nhello Ada <nil>" || strings.Contains(logged, "another build") {
		t.Errorf("built of no commit:\n%s\n%s", printed, logged)
	}
	second := c.commit()
	current := c.client()
	printed, logged := current()
	if printed != "hello Ada <nil>\nhello Ada <nil>" || strings.Count(logged, "another build") != 1 ||
		!strings.Contains(logged, "agent="+first+" want="+second) {
		t.Errorf("want one warning that names %s and %s:\n%s\n%s", first, second, printed, logged)
	}
	findings, err := account.Doctor(t.Context(), "demo", deploy.DoctorOptions{Package: ".", Dir: c.dir})
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, f := range findings {
		told = told || f.Check == "code" && f.Level == deploy.Warning &&
			strings.HasSuffix(f.Text, "built from commit "+first+", and the local code is "+second)
	}
	if !told {
		t.Errorf("doctor: %+v", findings)
	}

	updated, err := account.Update(t.Context(), c.spec(), deploy.UpdateOptions{NoSmoke: true})
	if err != nil {
		t.Fatal(err)
	}
	if plan := strings.Join(updated.Plan, "\n"); !strings.Contains(plan, "commit "+first+" → "+second) {
		t.Error(plan)
	}
	if printed, logged := current(); printed != "good evening Ada <nil>\ngood evening Ada <nil>" || strings.Contains(logged, "another build") {
		t.Errorf("%s\n%s", printed, logged)
	}

	c.write("notes.txt", "new")
	if updated, err = account.Update(t.Context(), c.spec(), deploy.UpdateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	if got, there := updated.Function.Env["LAMBDAPOOL_BUILD"]; there {
		t.Errorf("what is not certain is claimed: %s", got)
	}
	if _, logged := old(); strings.Contains(logged, "another build") {
		t.Error(logged)
	}
}
