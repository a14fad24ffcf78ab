package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/legible"
)

// fresh are the files of a new program, by the names that they get, without .tmpl.
//
//go:embed fresh
var fresh embed.FS

// poolModule is what a new program requires.
const poolModule = "github.com/lambdapool/lambdapool"

// initFlags are those of `lambdapool init`.
type initFlags struct {
	dir, module, replace string
	dryRun               bool
}

// initCommand writes a program to begin with.
func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init NAME",
		Short: "Write a small program that runs: function, main, test, project file",
		Long: `Init writes a program to begin with into the new directory NAME: a function, a main that
maps it over a pool, tests, a project file for create and update, go.mod and .gitignore.
It never overwrites a file, and asks no cloud.

A command that was built from a clone of lambdapool's repository has go.mod use that clone,
by a replace directive, and copies its go.sum, so that nothing has to be downloaded. An
installed release is required as it is; run 'go mod tidy' then, once.`,
		Example: `  lambdapool init demo
  lambdapool init demo --module example.org/me/demo --dir work/demo
  cd demo && go run . && go test . && lambdapool create --dry-run`,
		Args: named(1, 1, "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := f.program(args[0])
			if err != nil {
				return err
			}
			if !f.dryRun {
				if err := p.write(); err != nil {
					return err
				}
			}
			return a.print(p, func(w io.Writer) { p.show(w, f.dryRun) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", "", "directory to write to (default: NAME)")
	flags.StringVar(&f.module, "module", "", "path of the new module (default: example.com/NAME)")
	flags.StringVar(&f.replace, "replace", "", "clone of lambdapool's repository that go.mod uses (default: the one this command was built from, unless it is a release)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only print what would be written")
	return a.asJSON(cmd)
}

// A program is what init writes. It can be printed as JSON.
type program struct {
	Name    string   `json:"name"`
	Dir     string   `json:"dir"`
	Module  string   `json:"module"`
	Version string   `json:"version"`
	Replace string   `json:"replace,omitempty"` // the clone
	Files   []string `json:"files"`             // below Dir
	Next    []string `json:"next"`              // commands

	contents map[string][]byte
}

// What a name must be like: it becomes that of a function of Lambda and of a service of Cloud Run, and of a directory.
var (
	programName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$`)
	modulePath  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._~-]*(/[a-zA-Z0-9_~-][a-zA-Z0-9._~-]*)*$`)
)

// program says what would be written, and checks that it can be.
func (f *initFlags) program(name string) (*program, error) {
	if !programName.MatchString(name) {
		return nil, usage("name %q: must be a lower-case letter, then lower-case letters, digits and hyphens, 49 at most", name)
	}
	p := &program{Name: name, Dir: filepath.Clean(or(f.dir, name)), Module: or(f.module, "example.com/"+name), Version: deploy.Version()}
	if !modulePath.MatchString(p.Module) {
		return nil, usage("module %q: must be a path such as example.org/me/%s", p.Module, name)
	}
	lines, sums, err := p.pool(f.replace)
	if err != nil {
		return nil, err
	}
	if err := p.render(lines); err != nil {
		return nil, err
	}
	if sums != nil {
		p.contents["go.sum"] = sums
	}
	for file := range p.contents {
		p.Files = append(p.Files, file)
	}
	slices.Sort(p.Files)
	for _, file := range p.Files {
		if _, err := os.Lstat(filepath.Join(p.Dir, file)); err == nil {
			return nil, &deploy.Error{
				Op: "init", Name: filepath.Join(p.Dir, file), Kind: deploy.ErrExists,
				Hint: "nothing was written, and nothing is ever overwritten: choose another name, or --dir",
			}
		}
	}
	p.Next = []string{"cd " + p.Dir, "go run .", "go run . -on local:", "go test .", "lambdapool create"}
	if p.Replace == "" {
		p.Next = slices.Insert(p.Next, 1, "go mod tidy")
	}
	return p, nil
}

// pool finds where lambdapool is: a clone, with what that requires and its go.sum, or a release.
func (p *program) pool(clone string) (requires []string, sums []byte, err error) {
	if clone == "" && p.Version != "devel" {
		return nil, nil, nil
	}
	if clone == "" {
		if _, here, _, ok := runtime.Caller(0); ok && filepath.IsAbs(here) { // not absolute where paths were trimmed
			clone = filepath.Join(filepath.Dir(here), "..", "..")
		}
	}
	if clone == "" {
		return nil, nil, usage("replace: this command is no release, and does not know the clone that it was built from: --replace DIR names one")
	}
	if clone, err = filepath.Abs(clone); err != nil {
		return nil, nil, err
	}
	mod, err := os.ReadFile(filepath.Join(clone, "go.mod"))
	if err != nil {
		return nil, nil, usage("replace: %w (--replace DIR names a clone of lambdapool's repository)", err)
	}
	if module, _, _ := strings.Cut(string(mod), "\n"); strings.TrimSpace(module) != "module "+poolModule {
		return nil, nil, usage("replace: %s is not the module %s", clone, poolModule)
	}
	p.Replace, p.Version = clone, "v0.0.0"
	sums, err = os.ReadFile(filepath.Join(clone, "go.sum"))
	return requiresIn(string(mod)), sums, err
}

// requiresIn returns the modules and versions that a go.mod requires in blocks, as gofmt leaves them.
func requiresIn(mod string) []string {
	var all []string
	within := false
	for line := range strings.Lines(mod) {
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "require" && words[1] == "(":
			within = true
		case len(words) == 1 && words[0] == ")":
			within = false
		case within && len(words) >= 2:
			all = append(all, words[0]+" "+words[1])
		}
	}
	return all
}

// render makes the contents of all files but go.sum.
func (p *program) render(requires []string) error {
	all, err := template.ParseFS(fresh, "fresh/*.tmpl")
	if err != nil {
		return err
	}
	replace := filepath.ToSlash(p.Replace)
	if strings.ContainsAny(replace, " \"'`") {
		replace = strconv.Quote(replace)
	}
	p.contents = map[string][]byte{}
	for _, t := range all.Templates() {
		var b bytes.Buffer
		if err := t.Execute(&b, map[string]any{
			"Name": p.Name, "Title": strings.ToUpper(p.Name[:1]) + p.Name[1:], "Module": p.Module, "Pool": poolModule,
			"Version": p.Version, "Replace": replace, "Requires": requires,
		}); err != nil {
			return err
		}
		file := strings.TrimSuffix(t.Name(), ".tmpl")
		if file == "gitignore" { // embed leaves out files that begin with a dot
			file = ".gitignore"
		}
		p.contents[file] = b.Bytes()
	}
	return nil
}

// write makes the files. What it made is removed again where one cannot be.
func (p *program) write() (err error) {
	var made []string
	defer func() {
		if err != nil {
			for _, file := range slices.Backward(made) {
				err = errors.Join(err, os.Remove(file))
			}
			err = &deploy.Error{Op: "init", Name: p.Name, Err: err, Hint: "what was written is removed again"}
		}
	}()
	_, err = os.Lstat(p.Dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(p.Dir, 0o755); err != nil { //nolint:gosec // source, as git would check it out
		return err
	}
	if isNew {
		made = append(made, p.Dir)
	}
	for _, file := range p.Files {
		path := filepath.Join(p.Dir, file)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // source, as git would check it out
		if err != nil {
			return err
		}
		made = append(made, path)
		_, err = f.Write(p.contents[file])
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// show prints what was written, and what to do with it.
func (p *program) show(w io.Writer, dryRun bool) {
	verb := "wrote"
	if dryRun {
		verb = "would write"
	}
	for _, file := range p.Files {
		fmt.Fprintln(w, verb, legible.Line(filepath.Join(p.Dir, file)))
	}
	if dryRun {
		return
	}
	fmt.Fprintln(w, "\nnext:")
	for _, command := range p.Next {
		fmt.Fprintln(w, " ", legible.Line(command))
	}
}
