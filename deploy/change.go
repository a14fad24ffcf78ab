package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/internal/agentmain"
)

// changes is what an update would do: the difference between what is wanted and what is
// deployed. A value that is not wanted, such as a zero Memory, is no difference.
type changes struct {
	code    bool
	arch    string                                   // "": as it is
	config  *lambda.UpdateFunctionConfigurationInput // nil: as it is
	reserve *int                                     // nil: as it is
	tags    map[string]string                        // to set; empty: as they are
	retain  int                                      // 0: as it is
	days    int                                      // for how many the log is kept now; 0: for ever, or nobody has looked
	plan    []string
}

// differ compares. The retention of the log is nothing of the function: days is what
// there is now.
func differ(s *Spec, f *Function, a *Artifact, days int) (changes, error) {
	d := changes{plan: []string{}, days: days}
	if a != nil {
		d.codeOf(s, f, a)
	}
	if err := d.configOf(s, f, a); err != nil {
		return d, err
	}
	if r := s.ReservedConcurrency; r != nil && reserved(r) != reserved(f.Reserved) {
		d.reserve = r
		d.notef("reserved concurrency %s → %s", reserved(f.Reserved), reserved(r))
	}
	d.tags = map[string]string{}
	for _, key := range sortedKeys(s.Tags) {
		if have, ok := f.Tags[key]; !ok || have != s.Tags[key] {
			d.tags[key] = s.Tags[key]
			d.notef("tag %s %q → %q", key, have, s.Tags[key])
		}
	}
	if s.LogRetention != 0 && retention(s.LogRetention) != retention(days) {
		d.retain = s.LogRetention
		d.notef("log retention %s → %s", retention(days), retention(s.LogRetention))
	}
	return d, nil
}

func (d *changes) notef(format string, args ...any) {
	d.plan = append(d.plan, fmt.Sprintf(format, args...))
}

// codeOf compares code by the hash of its zip, which is why a build must give the same bytes each
// time.
func (d *changes) codeOf(s *Spec, f *Function, a *Artifact) {
	if s.Arch != "" && s.Arch != f.Arch {
		d.arch = s.Arch
		d.notef("architecture %s → %s", f.Arch, s.Arch)
	}
	if d.code = a.Sum != f.CodeSHA256 || d.arch != ""; d.code {
		d.notef("code %.12s → %.12s, %.1f MB zipped", f.CodeSHA256, a.Sum, float64(len(a.Zip))/(1<<20))
	} else {
		d.notef(codeUnchanged)
	}
}

const codeUnchanged = "code unchanged"

func (d *changes) any() bool {
	return d.code || d.config != nil || d.reserve != nil || len(d.tags) > 0 || d.retain != 0
}

// configOf fills d.config with what differs, and with nothing else: Lambda leaves
// alone what a request does not name.
func (d *changes) configOf(s *Spec, f *Function, a *Artifact) error {
	in := &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String(f.Name)}
	before := len(d.plan)
	if s.Memory != 0 && s.Memory != f.Memory {
		in.MemorySize = aws.Int32(int32(s.Memory))
		d.notef("memory %d → %d MB", f.Memory, s.Memory)
	}
	if seconds := int(s.Timeout / time.Second); seconds != 0 && seconds != f.Timeout {
		in.Timeout = aws.Int32(int32(seconds))
		d.notef("timeout %d → %d s", f.Timeout, seconds)
	}
	if s.EphemeralStorage != 0 && s.EphemeralStorage != f.EphemeralStorage {
		in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(int32(s.EphemeralStorage))}
		d.notef("/tmp %d → %d MB", f.EphemeralStorage, s.EphemeralStorage)
	}
	if s.Layers != nil && !slices.Equal(s.Layers, f.Layers) {
		in.Layers = s.Layers
		d.notef("layers %s → %s", list(f.Layers), list(s.Layers))
	}
	if len(s.Subnets) > 0 && (!sameSet(s.Subnets, f.Subnets) || !sameSet(s.SecurityGroups, f.SecurityGroups)) {
		in.VpcConfig = &types.VpcConfig{SubnetIds: s.Subnets, SecurityGroupIds: s.SecurityGroups}
		d.notef("VPC %s → %s", list(f.Subnets), list(s.Subnets))
	}
	if s.Role != "" && s.Role != f.Role {
		in.Role = aws.String(s.Role)
		d.notef("role %s → %s", f.Role, s.Role)
	}
	if err := d.envOf(s, f, a, in); err != nil {
		return err
	}
	if len(d.plan) > before {
		d.config = in
	}
	return nil
}

// envOf shows names, not values: they may be secrets. Of new code the environment says what it was
// built from, or nothing.
func (d *changes) envOf(s *Spec, f *Function, a *Artifact, in *lambda.UpdateFunctionConfigurationInput) error {
	env := maps.Clone(f.Env)
	if env == nil {
		env = map[string]string{}
	}
	for _, name := range slices.Sorted(slices.Values(s.UnsetEnv)) {
		if _, ok := env[name]; ok {
			delete(env, name)
			d.notef("environment: %s removed", name)
		}
	}
	wanted := s.env()
	for _, name := range sortedKeys(wanted) {
		switch have, ok := env[name]; {
		case !ok:
			d.notef("environment: %s added", name)
		case have != wanted[name]:
			d.notef("environment: %s changed", name)
		}
		env[name] = wanted[name]
	}
	if have := env[agentmain.BuildVariable]; a != nil && a.Commit != have {
		env[agentmain.BuildVariable] = a.Commit
		if a.Commit == "" {
			delete(env, agentmain.BuildVariable)
		}
		d.notef("commit %s → %s", or(have, "unknown"), or(a.Commit, "unknown"))
	}
	if maps.Equal(env, f.Env) {
		return nil
	}
	if err := checkEnvSize(env); err != nil {
		return err
	}
	in.Environment = &types.Environment{Variables: env}
	return nil
}

func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
