package deploy

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A Function is a deployed function, as Lambda describes it.
type Function struct {
	Name             string            `json:"name"`
	ARN              string            `json:"arn"`
	Version          string            `json:"version"`    // "$LATEST" or a number
	Lambdapool       string            `json:"lambdapool"` // the version that deployed it; "": another tool made it
	State            string            `json:"state"`
	Reason           string            `json:"reason,omitempty"` // of a State that is not Active
	Arch             string            `json:"arch"`
	Memory           int               `json:"memory_mb"`
	Timeout          int               `json:"timeout_seconds"`
	EphemeralStorage int               `json:"ephemeral_storage_mb"`
	CodeSize         int64             `json:"code_bytes"`
	CodeSHA256       string            `json:"code_sha256"`
	LastModified     time.Time         `json:"last_modified,omitzero"`
	Role             string            `json:"role"`
	Layers           []string          `json:"layers,omitempty"`
	Env              map[string]string `json:"-"` // values may be secrets: show prints the names
	EnvNames         []string          `json:"env,omitempty"`
	Subnets          []string          `json:"subnets,omitempty"`
	SecurityGroups   []string          `json:"security_groups,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`                 // not in lists
	Reserved         *int              `json:"reserved_concurrency,omitempty"` // not in lists

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
	return f, err
}

// cause prefers why ctx ended to what a request said about it.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
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
