package local_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/lambdapool/lambdapool/backend/local"
)

const (
	roleARN = "arn:aws:iam::000000000000:role/agent"
	trust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// A cloud is the SDK's clients of an embedded Lambda.
type cloud struct {
	*lambda.Client

	iam  *iam.Client
	sts  *sts.Client
	logs *cloudwatchlogs.Client
}

// clients returns them, as anybody would configure them.
func clients(t *testing.T, s *local.Server) cloud {
	t.Helper()
	id, secret := s.Credentials()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	cfg := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(s.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:   &http.Client{Transport: transport},
	}
	return cloud{lambda.NewFromConfig(cfg), iam.NewFromConfig(cfg), sts.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg)}
}

// serve starts a server for the length of the test, with a role for functions.
func serve(t *testing.T, opts ...local.Option) cloud {
	t.Helper()
	_, c := openServer(t, opts...)
	return c
}

// openServer does the same, and returns the server as well.
func openServer(t *testing.T, opts ...local.Option) (*local.Server, cloud) {
	t.Helper()
	t.TempDir() // what agents write there must end before it is removed: cleanups run last in, first out
	s, err := local.NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	c := clients(t, s)
	roleFor(t, c)
	return s, c
}

// roleFor makes the role of the test's functions.
func roleFor(t *testing.T, c cloud) {
	t.Helper()
	if _, err := c.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("agent"), AssumeRolePolicyDocument: aws.String(trust)}); err != nil {
		t.Fatal(err)
	}
}

// An entry is a file in a zip.
type entry struct {
	name, content string
	mode          os.FileMode
}

func zipped(entries ...entry) []byte { return archived(zip.Store, entries...) }

func archived(method uint16, entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: method}
		header.SetMode(e.mode)
		f := must(w.CreateHeader(header))
		must(io.WriteString(f, e.content))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// script is code that is good enough for the control plane; it does not serve.
// No two with different text are the same code.
func script(text string) []byte {
	return zipped(entry{"bootstrap", "#!/bin/sh\n# " + text + "\nexit 7\n", 0o755})
}

// thisProgram is code that runs the test binary. It does not hold it, which is
// tens of megabytes.
func thisProgram() []byte {
	return zipped(
		entry{"bootstrap", "#!/bin/sh\nexec '" + must(os.Executable()) + "'\n", 0o755},
		entry{"data/greeting.txt", "hello", 0o644},
	)
}

// newFunction is a valid request to create a function.
func newFunction(name string, code []byte) *lambda.CreateFunctionInput {
	return &lambda.CreateFunctionInput{
		FunctionName: aws.String(name), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Role: aws.String(roleARN), Code: &types.FunctionCode{ZipFile: code},
	}
}

// handlerFunction is one that runs the test's handler.
func handlerFunction(name string) *lambda.CreateFunctionInput {
	in := newFunction(name, thisProgram())
	in.MemorySize = aws.Int32(1024)
	in.Timeout = aws.Int32(60)
	in.Environment = &types.Environment{Variables: map[string]string{agentKind: "handler"}}
	return in
}

func (c cloud) create(t *testing.T, in *lambda.CreateFunctionInput) *lambda.CreateFunctionOutput {
	t.Helper()
	out, err := c.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// call invokes with a job, and returns the result, or the function error after "error ".
func (c cloud) call(t *testing.T, name, payload string) (version, result string) {
	t.Helper()
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(name), Payload: []byte(payload)})
	if err != nil {
		t.Fatalf("invoke %s: %v", name, err)
	}
	if out.FunctionError != nil {
		return aws.ToString(out.ExecutedVersion), "error " + string(out.Payload)
	}
	return aws.ToString(out.ExecutedVersion), string(out.Payload)
}

// refusedAs is refused with "code: text".
func refusedAs(t *testing.T, err error, want string) {
	t.Helper()
	code, text, _ := strings.Cut(want, ": ")
	refused(t, err, code, text)
}

// refused checks an error's code and a part of its text.
func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	apiErr, ok := errors.AsType[smithy.APIError](err)
	if !ok || apiErr.ErrorCode() != code || !strings.Contains(apiErr.ErrorMessage(), text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func TestServerRunsWhatIsDeployed(t *testing.T) {
	t.Parallel()
	c := serve(t)
	in := handlerFunction("demo")
	in.Code.ZipFile = archived(zip.Deflate, entry{"bootstrap", string(must(os.ReadFile(must(os.Executable())))), 0o755})
	in.Tags = map[string]string{"made-by": "test"}
	out := c.create(t, in)
	if out.State != types.StatePending || aws.ToString(out.Version) != "$LATEST" || aws.ToString(out.FunctionArn) != "arn:aws:lambda:us-east-1:000000000000:function:demo" {
		t.Errorf("created: %+v", out)
	}
	waiter := lambda.NewFunctionActiveV2Waiter(c)
	if err := waiter.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("demo")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if version, result := c.call(t, "demo", `"hello"`); version != "$LATEST" || result != `"hello"` {
		t.Errorf("version %s: %s", version, result)
	}
	_, environment := c.call(t, "demo", `{"do":"env"}`)
	for _, want := range []string{"AWS_LAMBDA_FUNCTION_NAME=demo", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_REGION=us-east-1"} {
		if !strings.Contains(environment, `"`+want+`"`) {
			t.Errorf("no %s in %s", want, environment)
		}
	}
	got, err := c.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("demo")})
	if err != nil {
		t.Fatal(err)
	}
	if got.Tags["made-by"] != "test" || got.Configuration.State != types.StateActive || got.Configuration.LastUpdateStatus != types.LastUpdateStatusSuccessful ||
		aws.ToString(got.Configuration.CodeSha256) != aws.ToString(out.CodeSha256) || aws.ToInt32(got.Configuration.MemorySize) != 1024 {
		t.Errorf("got %+v and tags %v", got.Configuration, got.Tags)
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("demo")})
	refused(t, err, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:demo")
}

// What runs goes on when its code is replaced, or its function deleted.
func TestServerReplacesCodeUnderARun(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(cloud) error{
		"updated": func(c cloud) error {
			_, err := c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("demo"), ZipFile: script("new")})
			return err
		},
		"deleted": func(c cloud) error {
			_, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("demo")})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := serve(t)
			c.create(t, handlerFunction("demo"))
			started := filepath.Join(t.TempDir(), "started")
			result := make(chan string, 1)
			go func() {
				_, r := c.call(t, "demo", fmt.Sprintf(`{"do":"touch and sleep","text":%q,"n":500}`, started))
				result <- r
			}()
			eventually(t, "it runs", func() bool { _, err := os.Stat(started); return err == nil })
			if err := change(c); err != nil {
				t.Fatal(err)
			}
			if r := <-result; r != `"slept"` {
				t.Errorf("the run got %s", r)
			}
		})
	}
}

func TestServerClose(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), parentKind+"=server closes", "TMPDIR="+tmp)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left := must(os.ReadDir(tmp)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// serverParent runs a function in a server and ends as it is told.
func serverParent(how string) {
	ctx := context.Background()
	s := must(local.NewServer())
	id, secret := s.Credentials()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()), Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
	must(iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("agent"), AssumeRolePolicyDocument: aws.String(trust)}))
	c := lambda.NewFromConfig(cfg)
	must(c.CreateFunction(ctx, handlerFunction("demo")))
	out := must(c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("demo"), Payload: []byte(`{"do":"state"}`)}))
	fmt.Println(string(out.Payload))
	switch how {
	case "closes":
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			panic(err)
		}
		os.Exit(0)
	case "panics":
		panic("on purpose")
	default:
		select {}
	}
}

// Neither the code nor an agent outlives the server's process, however that ends.
func TestServerLeavesNothing(t *testing.T) {
	t.Parallel()
	for how, sig := range map[string]os.Signal{"killed": syscall.SIGKILL, "terminated": syscall.SIGTERM, "interrupted": syscall.SIGINT, "panics": nil} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			cmd := exec.Command(must(os.Executable()))
			cmd.Env = append(os.Environ(), parentKind+"=server "+how, "TMPDIR="+tmp)
			out := must(cmd.StdoutPipe())
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var said string
			if _, err := fmt.Fscan(out, &said); err != nil {
				t.Fatal(err)
			}
			s := result[state](t, reply{status: http.StatusOK, body: said})
			if sig != nil {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait() // it ends as it was told, which is no success
			eventually(t, "the agent is gone", func() bool { return !alive(s.PID) })
			eventually(t, "the code is gone", func() bool { return len(must(os.ReadDir(tmp))) == 0 })
		})
	}
}

func TestServerOptions(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]local.Option{
		"a server has no function yet":    local.WithMemory(128),
		"a server has no function yet ":   local.WithFunctionName("f"),
		"not on loopback":                 local.WithAddress("0.0.0.0:0"),
		"it is IP:PORT":                   local.WithAddress("localhost:9001"),
		"access key id \"short\"":         local.WithCredentials("short", "secretsecretsecret"),
		"secret access key of":            local.WithCredentials("AKIA0123456789AB", "short"),
		"code storage of 0 bytes":         local.WithCodeStorage(0),
		"update time -1ns: must be 0 to ": local.WithUpdateTime(-1),
		"nil option":                      nil,
	} {
		if s, err := local.NewServer(opt); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want %s", err, want)
			if s != nil {
				_ = s.Close()
			}
		}
	}
	s, err := local.NewServer(local.WithCredentials("AKIA0123456789AB", "secretsecretsecret"), local.WithAddress("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if id, secret := s.Credentials(); id != "AKIA0123456789AB" || secret != "secretsecretsecret" || !strings.HasPrefix(s.Endpoint(), "http://127.0.0.1:") {
		t.Errorf("%s %s %s", id, secret, s.Endpoint())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
