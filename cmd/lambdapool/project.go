package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// projectFile is read when no other is named.
const projectFile = "lambdapool.yaml"

// A project is what a project file says.
type project struct {
	On                          string // lambda or cloudrun
	Region, Profile, Endpoint   string
	Project, Repository, CallAs string // of Cloud Run
	Bucket                      string // of detached runs, NAME[/PREFIX]
	dir                         string // where packages are looked up
	packages                    map[string]string
	functions                   map[string]map[string][]string // function, key, values
}

// project reads the project file: the one that --file names, or lambdapool.yaml if
// there is one.
func (a *app) project() (*project, error) {
	path := a.file
	if path == "" {
		path = projectFile
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && a.file == "":
		return &project{}, nil
	case err != nil:
		return nil, usage("project file: %w", err)
	}
	p, err := parseProject(text)
	if err != nil {
		return nil, usage("%s: %w", path, err)
	}
	p.dir = filepath.Dir(path)
	return p, nil
}

// parseProject reads a file of which every key must be known: a mistyped one would be ignored
// for ever.
func parseProject(text []byte) (*project, error) {
	if err := bounded(text); err != nil {
		return nil, err
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	p := &project{packages: map[string]string{}, functions: map[string]map[string][]string{}}
	known := map[string]func(any) error{
		"on":           func(v any) error { return one(v, &p.On) },
		"project":      func(v any) error { return one(v, &p.Project) },
		"repository":   func(v any) error { return one(v, &p.Repository) },
		"call-as":      func(v any) error { return one(v, &p.CallAs) },
		"region":       func(v any) error { return one(v, &p.Region) },
		"profile":      func(v any) error { return one(v, &p.Profile) },
		"endpoint-url": func(v any) error { return one(v, &p.Endpoint) },
		"bucket":       func(v any) error { return one(v, &p.Bucket) },
		"functions":    p.parseFunctions,
	}
	return p, each("", file, known)
}

// What a project file may have, far above what one needs: its parser takes memory for each
// level of nesting, and for each use of an anchor.
const (
	maxProject = 1 << 20 // bytes
	maxNesting = 100     // brackets, and items on one line
	maxAliases = 100
)

// bounded refuses a file that its parser would take gigabytes for. It counts brackets
// and marks without regard to quotes, of which a real file has few.
func bounded(text []byte) error {
	if len(text) > maxProject {
		return fmt.Errorf("it has %d bytes: at most %d are read", len(text), maxProject)
	}
	depth, marks, aliases, line := 0, 0, 0, 1
	for i, c := range text {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', '?', ':':
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t') {
				marks++
			}
		case '*', '&':
			aliases++
		case '\n':
			marks, line = 0, line+1
		}
		if depth > maxNesting || marks > maxNesting || aliases > maxAliases {
			return fmt.Errorf("line %d: it is nested, or repeated by anchors, more than %d times", line, maxNesting)
		}
	}
	return nil
}

// each gives the values of a map to those who know its keys.
func each(where string, m map[string]any, known map[string]func(any) error) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		read, ok := known[key]
		if !ok {
			return unknownKey(where+key, key, slices.Sorted(maps.Keys(known)))
		}
		if err := read(m[key]); err != nil {
			return fmt.Errorf("%s%s: %w", where, key, err)
		}
	}
	return nil
}

// unknownKey names the nearest key, or all of them.
func unknownKey(where, key string, known []string) error {
	if near := suggest.Nearest(key, known); len(near) > 0 {
		return fmt.Errorf("%s: unknown key (did you mean %s?)", where, near[0])
	}
	return fmt.Errorf("%s: unknown key (known: %s)", where, strings.Join(known, ", "))
}

// parseFunctions reads what each function is like, and checks each value as its flag would.
func (p *project) parseFunctions(v any) error {
	functions, ok := v.(map[string]any)
	if !ok {
		return errors.New("must be a map from function names to what they are like")
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		says, ok := functions[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: must be a map with keys such as package and memory", name)
		}
		p.functions[name] = map[string][]string{}
		var pkg string
		known := map[string]func(any) error{"package": func(v any) error { return one(v, &pkg) }}
		for _, f := range slices.Concat(fields, createFields, versionFields) {
			known[f.name] = func(v any) (err error) {
				values, err := flatten(v)
				if err == nil {
					err = f.read(new(wanted), values)
				}
				p.functions[name][f.name] = values
				return err
			}
		}
		if err := each(name+".", says, known); err != nil {
			return err
		}
		p.packages[name] = pkg
	}
	return nil
}

// one reads a key that has one value.
func one(v any, s *string) error {
	values, err := flatten(v)
	if err != nil || len(values) != 1 {
		return errors.New("must be one value")
	}
	*s = values[0]
	return nil
}

// flatten turns a value into what would be said by flags: a list by several, a map by
// KEY=VALUE each.
func flatten(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, errors.New("has no value")
	case []any:
		if len(v) == 0 {
			return []string{"none"}, nil
		}
		var all []string
		for _, item := range v {
			text, err := scalar(item)
			if err != nil {
				return nil, err
			}
			all = append(all, text)
		}
		return all, nil
	case map[string]any:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			text, err := scalar(v[key])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			all = append(all, key+"="+text)
		}
		return all, nil
	}
	text, err := scalar(v)
	return []string{text}, err
}

// scalar is a value as it would be typed after a flag.
func scalar(v any) (string, error) {
	switch v.(type) {
	case string, bool, int, int64, uint64, float64:
		return fmt.Sprint(v), nil
	}
	return "", errors.New("must be a plain value")
}

// wanted says what is to be created or updated: the function that args name, with
// its package, or all of the project file.
func (a *app) wanted(args []string, flags map[string]*said) ([]wanted, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(p.functions))
	if len(args) > 0 {
		names = args[:1]
	} else if len(names) == 0 {
		return nil, usage("no function: name one, or list some in %s", projectFile)
	}
	on, err := a.on()
	if err != nil {
		return nil, err
	}
	var all []wanted
	for _, name := range names {
		w, err := merge(on, name, p.functions[name], flags)
		if err != nil {
			return nil, err
		}
		if w.Package = p.packages[name]; w.Package != "" {
			w.Dir = p.dir
		}
		if len(args) > 1 {
			w.Package, w.Dir = args[1], ""
		}
		if err := w.check(); err != nil {
			if e, ok := errors.AsType[*deploy.Error](err); ok {
				e.Name = name
			}
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}
