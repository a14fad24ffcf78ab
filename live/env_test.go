package live_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/inproc"
	"github.com/lambdapool/lambdapool/internal/noleak"
	"github.com/lambdapool/lambdapool/live"
)

// programVariable makes this test's program one that a user runs, and knows nothing of pages.
const programVariable = "LAMBDAPOOL_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		program()
		return
	}
	noleak.Main(m)
}

// program makes two executors, as unsuspecting programs do, and waits to be told to end.
func program() {
	for range 2 {
		e, err := lambdapool.New(inproc.New())
		if err != nil {
			panic(err)
		}
		if _, err := lambdapool.Call(context.Background(), e, half, 2); err != nil {
			panic(err)
		}
	}
	os.Stdout.WriteString("called\n")
	os.Stdin.Read(make([]byte, 1))
}

// The environment opens one page for all executors of a program, and says where.
func TestVariableOpensAPage(t *testing.T) {
	for value, opens := range map[string]bool{"1": true, "true": true, "127.0.0.1:0": true, "0": false, "": false, ":8080": false} {
		t.Run(value, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), programVariable+"=1", live.Variable+"="+value)
			errors, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			if err != nil {
				t.Fatal(err)
			}
			defer errors.Close()
			cmd.Stderr = errors
			stop, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			said, err := os.ReadFile(errors.Name())
			if err != nil {
				t.Fatal(err)
			}
			status := 0
			if url := regexp.MustCompile(`http://\S+`).FindString(string(said)); url != "" && opens {
				resp := get(t, url)
				resp.Body.Close()
				status = resp.StatusCode
			}
			stop.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("the program ended: %v", err)
			}
			http.DefaultClient.CloseIdleConnections()
			if lines := strings.Count(string(said), "live page at"); (status == http.StatusOK) != opens || opens != (lines == 1) {
				t.Errorf("%s=%s: status %d, said %q", live.Variable, value, status, said)
			}
			if value == ":8080" && !strings.Contains(string(said), "loopback") {
				t.Errorf("said %q", said)
			}
		})
	}
}
