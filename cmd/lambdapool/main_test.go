package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambdapool/lambdapool/backend/local"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
	"github.com/lambdapool/lambdapool/internal/buildonce"
	"github.com/lambdapool/lambdapool/internal/noleak"
)

func TestMain(m *testing.M) {
	stop := buildonce.Start()
	if os.Getenv(asCommand) != "" {
		main()
	}
	code := noleak.Run(m, // but for idle connections of the SDK's clients, which it never closes
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	stop()
	os.Exit(code)
}

// asCommand says, in the environment, that the test binary is to be the command itself.
const asCommand = "TEST_AS_COMMAND"

// A shell runs the command as a user does.
type shell struct {
	t     *testing.T
	stdin string
}

// newShell keeps the user's own configuration out.
func newShell(t *testing.T, endpoint, id, secret string) *shell {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_MAX_ATTEMPTS": "1", "AWS_ENDPOINT_URL_S3": "", bucketVariable: "", onVariable: "",
	} {
		t.Setenv(name, value)
	}
	return &shell{t: t}
}

func (s *shell) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, err bytes.Buffer
	a := &app{stdin: strings.NewReader(s.stdin), stdout: &out, stderr: &err, options: []deploy.Option{deploy.WithPoll(time.Millisecond)}, runOptions: []rundeploy.Option{rundeploy.WithPoll(time.Millisecond)}}
	code = a.run(s.t.Context(), args)
	return code, out.String(), err.String()
}

// want runs a command that must end with code, and print a text.
func (s *shell) want(code int, text string, args ...string) string {
	s.t.Helper()
	got, stdout, stderr := s.run(args...)
	if got != code || !strings.Contains(stdout+stderr, text) {
		s.t.Errorf("lambdapool %s\nexit code %d, want %d with %q\nstdout: %s\nstderr: %s", strings.Join(args, " "), got, code, text, stdout, stderr)
	}
	return stdout
}

// Where a long policy fits is said beside it, and not in it.
func TestLongPolicies(t *testing.T) {
	s := withLocal(t)
	const room = "too many for a managed policy"
	if doc := s.want(0, room, "policy", "deployer", "demo", "--shards", "20"); !json.Valid([]byte(doc)) {
		t.Errorf("no JSON: %s", doc)
	}
	if _, _, stderr := s.run("policy", "deployer", "demo"); stderr != "" {
		t.Errorf("of one function: %s", stderr)
	}
	if _, _, stderr := s.run("policy", "deployer", "demo", "--shards", "20", "--quiet"); stderr != "" {
		t.Errorf("quiet: %s", stderr)
	}
}

func withLocal(t *testing.T) *shell {
	t.Helper()
	server, err := local.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	id, secret := server.Credentials()
	return newShell(t, server.Endpoint(), id, secret)
}

// offline fails the test when anything is sent.
func offline(t *testing.T) *shell {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent", r.Method, r.URL)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	return newShell(t, server.URL, "AKIAEXAMPLE", "secret")
}

const algorithms = "github.com/lambdapool/lambdapool/examples/algorithms"

func TestFromCodeToCallAndBack(t *testing.T) {
	s := withLocal(t)
	s.want(0, "would create function demo", "create", "demo", algorithms, "--dry-run")
	s.want(0, "fibonacci  func(int) int", "create", "demo", algorithms, "--memory", "512", "--env", "LOG=debug")
	s.want(1, "exists already (lambdapool update demo", "create", "demo", algorithms)
	if out := s.want(0, "832040", "invoke", "demo", "fibonacci", "30"); out != "832040\n" {
		t.Errorf("invoke printed %q", out)
	}
	s.want(1, "factorial(-1): negative", "invoke", "demo", "factorial", "--", "-1")
	s.want(1, "did you mean fibonacci?", "invoke", "demo", "fibonaci", "1")
	s.want(2, "is a JSON string, not an int", "invoke", "demo", "fibonacci", `"x"`)
	s.want(2, `argument 1: "thirty" is not JSON: an int belongs there (it is func(int) int)`, "invoke", "demo", "fibonacci", "thirty")
	s.want(0, "memory 512 → 256 MB", "update", "demo", algorithms, "--memory", "256", "--dry-run")
	buildonce.Anew(func() { // the same source is the same code, built again
		s.want(0, "code unchanged\n  memory 512 → 256 MB", "update", "demo", algorithms, "--memory", "256")
	})
	s.want(0, "demo is up to date", "update", "demo", algorithms, "--memory", "256", "--dry-run")
	s.want(0, "would be changed:\n  code unchanged\n  publish a version", "update", "demo", algorithms, "--publish", "--dry-run")
	s.want(0, "demo is up to date", "update", "demo", algorithms, "--memory", "256")
	s.want(0, "alias live → version 1", "update", "demo", "--publish", "--alias", "live")
	s.want(0, "live → 1", "show", "demo")
	s.want(0, "REPORT RequestId", "logs", "demo")
	s.want(0, "REPORT", "logs", "demo", "--filter", "REPORT", "--since", "all", "--json")
	s.want(0, "cheapest", "cost", "demo", "fibonacci", "30", "--samples", "1")
	s.want(0, "memory 256 → 1024 MB", "update", "demo", "--memory", "1024")
	for line := range strings.Lines(s.want(0, "measured", "cost", "demo", "fibonacci", "30", "--samples", "1", "--qualifier", "live")) {
		if strings.Contains(line, "measured") && !strings.HasPrefix(line, "256 MB ") {
			t.Errorf("live has 256 MB, and cost measured at %s", line)
		}
	}
	s.want(0, "all functions have the same signature here and there; fields of structs are compared by each call", "doctor", "demo", algorithms)
	s.want(1, "does not exist in us-east-1", "doctor", "other")
	s.want(0, "lambda:InvokeFunction", "policy", "client", "demo")
	s.want(0, "logs:PutLogEvents", "policy", "agent", "demo", "--apply")
	s.want(0, "iam:PassRole", "policy", "deployer", "demo")
	s.want(0, `"Prefix": "team/calls/"`, "policy", "lifecycle", "--prefix", "team")
	s.want(0, `"Days": 31`, "policy", "lifecycle", "--keep-runs", "31")
	s.want(0, "no layers", "layers")
	s.want(0, "demo", "list")

	s.want(2, "nobody answers", "delete", "demo")
	s.stdin = "n\n"
	s.want(1, "nothing was deleted", "delete", "demo")
	s.stdin = "y\n"
	s.want(0, "deleted role lambdapool-demo", "delete", "demo", "--logs")
	s.want(1, "not found", "delete", "demo", "--yes")
	if out := s.want(0, "[]", "list", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("an empty list is %q", out)
	}
}

func TestEverythingThatListsHasJSON(t *testing.T) {
	s := withLocal(t)
	s.want(0, `"name": "demo"`, "create", "demo", algorithms, "--json")
	for _, args := range [][]string{
		{"list"},
		{"show", "demo"},
		{"layers"},
		{"doctor", "demo"},
		{"cost", "demo", "fibonacci", "3", "--samples", "1"},
		{"invoke", "demo", "fibonacci", "3"},
		{"version"},
		{"update", "demo", "--memory", "256"},
	} {
		out := s.want(0, "", append(args, "--json")...)
		if !json.Valid([]byte(out)) {
			t.Errorf("%v: no JSON: %s", args, out)
		}
	}
}

func TestWrongUsageIsToldBeforeAnythingIsSent(t *testing.T) {
	s := offline(t)
	layer := "arn:aws:lambda:us-east-1:123456789012:layer:l"
	six := layer + "a:1," + layer + "b:1," + layer + "c:1," + layer + "d:1," + layer + "e:1," + layer + "f:1"
	for _, tc := range []struct{ args, want string }{
		{"frobnicate", "unknown command"},
		{"lst", "did you mean list?"},
		{"list x", "argument too many"},
		{"list --nosuch", "unknown flag"},
		{"create", "no function: name one"},
		{"create a b c", "argument too many"},
		{"create a.b pkg", "1 to 64 letters"},
		{"create demo", "no package"},
		{"create demo pkg --memory 64", "128 to 10240 MB"},
		{"create demo pkg --memory 10241", "128 to 10240 MB"},
		{"create demo pkg --memory much", "not a whole number of MB"},
		{"create demo pkg --timeout 901s", "1 to 900 seconds"},
		{"create demo pkg --timeout 1.5s", "whole seconds"},
		{"create demo pkg --timeout soon", "not a time such as 30s"},
		{"create demo pkg --ephemeral-storage 511", "512 to 10240 MB"},
		{"create demo pkg --ephemeral-storage 10241", "512 to 10240 MB"},
		{"create demo pkg --arch ARM64", "did you mean arm64?"},
		{"create demo pkg --env NOVALUE", "NAME=VALUE"},
		{"create demo pkg --env AWS_REGION=x", "reserved"},
		{"create demo pkg --env 1X=x", "begins with a letter"},
		{"create demo pkg --env BIG=" + strings.Repeat("x", 4096), "4096 bytes"},
		{"create demo pkg --env AA=1 --unset-env AA", "both set and unset"},
		{"create demo pkg --layers nonsense", "ARN of a layer version"},
		{"create demo pkg --layers " + six, "at most 5"},
		{"create demo pkg --layers " + layer + ":1," + layer + ":2", "one version of a layer"},
		{"create demo pkg --reserved-concurrency -1", "number of executions"},
		{"create demo pkg --reserved-concurrency 99999999", "at most the account's limit"},
		{"create demo pkg --log-retention 2", "1, 3, 5, 7, 14"},
		{"create demo pkg --log-retention long", "nor never"},
		{"create demo pkg --role admin", "must be the ARN of a role"},
		{"create demo pkg --vpc-subnets subnet-1", "belong together"},
		{"create demo pkg --vpc-subnets net --vpc-security-groups sg-1", "looks like subnet-"},
		{"create demo pkg --vpc-subnets subnet-1 --vpc-security-groups group", "looks like sg-"},
		{"create demo pkg --tags x", "NAME=VALUE"},
		{"create demo pkg --tags aws:x=1", "AWS's own"},
		{"create demo pkg --tags lambdapool=1", "uses it itself"},
		{"create demo pkg --file nosuch.yaml", "nosuch.yaml"},
		{"update demo --alias live", "publish must be set"},
		{"update demo --publish=maybe", "not true or false"},
		{"update demo --publish --alias 7", "not a number"},
		{"show", "where NAME belongs"},
		{"show a b", "argument too many"},
		{"show a/b", "1 to 64 letters"},
		{"delete", "where NAME belongs"},
		{"logs demo --since yesterday", "10m or 2h"},
		{"logs demo --since -5m", "10m or 2h"},
		{"logs demo --request-id 1b1a3d34", "as REPORT lines and errors have it"},
		{"logs demo --filter {$.level=error", "a bracket is missing"},
		{"logs demo --filter \"ERROR", "a quotation mark is missing"},
		{"logs demo --filter " + strings.Repeat("x", 1025), "takes 1024"},
		{"invoke demo", "NAME and FUNCTION"},
		{"invoke demo f --qualifier a.b", "a version's number, an alias or $LATEST"},
		{"invoke demo f --run-name x", "only with --detached"},
		{"invoke demo f --detached", "which bucket?"},
		{"invoke demo f --detached --bucket payloads --run-name a/b", "other characters than letters"},
		{"invoke demo f --detached --bucket payloads --run-name=", "the name is empty"},
		{"invoke demo f --detached --bucket payloads --start-within 30s", "1m to 6h"},
		{"invoke demo f --detached --bucket payloads --start-within soon", "invalid duration"},
		{"invoke demo f --detached --bucket payloads --retention 59m", "at least 1h"},
		{"invoke a/b f --detached --bucket payloads", "not a function name"},
		{"runs", "which bucket?"},
		{"runs x", "unknown command"},
		{"runs shw", "did you mean show?"},
		{"runs --bucket No_Bucket", "is not the name of a bucket"},
		{"runs --bucket payloads//a", "not a prefix of keys"},
		{"runs --bucket payloads --bucket-endpoint nonsense", "not an endpoint"},
		{"runs show", "where ID belongs"},
		{"runs show a b", "argument too many"},
		{"runs show a/b", "other characters than letters"},
		{"runs show x --calls=queue", "did you mean queued?"},
		{"runs results", "where ID belongs"},
		{"runs results x --unordered", "only with --wait"},
		{"runs cancel", "where ID belongs"},
		{"runs clean x", "argument too many"},
		{"runs delete", "where ID belongs"},
		{"cost demo f --items 0", "at least 1"},
		{"cost demo f --samples 0", "1 to 1000"},
		{"cost demo f --qualifier a.b", "a version's number, an alias or $LATEST"},
		{"cost demo f --memories 64", "128 to 10240 MB"},
		{"doctor --workers 0", "at least 1"},
		{"policy", "client, agent, deployer or lifecycle"},
		{"policy client demo --apply", "--user or --role"},
		{"policy lifecycle --prefix /team", "not beginning with a slash"},
		{"local --concurrency 0", "at least 1"},
		{"local --address here", "it is IP:PORT"},
		{"local --address 10.1.2.3:80", "not on loopback"},
		{"list --endpoint-url nonsense", "no URL"},
		{"list --on cloudrn", "did you mean cloudrun?"},
		{"create demo pkg --cpu 2", "cpu of demo: only on Cloud Run, and this is on Lambda"},
		{"create demo pkg --cpu two", "not a number of vCPUs"},
		{"create demo pkg --on cloudrun --layers none", "layers of demo: only on Lambda, and this is on Cloud Run"},
		{"create demo pkg --on cloudrun --memory 64", "128 to 32768 MB"},
		{"create demo pkg --on cloudrun --cpu 0", "0.08 to 1, 2, 4, 6 or 8"},
		{"create demo pkg --on cloudrun --timeout 1h", "59m50s"},
		{"create demo pkg --on cloudrun --concurrency 0", "0 is out of range: requests that an instance takes at once, 1 to 1000"},
		{"create demo pkg --on cloudrun --instances 0", "0 is out of range: instances at most"},
		{"create demo pkg --on cloudrun --timeout 0", "0 is out of range: 1s to 900s"},
		{"create demo pkg --memory 0", "0 is out of range: 128 to 10240"},
		{"create demo pkg --timeout 0", "0 is out of range: 1s to 900s"},
		{"create demo pkg --on cloudrun --env PORT=1", "reserved"},
		{"create demo pkg --on cloudrun --labels A=b", "lower-case letters"},
		{"create Demo pkg --on cloudrun", "lower-case letter"},
		{"update demo --on cloudrun --alias live", "alias of demo: only on Lambda"},
		{"update demo --tag live", "tag of demo: only on Cloud Run"},
		{"layers --on cloudrun", "layers: only on Lambda"},
		{"runs --on cloudrun", "which bucket?"},
		{"logs demo --on cloudrun --request-id 7", "32 hexadecimal digits"},
		{"policy agent demo --on cloudrun", "needs no role"},
		{"policy client demo --on cloudrun --apply", "--member says it"},
		{"policy client demo --member user:x", "--user or --role on Lambda"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			sh := *s
			sh.t = t
			sh.want(2, tc.want, strings.Fields(tc.args)...)
		})
	}
}

func TestEachCommandHasHelpWithAnExample(t *testing.T) {
	s := offline(t)
	for _, name := range []string{
		"init", "create", "update", "list", "show", "delete", "layers", "logs", "invoke", "policy", "policy client", "policy agent", "policy deployer", "policy lifecycle",
		"doctor", "cost", "version", "local", "runs", "runs show", "runs results", "runs cancel", "runs clean", "runs delete",
	} {
		out := s.want(0, "Examples:", append(strings.Fields(name), "--help")...)
		if !strings.Contains(out, "lambdapool "+name) {
			t.Errorf("%s --help has no example of itself:\n%s", name, out)
		}
	}
	s.want(0, "bash completion", "completion", "bash")
}

func TestProjectFile(t *testing.T) {
	s := withLocal(t)
	file := filepath.Join(t.TempDir(), "p.yaml")
	agent, err := filepath.Abs("../../examples/algorithms")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`
functions:
  one: {package: ` + agent + `, memory: 256, timeout: 30s, env: {LOG: debug, LEVEL: 3}, tags: {team: x}}
  two:
    package: ` + agent + `
    memory: 512
    reserved-concurrency: 10
`)
	s.want(0, "would create function two", "create", "-f", file, "--dry-run")
	s.want(0, "created", "create", "one", "-f", file, "--timeout", "7s", "--env", "LOG=info")
	out := s.want(0, "", "show", "one", "--json")
	for _, want := range []string{`"memory_mb": 256`, `"timeout_seconds": 7`, `"LEVEL"`, `"team": "x"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	s.want(1, "one: exists already", "create", "-f", file) // and two is created all the same
	s.want(0, "one is up to date", "update", "one", "-f", file, "--timeout", "7s", "--env", "LOG=info")
	s.want(0, `two`, "list")

	for _, tc := range []struct{ text, want string }{
		{"functions: {demo: {memroy: 512}}", "functions: demo.memroy: unknown key (did you mean memory?)"},
		{"function: {}", "did you mean functions?"},
		{"whatever: 1", "known: bucket, call-as, endpoint-url, functions, on, profile, project, region, repository"},
		{"functions: {demo: {memory: 64}}", "128 to 10240 MB"},
		{"functions: {demo: {memory: much}}", "not a whole number"},
		{"functions: {demo: {memory: }}", "has no value"},
		{"functions: {demo: {memory: {a: {b: 1}}}}", "plain value"},
		{"functions: [demo]", "must be a map"},
		{"functions: {demo: x}", "must be a map with keys"},
		{"functions: {demo: {package: [a, b]}}", "must be one value"},
		{"functions: {a.b: {package: x}}", "1 to 64 letters"},
		{"functions: {demo: {memory: 1, memory: 2}}", "already defined"},
		{"a: [", "p.yaml"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			write(tc.text)
			sh := *s
			sh.t = t
			sh.want(2, tc.want, "create", "-f", file)
		})
	}
}
