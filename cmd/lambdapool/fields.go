package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lambdapool/lambdapool/deploy"
)

// wanted is what flags and the project file say about one function.
type wanted struct {
	deploy.Spec
	publish bool
	alias   string
}

// A field is one thing to say: a flag, and a key of the same name in the project
// file.
type field struct {
	name  string
	kind  string // how help names the value
	usage string
	merge bool // flags add to what the file says, instead of replacing it
	apply func(w *wanted, values []string) error
}

// fields are all of them, in the order of help.
var fields = []field{
	{"arch", "ARCH", "arm64 or x86_64 (default arm64; on 'lambdapool local' this machine's)", false,
		func(w *wanted, v []string) error { w.Arch = last(v); return nil }},
	{"memory", "MB", "128 to 10240; 1769 is one vCPU (default 1769)", false,
		func(w *wanted, v []string) error { return number(last(v), "MB", &w.Memory) }},
	{"timeout", "TIME", "1s to 900s, such as 30s or 5m (default 5m)", false,
		func(w *wanted, v []string) error { return span(last(v), &w.Timeout) }},
	{"ephemeral-storage", "MB", "size of /tmp, 512 to 10240 (default 512)", false,
		func(w *wanted, v []string) error { return number(last(v), "MB", &w.EphemeralStorage) }},
	{"env", "NAME=VALUE", "variable of the agent's environment; may be repeated", true,
		func(w *wanted, v []string) (err error) { w.Env, err = pairs(v); return err }},
	{"unset-env", "NAME", "remove a variable from the environment; may be repeated", false,
		func(w *wanted, v []string) error { w.UnsetEnv = commas(v); return nil }},
	{"layers", "ARN", "layer versions, at most 5, separated by commas; 'none' removes them", false,
		func(w *wanted, v []string) error { w.Layers = none(commas(v)); return nil }},
	{"reserved-concurrency", "N", "executions kept for this function, which are its limit too; 'none' removes it", false, reserve},
	{"log-retention", "DAYS", "for how long the log is kept; 'never' to delete it never", false, retain},
	{"role", "ARN", "a role that exists, instead of one made for this function", false,
		func(w *wanted, v []string) error { w.Role = last(v); return nil }},
	{"vpc-subnets", "ID", "subnets of the VPC to run in, separated by commas", false,
		func(w *wanted, v []string) error { w.Subnets = commas(v); return nil }},
	{"vpc-security-groups", "ID", "security groups in that VPC, separated by commas", false,
		func(w *wanted, v []string) error { w.SecurityGroups = commas(v); return nil }},
	{"tags", "KEY=VALUE", "tag of the function; may be repeated", true,
		func(w *wanted, v []string) (err error) { w.Tags, err = pairs(v); return err }},
}

// versionFields are for update only.
var versionFields = []field{
	{"publish", "", "publish a version of the result", false,
		func(w *wanted, v []string) error { return boolean(last(v), &w.publish) }},
	{"alias", "NAME", "point this alias to the published version, in one step and after it has answered", false,
		func(w *wanted, v []string) error { w.alias = last(v); return nil }},
}

func last(values []string) string { return values[len(values)-1] }

func number(text, unit string, n *int) (err error) {
	if *n, err = strconv.Atoi(text); err != nil {
		return fmt.Errorf("%q is not a whole number of %s", text, unit)
	}
	if *n == 0 {
		*n = -1 // which is out of range; 0 would mean that nothing was said
	}
	return nil
}

func span(text string, d *time.Duration) (err error) {
	if *d, err = time.ParseDuration(text); err != nil {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds > int(deploy.MaxTimeout) {
			return fmt.Errorf("%q is not a time such as 30s or 5m", text)
		}
		*d = time.Duration(seconds) * time.Second
	}
	if *d == 0 {
		*d = -time.Second // out of range, as in number
	}
	return nil
}

func boolean(text string, b *bool) (err error) {
	if *b, err = strconv.ParseBool(text); err != nil {
		return fmt.Errorf("%q is not true or false", text)
	}
	return nil
}

func pairs(values []string) (map[string]string, error) {
	m := map[string]string{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form NAME=VALUE", v)
		}
		m[name] = value
	}
	return m, nil
}

// commas splits lists, and leaves out the empty items that a stray comma makes.
func commas(values []string) []string {
	words := []string{}
	for _, v := range values {
		for word := range strings.SplitSeq(v, ",") {
			if word = strings.TrimSpace(word); word != "" {
				words = append(words, word)
			}
		}
	}
	return words
}

func none(words []string) []string {
	if slices.Equal(words, []string{"none"}) {
		return []string{}
	}
	return words
}

func reserve(w *wanted, values []string) error {
	n := -1
	if text := last(values); text != "none" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 0 {
			return fmt.Errorf("%q is neither a number of executions, from 0, nor none", text)
		}
	}
	w.ReservedConcurrency = &n
	return nil
}

func retain(w *wanted, values []string) error {
	text := last(values)
	if text == "never" {
		w.LogRetention = -1
		return nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 {
		return fmt.Errorf("%q is neither a number of days nor never", text)
	}
	w.LogRetention = days
	return nil
}

// A said keeps what was said about a field, checked, for later.
type said struct {
	f      field
	values []string
}

func (s *said) Set(v string) error {
	if err := s.f.apply(new(wanted), []string{v}); err != nil {
		return err
	}
	s.values = append(s.values, v)
	return nil
}

func (s *said) String() string { return "" }

func (s *said) Type() string { return s.f.kind }

// bind makes a flag of each field. What they say is in the result.
func bind(flags *pflag.FlagSet, fields []field) map[string]*said {
	all := map[string]*said{}
	for _, f := range fields {
		all[f.name] = &said{f: f}
		flag := flags.VarPF(all[f.name], f.name, "", f.usage)
		if f.kind == "" {
			flag.NoOptDefVal = "true"
		}
	}
	return all
}

// merge puts what flags say over what the project file says.
func merge(name string, file map[string][]string, flags map[string]*said) (wanted, error) {
	w := wanted{Spec: deploy.Spec{Name: name}}
	for _, f := range slices.Concat(fields, versionFields) {
		values := file[f.name]
		if s := flags[f.name]; s != nil && len(s.values) > 0 {
			if f.merge {
				values = slices.Concat(values, s.values)
			} else {
				values = s.values
			}
		}
		if len(values) == 0 {
			continue
		}
		if err := f.apply(&w, values); err != nil {
			return w, usage("%s of %s: %w", f.name, name, err)
		}
	}
	return w, nil
}
