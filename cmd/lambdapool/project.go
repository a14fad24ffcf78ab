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
	Region, Profile, Endpoint string
	Bucket                    string // of detached runs, NAME[/PREFIX]
	dir                       string // where packages are looked up
	packages                  map[string]string
	functions                 map[string]map[string][]string // function, key, values
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

func parseProject(text []byte) (*project, error) {
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	p := &project{packages: map[string]string{}, functions: map[string]map[string][]string{}}
	known := map[string]func(any) error{
		"region":       func(v any) error { return one(v, &p.Region) },
		"profile":      func(v any) error { return one(v, &p.Profile) },
		"endpoint-url": func(v any) error { return one(v, &p.Endpoint) },
		"bucket":       func(v any) error { return one(v, &p.Bucket) },
		"functions":    p.parseFunctions,
	}
	return p, each("", file, known)
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

func unknownKey(where, key string, known []string) error {
	if near := suggest.Nearest(key, known); len(near) > 0 {
		return fmt.Errorf("%s: unknown key (did you mean %s?)", where, near[0])
	}
	return fmt.Errorf("%s: unknown key (known: %s)", where, strings.Join(known, ", "))
}

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
		for _, f := range slices.Concat(fields, versionFields) {
			known[f.name] = func(v any) (err error) {
				values, err := flatten(v)
				if err == nil {
					err = f.apply(new(wanted), values)
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
	var all []wanted
	for _, name := range names {
		w, err := merge(name, p.functions[name], flags)
		if err != nil {
			return nil, err
		}
		if w.Package = p.packages[name]; w.Package != "" {
			w.Dir = p.dir
		}
		if len(args) > 1 {
			w.Package, w.Dir = args[1], ""
		}
		if err := w.Check(); err != nil {
			if e, ok := errors.AsType[*deploy.Error](err); ok {
				e.Name = name
			}
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}
