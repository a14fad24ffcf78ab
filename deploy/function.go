package deploy

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/internal/shards"
)

// A Function is a deployed function, as Lambda describes it. It can be printed as JSON, which
// leaves out the values of its environment: they may be secrets.
type Function struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`

	// Version is "$LATEST" or a number.
	Version string `json:"version"`

	// Lambdapool is the version of lambdapool that deployed it. "": another tool made it.
	Lambdapool string `json:"lambdapool"`

	// State is a word of Lambda's, such as "Active", "Pending", "Inactive" or "Failed". An
	// inactive function wakes at its next call.
	State string `json:"state"`

	// Reason is why State is not Active, or why the last update failed.
	Reason string `json:"reason,omitempty"`

	// Arch is [ARM64] or [X8664].
	Arch string `json:"arch"`

	// Memory and EphemeralStorage are in MB, Timeout is in seconds.
	Memory           int `json:"memory_mb"`
	Timeout          int `json:"timeout_seconds"`
	EphemeralStorage int `json:"ephemeral_storage_mb"`

	// CodeSize is that of the zip, in bytes.
	CodeSize int64 `json:"code_bytes"`

	// CodeSHA256 is the hash of the zip in base64, as in [Artifact]'s Sum.
	CodeSHA256   string    `json:"code_sha256"`
	LastModified time.Time `json:"last_modified,omitzero"`

	// Role is the ARN of the role that it runs with.
	Role   string   `json:"role"`
	Layers []string `json:"layers,omitempty"`

	// Env is its environment. Its values may be secrets, so JSON has EnvNames instead.
	Env            map[string]string `json:"-"`
	EnvNames       []string          `json:"env,omitempty"`
	Subnets        []string          `json:"subnets,omitempty"`
	SecurityGroups []string          `json:"security_groups,omitempty"`

	// Tags and Reserved are not in lists, since Lambda does not tell them there. Reserved is
	// nil where no executions are reserved.
	Tags     map[string]string `json:"tags,omitempty"`
	Reserved *int              `json:"reserved_concurrency,omitempty"` // not in lists

	// Shards is how many functions stand for this one: Name, Name-1 and so on. 0: it stands for itself.
	// Uneven says in what they differ, such as "demo-3 is missing". An update with the package makes
	// them equal. [Client.List] and [Client.Show] look at it; "": in nothing, or nobody has looked.
	Shards int    `json:"shards,omitempty"`
	Uneven string `json:"uneven,omitempty"`

	shard    int    // which of them it is
	base     string // the name that they are known by
	update   string // LastUpdateStatus
	revision string
}

// describe reads what GetFunction and ListFunctions have in common.
func describe(c *types.FunctionConfiguration) Function {
	f := Function{
		Name:             aws.ToString(c.FunctionName),
		ARN:              aws.ToString(c.FunctionArn),
		Version:          aws.ToString(c.Version),
		State:            string(c.State),
		Reason:           aws.ToString(c.StateReason),
		Arch:             X8664, // Lambda's default
		Memory:           int(aws.ToInt32(c.MemorySize)),
		Timeout:          int(aws.ToInt32(c.Timeout)),
		EphemeralStorage: MinEphemeralStorage,
		CodeSize:         c.CodeSize,
		CodeSHA256:       aws.ToString(c.CodeSha256),
		Role:             aws.ToString(c.Role),
		Env:              map[string]string{},
		update:           string(c.LastUpdateStatus),
		revision:         aws.ToString(c.RevisionId),
	}
	if len(c.Architectures) > 0 {
		f.Arch = string(c.Architectures[0])
	}
	if s := c.EphemeralStorage; s != nil {
		f.EphemeralStorage = int(aws.ToInt32(s.Size))
	}
	if f.update == string(types.LastUpdateStatusFailed) {
		f.Reason = aws.ToString(c.LastUpdateStatusReason)
	}
	for _, layer := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339} { // Lambda's, then anybody's
		if t, err := time.Parse(layer, aws.ToString(c.LastModified)); err == nil {
			f.LastModified = t
			break
		}
	}
	for _, l := range c.Layers {
		f.Layers = append(f.Layers, aws.ToString(l.Arn))
	}
	if c.Environment != nil {
		f.Env = maps.Clone(c.Environment.Variables)
	}
	f.Lambdapool = f.Env[Marker]
	f.EnvNames = sortedKeys(f.Env)
	f.base, f.shard, f.Shards = shards.Of(f.Name, f.Env[shards.Variable])
	if f.Shards == 1 {
		f.Shards = 0
	}
	if v := c.VpcConfig; v != nil {
		f.Subnets, f.SecurityGroups = v.SubnetIds, v.SecurityGroupIds
	}
	return f
}

// get returns a function with its tags, or one version of it.
func (c *Client) get(ctx context.Context, name, qualifier string) (Function, error) {
	in := &lambda.GetFunctionInput{FunctionName: aws.String(name)}
	if qualifier != "" {
		in.Qualifier = aws.String(qualifier)
	}
	out, err := c.lambda.GetFunction(ctx, in)
	if err != nil {
		return Function{}, cause(ctx, err)
	}
	f := describe(out.Configuration)
	f.Tags = out.Tags
	if f.Lambdapool == "" {
		f.Lambdapool = out.Tags[Tag]
	}
	if out.Concurrency != nil && out.Concurrency.ReservedConcurrentExecutions != nil {
		n := int(*out.Concurrency.ReservedConcurrentExecutions)
		f.Reserved = &n
	}
	return f, nil
}

// own is get for functions that lambdapool made; it refuses others.
func (c *Client) own(ctx context.Context, name string) (Function, error) {
	f, err := c.get(ctx, name, "")
	if err == nil && f.Lambdapool == "" {
		return f, &Error{Kind: ErrForeign, Hint: "it has neither the tag " + Tag + " nor the variable " + Marker + "; change it with the tool that made it"}
	}
	if err == nil && f.shard > 0 {
		return f, invalid("function %s is a shard of %s, which stands for all of them: name that", name, f.base)
	}
	return f, err
}

// settled waits until a function is active and no update of it is under way.
func (c *Client) settled(ctx context.Context, name string) (Function, error) {
	for deadline, said := time.Now().Add(activeWithin), false; ; {
		f, err := c.get(ctx, name, "")
		if err != nil {
			return f, err
		}
		switch {
		case f.State == string(types.StateFailed) || f.update == string(types.LastUpdateStatusFailed):
			return f, &Error{Kind: ErrNotReady, Err: errorf("Lambda says: %s", or(f.Reason, "no reason")), Hint: "lambdapool show " + name + " has the details"}
		case (f.State == "" || f.State == string(types.StateActive) || f.State == string(types.StateInactive)) &&
			f.update != string(types.LastUpdateStatusInProgress):
			return f, nil
		case time.Now().After(deadline):
			return f, &Error{Kind: ErrNotReady, Err: errorf("state %s, update %s after %v", f.State, or(f.update, "none"), activeWithin), Hint: "lambdapool show " + name + " tells when it is ready"}
		}
		if !said {
			c.say("wait", "for "+name+" to become active")
			said = true
		}
		if err := sleep(ctx, c.poll); err != nil {
			return f, err
		}
	}
}

// plain returns an ARN without its version.
func plain(arn string) string {
	if parts := strings.SplitN(arn, ":", 8); len(parts) == 8 {
		return strings.Join(parts[:7], ":")
	}
	return arn
}
