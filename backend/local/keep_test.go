package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local"
)

// inventory is all that the control plane says, without the ids of requests.
func inventory(t *testing.T, c cloud) map[string]any {
	t.Helper()
	said := map[string]any{}
	note := func(what string, answer any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var shape map[string]any
		if err := json.Unmarshal(must(json.Marshal(answer)), &shape); err != nil {
			t.Fatal(err)
		}
		delete(shape, "ResultMetadata")
		said[what] = shape
	}
	function, err := c.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: name})
	if err == nil {
		function.Code.Location = nil // a link of this moment, and of this process
	}
	note("function", function, err)
	versions, err := c.ListVersionsByFunction(t.Context(), &lambda.ListVersionsByFunctionInput{FunctionName: name})
	note("versions", versions, err)
	aliases, err := c.ListAliases(t.Context(), &lambda.ListAliasesInput{FunctionName: name})
	note("aliases", aliases, err)
	events, err := c.ListFunctionEventInvokeConfigs(t.Context(), &lambda.ListFunctionEventInvokeConfigsInput{FunctionName: name})
	note("events", events, err)
	role, err := c.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("agent")})
	note("role", role, err)
	policy, err := c.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String("agent"), PolicyName: aws.String("logs")})
	note("policy", policy, err)
	return said
}

// openKept is openServer with what a directory has.
func openKept(t *testing.T, dir string, opts ...local.Option) (*local.Server, cloud) {
	t.Helper()
	s, err := local.NewServer(append(opts, local.WithData(dir))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, clients(t, s)
}

func TestDataKeepsFunctionsAndRoles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, c := openKept(t, dir)
	roleFor(t, c)
	c.create(t, handlerFunction("gone"))
	in := handlerFunction("demo")
	in.Tags = map[string]string{"a": "1"}
	c.create(t, in)
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	do(c.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name, Description: aws.String("first")}))
	do(c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(61)}))
	do(c.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1")}))
	do(c.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(3)}))
	do(c.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, Qualifier: aws.String("live"), MaximumRetryAttempts: aws.Int32(1)}))
	do(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("agent"), PolicyName: aws.String("logs"), PolicyDocument: aws.String(`{"Statement":[]}`)}))
	do(c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("gone")}))
	before := inventory(t, c)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, c = openKept(t, dir)
	if diff := cmp.Diff(before, inventory(t, c)); diff != "" {
		t.Error(diff)
	}
	if version, result := c.call(t, "demo:live", "1"); version != "1" || result != "1" {
		t.Errorf("version %s says %s", version, result)
	}
	if _, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("gone")}); err == nil {
		t.Error("a deleted function is there again")
	}
	out, err := c.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name})
	if err != nil || *out.Version != "2" {
		t.Errorf("the next version is %v, %v", out, err)
	}
}

// Two servers would overwrite what the other keeps.
func TestDataIsOfOneServerAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		s, _ := openKept(t, dir)
		if second, err := local.NewServer(local.WithData(dir)); err == nil || !strings.Contains(err.Error(), "another process has this directory open") {
			t.Errorf("%v, %v", second, err)
		}
		if b, err := local.New(local.WithData(dir)); err == nil {
			t.Errorf("%v has it too", b)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is not needed any more is removed, and what cannot be read is named.
func TestDataThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := local.NewServer(local.WithData("")); err == nil {
		t.Error("no directory: no error")
	}
	s, c := openKept(t, dir)
	roleFor(t, c)
	c.create(t, newFunction("demo", script("one")))
	c.create(t, newFunction("other", script("two")))
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new-1"), []byte("cut off"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "queue", "rubbish"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	s, _ = openKept(t, dir, logTo(&log))
	if zips := must(os.ReadDir(filepath.Join(dir, "code"))); len(zips) != 1 {
		t.Errorf("%v: want the code of one function", zips)
	}
	if _, err := os.Stat(filepath.Join(dir, "new-1")); err == nil {
		t.Error("a file that was never whole remains")
	}
	if !strings.Contains(log.String(), filepath.Join(dir, "queue", "rubbish")) {
		t.Errorf("logged: %s", log.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.NewServer(local.WithData(dir)); err == nil || !strings.Contains(err.Error(), "state.json") || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a spoilt state: %v", err)
	}
}

// keeper is a process that has a server with events of all kinds, until it is killed.
func keeper(dir, out string) {
	ctx := context.Background()
	s := must(local.NewServer(local.WithData(dir), local.WithAgents(1), local.WithEventRetries(time.Hour, time.Millisecond)))
	id, secret := s.Credentials()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()), Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
	must(iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("agent"), AssumeRolePolicyDocument: aws.String(trust)}))
	c := lambda.NewFromConfig(cfg)
	must(c.CreateFunction(ctx, handlerFunction("demo")))
	event := func(payload string) {
		must(c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}))
	}
	done := filepath.Join(out, "done")
	event(fmt.Sprintf(`{"do":"fail until","n":0,"text":%q}`, done))
	for waiting := true; waiting; {
		left, err := os.ReadDir(filepath.Join(dir, "queue"))
		waiting = err != nil || len(left) > 0
		time.Sleep(time.Millisecond)
	}
	event(fmt.Sprintf(`{"do":"touch and sleep","text":%q,"n":3600000}`, filepath.Join(out, "ran")))
	for {
		if _, err := os.Stat(filepath.Join(out, "ran")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	event(fmt.Sprintf(`{"do":"touch and sleep","text":%q}`, filepath.Join(out, "waited")))
	fmt.Println("ready")
	select {}
}

// An event that ran when the server was killed runs again, and so does one that waited; one
// that was done does not.
func TestEventsOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), parentKind+"=keeper", "TEST_DATA="+dir, "TEST_OUT="+out)
	said := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var word string
	if _, err := fmt.Fscan(said, &word); word != "ready" {
		t.Errorf("it said %q: %v", word, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed

	_, c := openKept(t, dir, local.WithAgents(2))
	dots := func(file string) int { data, _ := os.ReadFile(filepath.Join(out, file)); return len(data) }
	eventually(t, "what ran runs again", func() bool { return dots("ran") == 2 })
	eventually(t, "what waited runs", func() bool { return dots("waited") == 1 })
	eventually(t, "what is done is forgotten", func() bool { return len(must(os.ReadDir(filepath.Join(dir, "queue")))) == 1 })
	if n := dots("done"); n != 2 { // in vain, and again
		t.Errorf("what was done has run %d times, want 2", n)
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Error(err)
	}
}
