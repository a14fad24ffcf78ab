package rundeploy

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
	"github.com/lambdapool/lambdapool/internal/agentmain"
	"github.com/lambdapool/lambdapool/internal/httpwire"
)

// A Spec says which service is wanted. [Client.Create] makes it, [Client.Update] compares it with what there is. It is
// a value: methods take a copy.
type Spec struct {
	// Name is that of the service: a lower-case letter, then lower-case letters, digits and hyphens, 49 at most.
	Name string

	// Package is a main package that calls agent.Main: a directory, which begins with a dot or is absolute, or an
	// import path. It is built as by [Build].
	Package string

	// Dir is where Package is looked up. "" is the current directory.
	Dir string

	// Artifact is an image that is made already. It wins over Package. Nil: Package is built.
	Artifact *Artifact
	Settings
}

// Settings are what can be configured. The zero value of each means: as it is in the deployed service, and the default
// in a new one. So an update changes only what is set.
type Settings struct {
	// Memory of an instance is in MB, from [MinMemory] to [MaxMemory]. How much goes with how many vCPUs is limited. A
	// new service gets 512.
	Memory int

	// CPU is how many vCPUs an instance has: from [MinCPU] to 1, or 2, 4, 6 or 8. A new service gets 1.
	CPU float64

	// Timeout is how long a call may take, in whole seconds up to [MaxTimeout]. A new service gets 5 minutes. The service
	// itself gets ten seconds more, since Cloud Run counts the start of a container.
	Timeout time.Duration

	// Concurrency is how many requests an instance takes at once, up to [MaxConcurrency]. A new service gets 1: each has
	// all vCPUs for its items.
	Concurrency int

	// Instances is how many there may be at once. A new service gets 100. The region's quota of vCPUs limits it.
	Instances int

	// ServiceAccount is the e-mail address of the account that the agent runs as. "" in a new service is the project's
	// default one, which may do more than an agent needs: give it one without roles.
	ServiceAccount string

	// Env is added to the deployed environment, and replaces equal names. It is no place for secrets.
	Env map[string]string

	// UnsetEnv are names taken out of the deployed environment. Those that are not there do not matter.
	UnsetEnv []string

	// Labels are added to the deployed labels, and replace equal keys. None is removed.
	Labels map[string]string

	// SourceBucket is the name of a bucket of Cloud Storage that the code goes to, as an archive. Then there is no image
	// and no repository, and Google's base image is below the agent. "none" is an image again. "" in a new service is an
	// image. The bucket must exist. What is in it stays there: a service needs its archive. Changing it needs the code. Google
	// calls deploying so a beta.
	SourceBucket string
}

// anImage is what SourceBucket is for a service that is to have an image.
const anImage = "none"

// bucketPattern is of names of buckets, those that are domains included.
// Source: https://cloud.google.com/storage/docs/buckets#naming, 2026-11.
var bucketPattern = regexp.MustCompile(`^[a-z0-9][-_.a-z0-9]{1,220}[a-z0-9]$`)

var (
	namePattern  = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$`)
	labelPattern = regexp.MustCompile(`^[a-z][-_a-z0-9]{0,62}$`)
	valuePattern = regexp.MustCompile(`^[-_a-z0-9]{0,63}$`)
	envPattern   = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

	// Names that Cloud Run keeps for itself (https://cloud.google.com/run/docs/container-contract, 2026-11), and ours.
	reservedEnv = []string{
		httpwire.EnvPort, "K_SERVICE", "K_REVISION", "K_CONFIGURATION", Marker, agentmain.BuildVariable,
		httpwire.EnvAgent, httpwire.EnvAuth, httpwire.EnvToken, httpwire.EnvAddress,
		httpwire.EnvTimeout, httpwire.EnvMemory, httpwire.EnvCPU, httpwire.EnvConcurrency,
	}
)

// Check returns an error that names the first value Cloud Run would refuse, and its limit. It sends nothing. Create and
// Update call it by themselves; call it where values come from a person, to say it early. The error matches
// shared.ErrInvalid.
func (s *Spec) Check() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if s.Artifact != nil {
		if err := s.Artifact.check(); err != nil {
			return err
		}
	}
	return s.check()
}

func checkName(name string) error {
	switch {
	case name == "":
		return steps.Invalid("no service name: must be lower-case letters, digits and hyphens, 49 at most")
	case !namePattern.MatchString(name):
		return steps.Invalid("service name %q: must be a lower-case letter, then lower-case letters, digits and hyphens, 49 at most", name)
	}
	return nil
}

func (s *Settings) check() error {
	switch {
	case s.Memory != 0 && (s.Memory < MinMemory || s.Memory > MaxMemory):
		return steps.Invalid("memory %d MB: Cloud Run allows %d to %d MB", s.Memory, MinMemory, MaxMemory)
	case s.CPU != 0 && (s.CPU < MinCPU || s.CPU > 1 && !slices.Contains(cpus, s.CPU)):
		return steps.Invalid("%v vCPUs: Cloud Run allows %v to 1, 2, 4, 6 or 8", s.CPU, MinCPU)
	case s.Timeout != 0 && (s.Timeout < MinTimeout || s.Timeout > MaxTimeout):
		return steps.Invalid("timeout %v: must be 1s to %v: Cloud Run allows an hour, and a start is a part of it", s.Timeout, MaxTimeout)
	case s.Timeout%time.Second != 0:
		return steps.Invalid("timeout %v: must be whole seconds", s.Timeout)
	case s.Concurrency < 0 || s.Concurrency > MaxConcurrency:
		return steps.Invalid("concurrency %d: Cloud Run allows 1 to %d requests at once", s.Concurrency, MaxConcurrency)
	case s.Instances < 0 || s.Instances > MaxInstances:
		return steps.Invalid("%d instances: must be 1 to %d", s.Instances, MaxInstances)
	}
	for _, check := range []func() error{s.checkPlaces, s.checkEnv, s.checkLabels} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) checkPlaces() error {
	switch {
	case s.ServiceAccount != "" && !emailPattern.MatchString(s.ServiceAccount):
		return steps.Invalid("service account %q: must be its e-mail address", s.ServiceAccount)
	case s.SourceBucket != "" && !bucketPattern.MatchString(s.SourceBucket):
		return steps.Invalid("source bucket %q: must be the name of a bucket, such as my-agents, or none", s.SourceBucket)
	}
	return nil
}

func (s *Settings) checkEnv() error {
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(s.Env)), s.UnsetEnv) {
		switch {
		case slices.Contains(reservedEnv, name):
			return steps.Invalid("environment variable %s: reserved, Cloud Run or lambdapool sets it", name)
		case !envPattern.MatchString(name):
			return steps.Invalid("environment variable %q: a name is letters, digits and underscores and begins with no digit", name)
		case strings.ContainsRune(s.Env[name], 0):
			return steps.Invalid("environment variable %s: its value contains a NUL byte", name)
		}
	}
	for _, name := range s.UnsetEnv {
		if _, both := s.Env[name]; both {
			return steps.Invalid("environment variable %s: both set and unset", name)
		}
	}
	return nil
}

func (s *Settings) checkLabels() error {
	if n := len(s.Labels); n > MaxLabels-2 {
		return steps.Invalid("%d labels: Google allows %d, and lambdapool uses two of them", n, MaxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		switch {
		case key == Label || key == labelCreated:
			return steps.Invalid("label %s: lambdapool uses it itself", key)
		case !labelPattern.MatchString(key) || !valuePattern.MatchString(s.Labels[key]):
			return steps.Invalid("label %s=%s: keys and values are lower-case letters, digits, hyphens and underscores, 63 at most, and a key begins with a letter", key, s.Labels[key])
		}
	}
	return nil
}

// defaults are those of new services.
func (s *Settings) defaults() {
	if s.Memory == 0 {
		s.Memory = defaultMemory
	}
	if s.CPU == 0 {
		s.CPU = defaultCPU
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.Concurrency == 0 {
		s.Concurrency = 1
	}
	if s.Instances == 0 {
		s.Instances = defaultInstances
	}
}

// fit refuses what does not go together, once all values are known.
func fit(memory int, cpu float64, concurrency int) error {
	if cpu < 1 && concurrency > 1 {
		return steps.Invalid("%v vCPUs and concurrency %d: below one vCPU an instance takes one request at once", cpu, concurrency)
	}
	for _, m := range memories {
		if cpu < m.upTo {
			if memory < m.least || memory > m.most {
				return steps.Invalid("%d MB of memory and %v vCPUs: with so many vCPUs Cloud Run allows %d to %d MB", memory, cpu, m.least, m.most)
			}
			return nil
		}
	}
	return nil
}
