package deploy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/internal/suggest"
)

// A Spec says which function is wanted.
type Spec struct {
	Name     string    // of the Lambda function
	Package  string    // a main package that calls agent.Main: a directory or an import path
	Dir      string    // where Package is looked up; "" is the current directory
	Artifact *Artifact // what Package was built to before; nil: it is built
	Arch     string    // "arm64", "x86_64", or "": what the deployed function has, else arm64
	Role     string    // ARN of a role that exists; "": one is made for this function
	Settings
}

// Settings are what can be configured. The zero value of each means: as it is
// in the deployed function, and Lambda's or lambdapool's default in a new one.
type Settings struct {
	Memory              int               // MB; a new function gets 1769, which is one vCPU
	Timeout             time.Duration     // whole seconds; a new function gets 5 minutes
	EphemeralStorage    int               // MB of /tmp
	Layers              []string          // ARNs of layer versions; empty and not nil: none
	Env                 map[string]string // added to the deployed environment
	UnsetEnv            []string          // names taken out of the deployed environment
	ReservedConcurrency *int              // executions kept for this function, and its limit; negative: none reserved
	LogRetention        int               // days; negative: for ever
	Subnets             []string          // ids; with SecurityGroups: run in this VPC
	SecurityGroups      []string          // ids
	Tags                map[string]string // added to the deployed tags
}

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
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", Marker,
}

// Architectures that Lambda has.
const (
	ARM64 = "arm64"
	X8664 = "x86_64"
)

// Check returns an error that names the first value Lambda would refuse, and its
// limit. It sends nothing. The error matches [ErrInvalid].
func (s *Spec) Check() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if s.Arch != "" && s.Arch != ARM64 && s.Arch != X8664 {
		return invalid("architecture %q: must be arm64 or x86_64%s", s.Arch, meant(s.Arch, ARM64, X8664))
	}
	if s.Role != "" && !rolePattern.MatchString(s.Role) {
		return invalid("role %q: must be the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME", s.Role)
	}
	return s.check()
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
	for _, check := range []func() error{s.checkLayers, s.checkEnv, s.checkVPC, s.checkTags} {
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
	if n := len(s.Tags); n > MaxTags-2 {
		return invalid("%d tags: Lambda allows %d, and lambdapool uses two of them", n, MaxTags)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		switch {
		case key == "" || len(key) > 128:
			return invalid("tag %q: a key has 1 to 128 characters", key)
		case len(s.Tags[key]) > 256:
			return invalid("tag %s: a value has at most 256 characters", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("tag %s: keys that begin with aws: are AWS's own", key)
		case key == Tag || key == tagCreated:
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
