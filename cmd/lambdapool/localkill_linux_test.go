package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A `lambdapool local` that is killed takes its command with it, and the next one removes what it left.
func TestLocalThatIsKilledLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv(asCommand, "1")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "local", "--quiet", "--", "sh", "-c", "echo begun; exec sleep 60")
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	output := bufio.NewReader(out)
	if line, err := output.ReadString('\n'); line != "begun\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := io.Copy(io.Discard, output); err != nil { // it ends when the command, which has the pipe, has ended
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(temporary, "lambdapool-data-*")); err != nil || len(left) != 2 {
		t.Fatalf("%q, %v: want a directory and its lock", left, err)
	}

	startLocal(t).end()
	if left, err := filepath.Glob(filepath.Join(temporary, "lambdapool-*")); err != nil || len(left) != 0 {
		t.Errorf("%q is left, %v", left, err)
	}
}
