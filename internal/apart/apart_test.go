package apart

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var ends = flag.String("apart.ends", "", "how the tests end that are run by others")

func TestMain(m *testing.M) {
	Waiting(7)
	os.Exit(m.Run())
}

// These are tests that TestEnds has run.
func TestOther(t *testing.T) {
	if *ends == "" {
		return
	}
	if !Here(t) {
		return
	}
	t.Setenv("APART_SET", "1") // fails a test that is in parallel with others
	if os.Getenv(variable) != "" {
		t.Error("what it starts would be taken for a test's own process")
	}
	switch *ends {
	case "fail":
		t.Error("out of luck")
	case "skip":
		t.Skip("not today")
	case "exit":
		os.Exit(0)
	}
	t.Run("Part", func(*testing.T) {})
	t.Run("Other", func(t *testing.T) { t.Error("was not asked for") })
}

// A test ends as it did in its own process, and one that did not run there has failed.
func TestEnds(t *testing.T) {
	t.Parallel()
	wanted := map[string]string{
		"pass": "PASS: TestOther ,in its own process,PASS: TestOther/Part ",
		"fail": "FAIL: TestOther ,out of luck", "skip": "SKIP: TestOther ,not today",
		"exit": "FAIL: TestOther ,panic: unexpected call to os.Exit(0)",
	}
	if testing.CoverMode() != "" { // then all run here
		wanted["pass"] = "PASS: TestOther ,PASS: TestOther/Part "
	}
	for how, want := range wanted {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.v", "-test.paniconexit0=true", "-test.run=TestOther/Part", "-apart.ends="+how)
			out, err := cmd.CombinedOutput()
			if (err == nil) != (how == "pass" || how == "skip") {
				t.Errorf("%s: %v", how, err)
			}
			for part := range strings.SplitSeq(want, ",") {
				if !strings.Contains(string(out), part) {
					t.Errorf("%s: no %q in:\n%s", how, part, out)
				}
			}
			if strings.Contains(string(out), "was not asked for") {
				t.Errorf("%s: all parts ran:\n%s", how, out)
			}
		})
	}
}

// The command line has the last word.
func TestWaiting(t *testing.T) {
	parallel := flag.Lookup("test.parallel").Value
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if was := parallel.String(); given {
		if Waiting(50); parallel.String() != was {
			t.Errorf("%s tests in parallel, the command line says %s", parallel, was)
		}
	}
}
