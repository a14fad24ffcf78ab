// Package buildonce spares tests the builds that they have had. For as long as the tests of a package run, what they
// call "go" is this program, which asks the real one, and keeps what it built: the next build of the same package for
// the same platform with the same flags, and what go list says of it, come from there. Only packages of the module that
// is tested are kept, which no test changes; whatever lies elsewhere goes to the real command each time.
package buildonce

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lambdapool/lambdapool/internal/tempdir"
)

// What the environment says to the program that is called "go".
const (
	realVariable = "TEST_GO_REAL" // the real command
	rootVariable = "TEST_GO_ROOT" // of the module
	keepVariable = "TEST_GO_KEEP" // directory of what was built; empty: nothing is kept
)

// Start is for TestMain, before it does anything else. The function that it returns removes what was built.
func Start() (stop func()) {
	if command := os.Getenv(realVariable); command != "" {
		if filepath.Base(os.Args[0]) == "go" {
			end(goCommand(command, os.Args[1:]))
		}
		return func() {} // a process of a test: it is "go" there already
	}
	dir, err := tempdir.Make("buildonce-")
	if err == nil {
		err = begin(dir.Path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests build everything anew:", err)
	}
	return func() {
		if dir == nil {
			return
		}
		if err := dir.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// end ends the process. Under the race detector it would take a second: a shell does it at once.
func end(code int) {
	_ = syscall.Exec("/bin/sh", []string{"sh", "-c", "exit " + strconv.Itoa(code)}, nil) //nolint:gosec // a number
	os.Exit(code)
}

// begin has this process, and those that it starts, find this program as "go".
func begin(dir string) error {
	command, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	mod, err := exec.Command(command, "env", "GOMOD").Output() //nolint:gosec,noctx // it is go, and there is no test yet
	if err != nil {
		return err
	}
	here, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Symlink(here, filepath.Join(dir, "go")); err != nil {
		return err
	}
	return errors.Join(
		os.Setenv(realVariable, command), os.Setenv(keepVariable, dir), os.Setenv(rootVariable, filepath.Dir(strings.TrimSpace(string(mod)))),
		os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")))
}

// Anew runs f, whose builds are real ones. It changes the environment of the process.
func Anew(f func()) {
	defer os.Setenv(keepVariable, os.Getenv(keepVariable)) //nolint:errcheck // it has been set before
	os.Setenv(keepVariable, "")                            //nolint:errcheck // see above
	f()
}

// goCommand is the program when it is called "go". It returns its exit code.
func goCommand(command string, args []string) int {
	r, ok := requestOf(args)
	if !ok {
		fmt.Fprintln(os.Stderr, syscall.Exec(command, append([]string{"go"}, args...), os.Environ())) //nolint:gosec // it is go, as the test called it
		return 1
	}
	kept, err := os.ReadFile(r.file)
	if err != nil {
		var code int
		if kept, code, err = r.ask(command, args); code != 0 {
			return code
		}
	}
	if err == nil {
		err = r.answer(kept)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A request is one whose answer is kept.
type request struct {
	file string // that it is kept in
	out  string // where go build is to put it; empty: it is what go list prints
}

// requestOf says whether it is such a one: a build into a file, or a list, of the module's packages.
func requestOf(args []string) (r request, ok bool) {
	keep := os.Getenv(keepVariable)
	where, err := os.Getwd()
	if err != nil || keep == "" || len(args) == 0 || args[0] != "build" && args[0] != "list" {
		return r, false
	}
	if below, err := filepath.Rel(os.Getenv(rootVariable), where); err != nil || !filepath.IsLocal(below) {
		return r, false
	}
	key := sha256.New()
	write := func(text string) { fmt.Fprintf(key, "%q\n", text) }
	write(where)
	for i := 0; i < len(args); i++ {
		if args[i] == "-o" && i+1 < len(args) {
			i++
			r.out = args[i]
			continue
		}
		if filepath.IsAbs(args[i]) || strings.HasPrefix(args[i], "..") { // it may lie elsewhere
			return r, false
		}
		write(args[i])
	}
	if (args[0] == "build") != (r.out != "") {
		return r, false
	}
	env := os.Environ()
	slices.Sort(env)
	for _, variable := range env {
		if (strings.HasPrefix(variable, "GO") || strings.HasPrefix(variable, "CGO_")) && !strings.HasPrefix(variable, "GOOGLE_") {
			write(variable)
		}
	}
	r.file = filepath.Join(keep, hex.EncodeToString(key.Sum(nil)))
	return r, true
}

// ask has the real command do it, and keeps what comes of it. An exit code other than 0 is the command's, which has said why.
func (r request) ask(command string, args []string) (kept []byte, code int, err error) {
	cmd := exec.Command(command, args...) //nolint:gosec,noctx // it is go, as the test called it; it ends when it is told to
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &out, os.Stderr
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	go func() {
		for s := range interrupts {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	if err := cmd.Wait(); err != nil {
		_, _ = io.Copy(os.Stdout, &out)
		return nil, max(cmd.ProcessState.ExitCode(), 1), err
	}
	kept = out.Bytes()
	if r.out != "" {
		if kept, err = os.ReadFile(r.out); err != nil {
			return nil, 0, err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(r.file), "new-") // two may build the same
	if err != nil {
		return nil, 0, err
	}
	_, err = f.Write(kept)
	return kept, 0, errors.Join(err, f.Close(), os.Rename(f.Name(), r.file))
}

// answer gives what was kept to who has asked.
func (r request) answer(kept []byte) error {
	if r.out == "" {
		_, err := os.Stdout.Write(kept)
		return err
	}
	return os.WriteFile(r.out, kept, 0o755) //nolint:gosec // a program
}
