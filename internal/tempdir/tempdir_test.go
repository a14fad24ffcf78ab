//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package tempdir_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lambdapool/lambdapool/internal/tempdir"
)

const prefix = "tempdir-test-"

// asOwner has the test binary make a directory, say where, and wait to be killed.
const asOwner = "TEST_AS_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(asOwner) != "" {
		dir, err := tempdir.Make(prefix)
		if err != nil {
			panic(err)
		}
		fmt.Println(dir.Path)
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0) // without removing it
	}
	os.Exit(m.Run())
}

// What a killed process leaves is removed by the next; what belongs to a living one stays.
func TestWhatTheDeadLeaveIsSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv(asOwner, "1")
	start := func() (cmd *exec.Cmd, dir string) {
		cmd = exec.CommandContext(t.Context(), os.Args[0])
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		return cmd, lines.Text()
	}
	dead, left := start()
	if err := os.WriteFile(filepath.Join(left, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = dead.Process.Kill()
	_ = dead.Wait()
	living, used := start()
	defer func() { _ = living.Process.Kill(); _ = living.Wait() }()

	mine, err := tempdir.Make(prefix)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{left, left + ".lock"} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	for _, path := range []string{used, mine.Path} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	for range 2 {
		if err := mine.Remove(); err != nil {
			t.Error(err)
		}
	}
	if all, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(all) != 2 { // the living one's
		t.Errorf("%q, %v", all, err)
	}
}
