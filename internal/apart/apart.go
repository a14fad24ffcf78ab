// Package apart lets tests run beside others that could not: in a process of their own.
package apart

import (
	"flag"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// variable, in the environment, names the test that a process is for.
const variable = "LAMBDAPOOL_TEST_APART"

// Here is for a test that sets the environment, or looks for goroutines that were left behind, and so cannot run in
// parallel with others. It reports whether this process is the test's own, in which nothing else runs. If not, it has the
// test run in one, this program again, in parallel with the tests of this process, and ends as it did there:
//
//	func TestX(t *testing.T) {
//		if !apart.Here(t) {
//			return
//		}
//
// Call it first. With -run, parts of the test are chosen as ever.
func Here(t *testing.T) bool {
	t.Helper()
	if testing.CoverMode() != "" { // what another process covers would not count: it runs here, before those in parallel
		return true
	}
	if os.Getenv(variable) == t.Name() {
		if err := os.Unsetenv(variable); err != nil { // the processes that this one starts are others
			t.Fatal(err)
		}
		return true
	}
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, arguments(t)...) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	switch said := string(out); {
	case err != nil:
		t.Errorf("in its own process: %v\n%s", err, said)
	case strings.Contains(said, "--- SKIP: "+t.Name()+" "):
		t.Skipf("in its own process:\n%s", said)
	case !strings.Contains(said, "--- PASS: "+t.Name()+" "):
		t.Errorf("it did not run in its own process:\n%s", said)
	case testing.Verbose():
		t.Logf("in its own process:\n%s", said)
	}
	return false
}

// arguments are those of this process, as far as they concern one test.
func arguments(t *testing.T) []string {
	t.Helper()
	run := "^" + t.Name() + "$"
	args := []string{"-test.v", "-test.count=1"}
	if deadline, ok := t.Deadline(); ok { // it ends before this process does, and says where it was
		left := time.Until(deadline)
		args = append(args, "-test.timeout="+(left-left/20).String())
	}
	flag.Visit(func(f *flag.Flag) {
		value := f.Value.String()
		switch f.Name {
		case "test.run":
			if _, parts, some := strings.Cut(value, "/"); some {
				run += "/" + parts
			}
		case "test.short", "test.skip", "test.parallel", "test.paniconexit0":
			args = append(args, "-"+f.Name+"="+value)
		default:
			if !strings.HasPrefix(f.Name, "test.") {
				args = append(args, "-"+f.Name+"="+value)
			}
		}
	})
	return append(args, "-test.run="+run)
}

// Waiting has more tests of this process run in parallel than there are processors, n at least, unless the command line
// says how many. It is for TestMain where tests mostly wait: for other processes, for timeouts, for polls.
func Waiting(n int) {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" || f.Name == "test.cpu" })
	if said || n <= runtime.GOMAXPROCS(0) {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err)
	}
}
