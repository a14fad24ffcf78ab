package local_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/local"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := dir + "/plain"
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name, value string) local.Option { return local.WithEnv(map[string]string{name: value}) }
	for _, c := range []struct {
		opt  local.Option
		want string
	}{
		{nil, "nil option"},
		{local.WithBinary(dir + "/missing"), "no such file"},
		{local.WithBinary(dir), "not a regular file"},
		{local.WithBinary(plain), "not executable (chmod +x it)"},
		{local.WithConcurrency(0), "concurrency 0: must be 1 to 10000"},
		{local.WithConcurrency(10_001), "concurrency 10001: must be 1 to 10000"},
		{local.WithMemory(127), "memory 127 MB: must be 128 to 10240 MB"},
		{local.WithMemory(10_241), "memory 10241 MB: must be 128 to 10240 MB"},
		{local.WithTimeout(0), "timeout 0s: must be 1ms to 15m0s"},
		{local.WithTimeout(901 * time.Second), "timeout 15m1s: must be 1ms to 15m0s"},
		{local.WithInitTimeout(-1), "init timeout -1ns: must be 1ms to 15m0s"},
		{local.WithInitTimeout(time.Hour), "init timeout 1h0m0s: must be 1ms to 15m0s"},
		{local.WithIdleTimeout(0), "idle timeout 0s: must be at least 1ms"},
		{local.WithEventRetries(0), "age of events 0s: must be 1ms to 6h0m0s"},
		{local.WithEventRetries(7 * time.Hour), "age of events 7h0m0s: must be 1ms to 6h0m0s"},
		{local.WithEventRetries(time.Hour, 1, 2, 3), "3 retries of events: must be 0 to 2"},
		{local.WithEventRetries(time.Hour, -1), "delay -1ns before the retry of an event: must not be negative"},
		{local.WithFunctionName(""), `function name "": must be 1 to 64`},
		{local.WithFunctionName("a b"), `function name "a b": must be 1 to 64`},
		{local.WithFunctionName(strings.Repeat("a", 65)), "must be 1 to 64"},
		{local.WithLogOutput(nil), "log output: nil writer"},
		{local.WithLogger(nil), "logger: nil"},
		{local.WithStoreSize(0), "size of the store: 0 bytes: must be at least 1"},
		{local.WithStoreThreshold(-1), "threshold of the store: -1 bytes: must be at least 1"},
		{env("AWS_LAMBDA_RUNTIME_API", "x"), "environment variable AWS_LAMBDA_RUNTIME_API: reserved for the platform"},
		{env("AWS_SECRET_ACCESS_KEY", "x"), "AWS_SHARED_CREDENTIALS_FILE"},
		{env("LAMBDAPOOL_LIFELINE_FD", "4"), "reserved for the platform"},
		{env("A", "x"), `environment variable "A": a name is two or more`},
		{env("1A", "x"), `environment variable "1A": a name is two or more`},
		{env("A=B", "x"), `environment variable "A=B": a name is two or more`},
		{env("AB", "x\x00y"), "environment variable AB: its value contains a NUL byte"},
		{env("AB", strings.Repeat("x", 4095)), "environment of 4097 bytes: must be at most 4096"},
	} {
		b, err := local.New(c.opt)
		if err == nil {
			t.Errorf("want an error with %q", c.want)
			_ = b.Close()
			continue
		}
		if !strings.HasPrefix(err.Error(), "lambdapool: local: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want …%s…", err, c.want)
		}
	}
	b := open(t, env("AB", strings.Repeat("x", 4094)), local.WithTimeout(3*time.Second), local.WithConcurrency(7), local.WithFunctionName("f"))
	want := lambdapool.Limits{Workers: 7, Request: 6_291_456, Response: 6_291_556, Timeout: 3 * time.Second}
	if diff := cmp.Diff(want, b.Limits()); diff != "" {
		t.Error(diff)
	}
	if id, secret := b.Credentials(); len(id) != 20 || len(secret) != 40 || b.FunctionName() != "f" || !strings.HasPrefix(b.Endpoint(), "http://127.0.0.1:") {
		t.Errorf("%s %d %s %s", id, len(secret), b.FunctionName(), b.Endpoint())
	}
	other := open(t)
	if id, secret := b.Credentials(); !differ(other, id, secret) {
		t.Error("two backends share a key")
	}
}

func differ(b *local.Backend, id, secret string) bool {
	otherID, otherSecret := b.Credentials()
	return id != otherID && secret != otherSecret
}
