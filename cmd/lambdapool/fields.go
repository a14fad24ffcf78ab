package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/deploy/rundeploy"
)

// wanted is what flags and the project file say about one function. A zero value was not said: for
// a new function it means the default, for one that exists the deployed value.
type wanted struct {
	deploy.Spec
	publish bool
	alias   string

	on  string
	run rundeploy.Settings // on Cloud Run, what Spec has not
	tag string
}

// A field is one thing to say: a flag, and a key of the same name in the project
// file.
type field struct {
	name  string
	kind  string // how help names the value
	usage string
	merge bool // flags add to what the file says, instead of replacing it
	apply func(w *wanted, values []string) error
	only  string // the cloud that has it; "": each
}

// fields are all of them, in the order of help.
var fields = []field{
	{"arch", "ARCH", "arm64 or x86_64 (default arm64; on 'lambdapool local' this machine's)", false,
		func(w *wanted, v []string) error { w.Arch = last(v); return nil }, onLambda},
	{"memory", "MB", "128 to 10240; 1769 is one vCPU (default 1769); Cloud Run: 128 to 32768 (default 512)", false,
		func(w *wanted, v []string) error {
			err := number(last(v), "MB", &w.Memory)
			w.run.Memory = w.Memory
			return err
		}, ""},
	{"cpu", "N", "vCPUs of an instance: 0.08 to 1, 2, 4, 6 or 8 (default 1)", false, vcpus, onCloudRun},
	{"timeout", "TIME", "1s to 900s, such as 30s or 5m (default 5m); Cloud Run: to 59m50s", false,
		func(w *wanted, v []string) error {
			err := span(last(v), &w.Timeout)
			w.run.Timeout = w.Timeout
			return err
		}, ""},
	{"concurrency", "N", "requests that an instance takes at once, 1 to 1000 (default 1)", false,
		func(w *wanted, v []string) error { return number(last(v), "requests", &w.run.Concurrency) }, onCloudRun},
	{"instances", "N", "instances at most (default 100)", false,
		func(w *wanted, v []string) error { return number(last(v), "instances", &w.run.Instances) }, onCloudRun},
	{"ephemeral-storage", "MB", "size of /tmp, 512 to 10240 (default 512)", false,
		func(w *wanted, v []string) error { return number(last(v), "MB", &w.EphemeralStorage) }, onLambda},
	{"env", "NAME=VALUE", "variable of the agent's environment; may be repeated", true,
		func(w *wanted, v []string) (err error) {
			w.Env, err = pairs(v)
			w.run.Env = w.Env
			return err
		}, ""},
	{"unset-env", "NAME", "remove a variable from the environment; may be repeated", false,
		func(w *wanted, v []string) error {
			w.UnsetEnv = commas(v)
			w.run.UnsetEnv = w.UnsetEnv
			return nil
		}, ""},
	{"isolation", "on|off", "a crash takes only the items that ran at that moment, not the whole agent (default on)", false,
		func(w *wanted, v []string) error { w.Isolation = last(v); return nil }, onLambda},
	{"layers", "ARN", "layer versions, at most 5, separated by commas; 'none' removes them", false,
		func(w *wanted, v []string) error { w.Layers = none(commas(v)); return nil }, onLambda},
	{"reserved-concurrency", "N", "executions kept for this function, which are its limit too; 'none' removes it", false, reserve, onLambda},
	{"log-retention", "DAYS", "for how long the log is kept; 'never' to delete it never", false, retain, onLambda},
	{"role", "ARN", "a role that exists, instead of one made for this function", false,
		func(w *wanted, v []string) error { w.Role = last(v); return nil }, onLambda},
	{"service-account", "EMAIL", "the account that the agent runs as (default: the project's)", false,
		func(w *wanted, v []string) error { w.run.ServiceAccount = last(v); return nil }, onCloudRun},
	{"source-bucket", "BUCKET", "bucket that the code goes to, instead of an image in Artifact Registry; 'none': an image again", false,
		func(w *wanted, v []string) error { w.run.SourceBucket = last(v); return nil }, onCloudRun},
	{"code-bucket", "BUCKET", "bucket that the archive is stored in once; functions refer to it there, so it must stay", false,
		func(w *wanted, v []string) error { w.CodeBucket = last(v); return nil }, onLambda},
	{"vpc-subnets", "ID", "subnets of the VPC to run in, separated by commas", false,
		func(w *wanted, v []string) error { w.Subnets = commas(v); return nil }, onLambda},
	{"vpc-security-groups", "ID", "security groups in that VPC, separated by commas", false,
		func(w *wanted, v []string) error { w.SecurityGroups = commas(v); return nil }, onLambda},
	{"tags", "KEY=VALUE", "tag of the function; may be repeated", true,
		func(w *wanted, v []string) (err error) { w.Tags, err = pairs(v); return err }, onLambda},
	{"labels", "KEY=VALUE", "label of the service; may be repeated", true,
		func(w *wanted, v []string) (err error) { w.run.Labels, err = pairs(v); return err }, onCloudRun},
}

// createFields are for create only: what a role may do, and how many functions there are, is said once.
var createFields = []field{
	{"nested", "", "let functions call on their own pool: the role may invoke NAME", false,
		func(w *wanted, v []string) error { return boolean(last(v), &w.Nested) }, onLambda},
	{"shards", "N", "functions that stand for NAME, 1 to 20: each may start 1000 environments at once and 100 more a second (default 1)", false,
		func(w *wanted, v []string) error { return number(last(v), "shards", &w.Shards) }, onLambda},
}

// versionFields are for update only.
var versionFields = []field{
	{"publish", "", "publish a version of the result", false,
		func(w *wanted, v []string) error { return boolean(last(v), &w.publish) }, onLambda},
	{"alias", "NAME", "point this alias to the published version, in one step and after it has answered", false,
		func(w *wanted, v []string) error { w.alias = last(v); return nil }, onLambda},
	{"tag", "TAG", "traffic tag that leads to the result, and stays there until it is moved", false,
		func(w *wanted, v []string) error { w.tag = last(v); return nil }, onCloudRun},
}

// cloudNames are for people.
var cloudNames = map[string]string{onLambda: "Lambda", onCloudRun: "Cloud Run"}

// vcpus reads a number of vCPUs.
func vcpus(w *wanted, values []string) (err error) {
	if w.run.CPU, err = strconv.ParseFloat(last(values), 64); err != nil {
		return fmt.Errorf("%q is not a number of vCPUs", last(values))
	}
	if w.run.CPU == 0 {
		return errZero
	}
	return nil
}

// errZero is the error of a 0 where no number below one is allowed. To deploy.Spec it would mean that nothing was said.
var errZero = errors.New("0 is out of range")

// read applies a field. The error of a 0 says what is allowed.
func (f *field) read(w *wanted, values []string) error {
	err := f.apply(w, values)
	if errors.Is(err, errZero) {
		return fmt.Errorf("%w: %s", err, f.usage)
	}
	return err
}

// last is the value that counts of a flag that was given twice.
func last(values []string) string { return values[len(values)-1] }

// number reads a whole number. Its range is checked with all others, by deploy.Spec.Check.
func number(text, unit string, n *int) (err error) {
	if *n, err = strconv.Atoi(text); err != nil {
		return fmt.Errorf("%q is not a whole number of %s", text, unit)
	}
	if *n == 0 {
		return errZero
	}
	return nil
}

// span reads a time with a unit, or as Lambda's own tools take it, in seconds.
func span(text string, d *time.Duration) (err error) {
	if *d, err = time.ParseDuration(text); err != nil {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds > int(time.Duration(1<<63-1)/time.Second) {
			return fmt.Errorf("%q is not a time such as 30s or 5m", text)
		}
		*d = time.Duration(seconds) * time.Second
	}
	if *d == 0 {
		return errZero
	}
	return nil
}

// boolean reads true or false, in any spelling that strconv knows.
func boolean(text string, b *bool) (err error) {
	if *b, err = strconv.ParseBool(text); err != nil {
		return fmt.Errorf("%q is not true or false", text)
	}
	return nil
}

// pairs reads NAME=VALUE. The value may have further signs of equality.
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

// none makes of the word an empty list, which removes what is deployed; no list at all leaves it.
func none(words []string) []string {
	if slices.Equal(words, []string{"none"}) {
		return []string{}
	}
	return words
}

// reserve reads a reserved concurrency. 0 is a number like any other: it switches the function off.
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

// retain reads for how many days the log is kept. Which numbers CloudWatch Logs takes is deploy's
// to say.
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

// Set checks a value when its flag is read, so that the error names the flag.
func (s *said) Set(v string) error {
	if err := s.f.read(new(wanted), []string{v}); err != nil {
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
		help := f.usage
		if f.only != "" {
			help = cloudNames[f.only] + ": " + help
		}
		flag := flags.VarPF(all[f.name], f.name, "", help)
		if f.kind == "" {
			flag.NoOptDefVal = "true"
		}
	}
	return all
}

// merge puts what flags say over what the project file says.
func merge(on, name string, file map[string][]string, flags map[string]*said) (wanted, error) {
	w := wanted{Spec: deploy.Spec{Name: name}, on: on}
	for _, f := range slices.Concat(fields, createFields, versionFields) {
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
		if f.only != "" && f.only != on {
			return w, usage("%s of %s: only on %s, and this is on %s", f.name, name, cloudNames[f.only], cloudNames[on])
		}
		if err := f.read(&w, values); err != nil {
			return w, usage("%s of %s: %w", f.name, name, err)
		}
	}
	return w, nil
}
