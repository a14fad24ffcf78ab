package deploy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/isolate"
	"github.com/lambdapool/lambdapool/internal/shards"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// A Spec says which function is wanted. [Client.Create] makes it, [Client.Update] compares it
// with what there is. It is a value: methods take a copy.
type Spec struct {
	// Name is that of the Lambda function: 1 to 64 letters, digits, hyphens and underscores.
	Name string

	// Package is a main package that calls agent.Main. It is a directory, which begins with a
	// dot or is absolute, or an import path. It is built as by [Build].
	Package string

	// Dir is where Package is looked up. "" is the current directory.
	Dir string

	// Artifact is code that is built already. It wins over Package. Nil: Package is built.
	Artifact *Artifact

	// Arch is [ARM64], [X8664], or "". Then it is what the deployed function has. A new
	// function gets arm64, which Lambda sells for less, or on an endpoint of this machine what
	// the machine has. An Artifact's own wins.
	Arch string

	// Role is the ARN of a role that exists. It is used as it is, and never changed. "": one is
	// made for this function, or the one it has stays.
	Role string

	// Nested gives the role that [Client.Create] makes the right to invoke this function, for
	// functions that call on their own pool: see lambdapool.FromContext. A Role that is given has
	// to have it already. An update does not look at it: [Client.GrantNested] changes it later.
	Nested bool

	// Shards is how many functions stand for this one: Name, Name-1 and so on, up to [MaxShards], from one
	// archive and with one role. Lambda's scaling law is per function, so they grow so many times as fast.
	// Clients find the number by themselves: see awslambda.WithShards. 0 or 1: one. It is said
	// when the function is created. An update may repeat it, and cannot change it.
	Shards int

	// CodeBucket is a bucket of the function's region that the archive is stored in, once for all shards, below lambdapool-code/. The functions
	// refer to it there, where the account has that, and take nothing of the 75 GB of code that Lambda keeps for an
	// account; so it must stay as long as they do. "": each request brings the archive.
	CodeBucket string

	mark string // of one shard, of several

	Settings
}

// Settings are what can be configured. The zero value of each means: as it is in the deployed
// function, and Lambda's or lambdapool's default in a new one. So an update changes only what
// is set. [Spec.Check] checks them against the limits of this package.
type Settings struct {
	// Memory is in MB, from [MinMemory] to [MaxMemory]. CPU comes with it: a new function gets
	// 1769, which is one vCPU. See [Estimates] for the cheapest setting.
	Memory int

	// Timeout is how long one invocation may take, in whole seconds up to [MaxTimeout]. A new
	// function gets 5 minutes. Lambda ends the process at that time.
	Timeout time.Duration

	// EphemeralStorage is the size of /tmp in MB, from [MinEphemeralStorage], which a new
	// function gets, to [MaxEphemeralStorage].
	EphemeralStorage int

	// Layers are ARNs of layer versions, at most [MaxLayers]. They replace the deployed ones.
	// Empty and not nil: none.
	Layers []string

	// Env is added to the deployed environment, and replaces equal names. Names that Lambda or
	// lambdapool sets are refused. All together has at most [MaxEnv] bytes. It is no place for
	// secrets: who may read the function's configuration sees them.
	Env map[string]string

	// UnsetEnv are names taken out of the deployed environment. Those that are not there do not
	// matter.
	UnsetEnv []string

	// ReservedConcurrency are executions kept for this function alone. It is a limit, too: more
	// are throttled. 0 stops all calls. Negative: none are reserved. Nil: as it is.
	// [UnreservedFloor] executions of the account must stay free.
	ReservedConcurrency *int

	// LogRetention is for how many days the log is kept: one of [LogRetentions]. Negative: for
	// ever, which is Lambda's default.
	LogRetention int

	// Subnets are ids. With SecurityGroups the function runs in their VPC. Without a NAT there
	// it reaches no address outside. This cannot be taken back with an update here.
	Subnets []string

	// SecurityGroups are ids. They and Subnets belong together.
	SecurityGroups []string

	// Tags are added to the deployed tags, and replace equal keys. None is removed.
	Tags map[string]string

	// Isolation is [IsolationOn], [IsolationOff] or "". A new function gets "on".
	Isolation string
}

// What Settings.Isolation may be. It becomes the variable LAMBDAPOOL_ISOLATION of the function.
const (
	// IsolationOn has the agent run functions in a process of its own. A function that dies
	// takes with it only the items that ran at that moment. It costs about two milliseconds of
	// a cold start and 4 MB of the function's memory.
	IsolationOn = isolate.On
	// IsolationOff runs functions in the agent itself. A crash ends the whole agent, and nobody
	// knows which items ran.
	IsolationOff = isolate.Off
)

var (
	namePattern   = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	aliasPattern  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	digits        = regexp.MustCompile(`^[0-9]+$`)
	layerPattern  = regexp.MustCompile(`^arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:layer:[a-zA-Z0-9_-]{1,140}:[0-9]+$`)
	rolePattern   = regexp.MustCompile(`^arn:[a-z-]+:iam::\d{12}:role/[a-zA-Z0-9_+=,.@/-]+$`)
	envPattern    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
	subnetPattern = regexp.MustCompile(`^subnet-[0-9a-z]+$`)
	groupPattern  = regexp.MustCompile(`^sg-[0-9a-zA-Z]+$`)
)

// Names that Lambda keeps for itself, and this package's.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (2026-11)
var reservedEnv = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", Marker, agentmain.BuildVariable, shards.Variable,
}

// Architectures that Lambda has, by its names for them. ARM64 costs less per second. It is the
// default for new functions. Go's name of X8664 is amd64.
const (
	ARM64 = "arm64"
	X8664 = "x86_64"
)

// Check returns an error that names the first value Lambda would refuse, and its limit. It
// sends nothing, so it knows nothing of the account: whether a role or a layer exists is
// noticed later. Create, Update and Auto call it by themselves; call it where values come from
// a person, to say it early. The error matches [ErrInvalid].
func (s *Spec) Check() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	for _, err := range []error{s.checkShards(), checkBucket(s.CodeBucket)} {
		if err != nil {
			return err
		}
	}
	if s.Arch != "" {
		if err := checkArch(s.Arch); err != nil {
			return err
		}
	}
	if s.Artifact != nil {
		if err := s.Artifact.check(); err != nil {
			return err
		}
	}
	if s.Role != "" && s.Nested {
		return invalid("nested: role %q is not changed here: give it lambda:InvokeFunction on the function yourself", s.Role)
	}
	if s.Role != "" && !rolePattern.MatchString(s.Role) {
		return invalid("role %q: must be the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME", s.Role)
	}
	return s.check()
}

func checkArch(arch string) error {
	switch arch {
	case ARM64, X8664:
		return nil
	case "amd64":
		return invalid("architecture %q: Lambda's name of it is x86_64", arch)
	}
	return invalid("architecture %q: must be arm64 or x86_64%s", arch, meant(arch, ARM64, X8664))
}

func checkName(name string) error {
	switch {
	case name == "":
		return invalid("no function name: must be 1 to 64 letters, digits, hyphens and underscores")
	case !namePattern.MatchString(name):
		return invalid("function name %q: must be 1 to 64 letters, digits, hyphens and underscores", name)
	}
	return nil
}

func checkAlias(alias string) error {
	if alias != "" && (!aliasPattern.MatchString(alias) || digits.MatchString(alias)) {
		return invalid("alias %q: must be 1 to 128 letters, digits, hyphens and underscores, and not a number", alias)
	}
	return nil
}

// meant suggests one of the known words.
func meant(word string, known ...string) string {
	if near := suggest.Nearest(word, known); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %s?)", near[0])
	}
	return ""
}

func (s *Settings) check() error {
	switch {
	case s.Memory != 0 && (s.Memory < MinMemory || s.Memory > MaxMemory):
		return invalid("memory %d MB: Lambda allows %d to %d MB", s.Memory, MinMemory, MaxMemory)
	case s.Timeout != 0 && (s.Timeout < MinTimeout || s.Timeout > MaxTimeout):
		return invalid("timeout %v: Lambda allows 1 to 900 seconds", s.Timeout)
	case s.Timeout%time.Second != 0:
		return invalid("timeout %v: Lambda allows whole seconds only, 1 to 900", s.Timeout)
	case s.EphemeralStorage != 0 && (s.EphemeralStorage < MinEphemeralStorage || s.EphemeralStorage > MaxEphemeralStorage):
		return invalid("ephemeral storage %d MB: Lambda allows %d to %d MB", s.EphemeralStorage, MinEphemeralStorage, MaxEphemeralStorage)
	case s.ReservedConcurrency != nil && *s.ReservedConcurrency > maxReservedValue:
		return invalid("reserved concurrency %d: must be at most the account's limit less %d", *s.ReservedConcurrency, UnreservedFloor)
	case s.LogRetention > 0 && !slices.Contains(LogRetentions(), s.LogRetention):
		return invalid("log retention of %d days: CloudWatch Logs allows %s days", s.LogRetention, joinInts(LogRetentions()))
	}
	for _, check := range []func() error{s.checkLayers, s.checkEnv, s.checkIsolation, s.checkVPC, s.checkTags} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) checkLayers() error {
	if len(s.Layers) > MaxLayers {
		return invalid("%d layers: Lambda allows at most %d", len(s.Layers), MaxLayers)
	}
	seen := map[string]bool{}
	for _, arn := range s.Layers {
		if !layerPattern.MatchString(arn) {
			return invalid("layer %q: must be the ARN of a layer version, arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION", arn)
		}
		layer := arn[:strings.LastIndexByte(arn, ':')]
		if seen[layer] {
			return invalid("layer %s: Lambda allows one version of a layer, here it is twice", layer)
		}
		seen[layer] = true
	}
	return nil
}

func (s *Settings) checkEnv() error {
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if err := checkEnvName(name); err != nil {
			return err
		}
		if strings.ContainsRune(s.Env[name], 0) {
			return invalid("environment variable %s: its value contains a NUL byte", name)
		}
	}
	for _, name := range s.UnsetEnv {
		if err := checkEnvName(name); err != nil {
			return err
		}
		if _, both := s.Env[name]; both {
			return invalid("environment variable %s: both set and unset", name)
		}
	}
	return checkEnvSize(s.Env)
}

func (s *Settings) checkIsolation() error {
	both := s.Isolation
	if said, ok := s.Env[isolate.Variable]; ok {
		if both != "" && both != said {
			return invalid("isolation %q and environment variable %s=%s: they say different things", both, isolate.Variable, said)
		}
		both = said
	} else if both != "" && slices.Contains(s.UnsetEnv, isolate.Variable) {
		return invalid("isolation %q and environment variable %s unset: they say different things", both, isolate.Variable)
	}
	switch both {
	case "", IsolationOn, IsolationOff:
		return nil
	}
	return invalid("isolation %q: must be on or off", both)
}

// env is what the deployed environment is to get.
func (s *Settings) env() map[string]string {
	if s.Isolation == "" {
		return s.Env
	}
	env := maps.Clone(s.Env)
	if env == nil {
		env = map[string]string{}
	}
	env[isolate.Variable] = s.Isolation
	return env
}

func checkEnvName(name string) error {
	switch {
	case slices.Contains(reservedEnv, name):
		return invalid("environment variable %s: reserved, Lambda or lambdapool sets it", name)
	case !envPattern.MatchString(name):
		return invalid("environment variable %q: a name is two or more letters, digits and underscores and begins with a letter", name)
	}
	return nil
}

func checkEnvSize(env map[string]string) error {
	size := 0
	for name, value := range env {
		size += len(name) + len(value)
	}
	if size > MaxEnv {
		return invalid("environment of %d bytes: Lambda allows %d bytes of names and values", size, MaxEnv)
	}
	return nil
}

func (s *Settings) checkVPC() error {
	if (len(s.Subnets) == 0) != (len(s.SecurityGroups) == 0) {
		return invalid("VPC: subnets and security groups belong together, and one of them is missing")
	}
	if len(s.Subnets) > MaxSubnets || len(s.SecurityGroups) > MaxSecurityGroups {
		return invalid("VPC: %d subnets and %d security groups: Lambda allows at most %d and %d", len(s.Subnets), len(s.SecurityGroups), MaxSubnets, MaxSecurityGroups)
	}
	for _, id := range s.Subnets {
		if !subnetPattern.MatchString(id) {
			return invalid("VPC subnet %q: an id looks like subnet-0123456789abcdef0", id)
		}
	}
	for _, id := range s.SecurityGroups {
		if !groupPattern.MatchString(id) {
			return invalid("VPC security group %q: an id looks like sg-0123456789abcdef0", id)
		}
	}
	return nil
}

func (s *Settings) checkTags() error {
	if n := len(s.Tags); n > MaxTags-3 {
		return invalid("%d tags: Lambda allows %d, and lambdapool uses three of them", n, MaxTags)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		switch {
		case key == "" || len(key) > 128:
			return invalid("tag %q: a key has 1 to 128 characters", key)
		case len(s.Tags[key]) > 256:
			return invalid("tag %s: a value has at most 256 characters", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("tag %s: keys that begin with aws: are AWS's own", key)
		case key == Tag || key == tagCreated || key == shards.Tag:
			return invalid("tag %s: lambdapool uses it itself", key)
		}
	}
	return nil
}

func joinInts(ns []int) string {
	words := make([]string, len(ns))
	for i, n := range ns {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, ", ")
}
