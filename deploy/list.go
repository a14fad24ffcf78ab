package deploy

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

// List yields the functions of the account and region that lambdapool made, in Lambda's order.
// It asks page by page, 50 functions each, while the loop runs. No request is made for a single
// function, so Tags and Reserved are empty: [Client.Show] has them. A function whose variable
// [Marker] somebody removed is not found. Shards come as one function, when the last of them was found; those of
// whose set some are missing come at the end, and Uneven says which.
//
// An error is yielded once, with an empty Function, and ends the loop. Leaving the loop early
// is fine. The iterator may be used again, and asks again then.
func (c *Client) List(ctx context.Context) iter.Seq2[Function, error] {
	return func(yield func(Function, error) bool) {
		sets := &shardSets{}
		pages := lambda.NewListFunctionsPaginator(c.lambda, &lambda.ListFunctionsInput{MaxItems: aws.Int32(50)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Function{}, fail("list", "functions", cause(ctx, err)))
				return
			}
			for i := range page.Functions {
				f := describe(&page.Functions[i])
				if f.Lambdapool == "" {
					continue
				}
				if f, whole := sets.add(f); whole && !yield(f, nil) {
					return
				}
			}
		}
		for _, f := range sets.rest() {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// A Shown is all there is to know about a function. It can be printed as JSON.
type Shown struct {
	Function Function `json:"function"`

	// Registry is what the agent says. It is nil when it could not be asked; Problem says why
	// then.
	Registry *Registry `json:"registry,omitempty"`
	Problem  string    `json:"problem,omitempty"` // why there is no Registry

	// Aliases maps the names of aliases to the versions they point to.
	Aliases map[string]string `json:"aliases,omitempty"`

	// LastUse is the time of the last entry in the log, from before Show's own call. It is zero
	// if there is none, or the log may not be read.
	LastUse time.Time `json:"last_use,omitzero"`
}

// Show returns a function's configuration, and what its agent says when it is called. It also
// shows functions that lambdapool did not make.
//
// It blocks for a few requests and one invocation, which is often a cold start. An agent that
// does not answer is no error: Problem in the result says why. The error matches [ErrNotFound]
// when there is no such function, [ErrInvalid] for a bad name.
func (c *Client) Show(ctx context.Context, name string) (*Shown, error) {
	if err := checkName(name); err != nil {
		return nil, fail("show", name, err)
	}
	f, err := c.get(ctx, name, "")
	if err != nil {
		return nil, fail("show", name, err)
	}
	s := &Shown{Function: f, LastUse: c.lastUse(ctx, name)} // before the call below uses it
	if f.shard == 0 {
		others, err := c.others(ctx, &f)
		if err != nil {
			return nil, fail("show", name, cause(ctx, err))
		}
		together(&s.Function, others)
	}
	if s.Aliases, err = c.aliases(ctx, name); err != nil {
		return nil, fail("show", name, err)
	}
	if s.Registry, err = c.Describe(ctx, name, ""); err != nil {
		s.Problem = err.Error()
	}
	return s, fail("show", name, context.Cause(ctx))
}

// Function returns the configuration of a function, or of one version of it: qualifier is a
// version or an alias, "" is the newest code. Versions keep the memory, architecture and
// timeout that they were published with. [Client.Show] tells more, and calls the agent for it.
//
// It blocks for one request. The error matches [ErrNotFound] when there is no such function or
// version, [ErrInvalid] for a bad name.
func (c *Client) Function(ctx context.Context, name, qualifier string) (Function, error) {
	if err := checkName(name); err != nil {
		return Function{}, fail("show", name, err)
	}
	f, err := c.get(ctx, name, qualifier)
	return f, fail("show", name, err)
}

func (c *Client) aliases(ctx context.Context, name string) (map[string]string, error) {
	aliases := map[string]string{}
	pages := lambda.NewListAliasesPaginator(c.lambda, &lambda.ListAliasesInput{FunctionName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, cause(ctx, err)
		}
		for _, a := range page.Aliases {
			aliases[aws.ToString(a.Name)] = aws.ToString(a.FunctionVersion)
		}
	}
	return aliases, nil
}

// lastUse is the time of the newest entry in the function's log. Who may not read logs
// learns everything else all the same.
func (c *Client) lastUse(ctx context.Context, name string) time.Time {
	out, err := c.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: aws.String(logGroup(name)), OrderBy: logtypes.OrderByLastEventTime, Descending: aws.Bool(true), Limit: aws.Int32(1),
	})
	if err != nil || len(out.LogStreams) == 0 || out.LogStreams[0].LastEventTimestamp == nil {
		return time.Time{}
	}
	return time.UnixMilli(*out.LogStreams[0].LastEventTimestamp).UTC()
}

// A Layer is a version of a layer, and who uses it.
type Layer struct {
	// ARN is that of the version, as Settings.Layers wants it.
	ARN string `json:"arn"`

	// UsedBy names the functions made by lambdapool that have it. It is nil if none has.
	UsedBy []string `json:"used_by,omitempty"`

	// Newest says that it is the account's newest version of the layer. A function whose layer
	// is not the newest may want an update.
	Newest bool `json:"newest"`
}

// Layers returns the layers that functions made by lambdapool use, and the newest version of
// each one that the account has. They are sorted by ARN. It blocks for a list of all functions
// and one of all layers, page by page.
func (c *Client) Layers(ctx context.Context) ([]Layer, error) {
	byARN := map[string]*Layer{}
	at := func(arn string) *Layer {
		if byARN[arn] == nil {
			byARN[arn] = &Layer{ARN: arn}
		}
		return byARN[arn]
	}
	for f, err := range c.List(ctx) {
		if err != nil {
			return nil, fail("list", "layers", err)
		}
		for _, arn := range f.Layers {
			at(arn).UsedBy = append(at(arn).UsedBy, f.Name)
		}
	}
	pages := lambda.NewListLayersPaginator(c.lambda, &lambda.ListLayersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fail("list", "layers", cause(ctx, err))
		}
		for _, l := range page.Layers {
			if v := l.LatestMatchingVersion; v != nil {
				at(aws.ToString(v.LayerVersionArn)).Newest = true
			}
		}
	}
	layers := make([]Layer, 0, len(byARN))
	for _, arn := range sortedKeys(byARN) {
		layers = append(layers, *byARN[arn])
	}
	return layers, nil
}

// DeleteOptions say what goes with a function. The zero value keeps its log.
type DeleteOptions struct {
	// Logs deletes its log group, too. The log cannot be restored.
	Logs bool

	// DryRun only says what would be deleted.
	DryRun bool
}

// Delete deletes a function with its shards, all versions and aliases, and the role that [Client.Create]
// made for it. A role that was named in the Spec stays. Calls that run are not waited for. It
// cannot be undone.
//
// It returns what was deleted, or would be. What is gone already counts as deleted. After the
// first failure it stops, and the error's Left says what is still there, with the commands that
// remove it. The error matches [ErrNotFound] when there is no such function, [ErrForeign] when
// lambdapool did not make it, [ErrInvalid] for a bad name.
func (c *Client) Delete(ctx context.Context, name string, o DeleteOptions) ([]string, error) {
	if err := checkName(name); err != nil {
		return nil, fail("delete", name, err)
	}
	f, err := c.own(ctx, name)
	if err != nil {
		return nil, fail("delete", name, err)
	}
	u := &steps.Undo{} // the same in the order of making, so that it is deleted in reverse
	if o.Logs {
		for _, shard := range f.names() {
			group := logGroup(shard)
			u.Add("log group "+group, "aws logs delete-log-group --log-group-name "+group,
				func(ctx context.Context) error { return c.deleteLogGroup(ctx, shard) })
		}
	}
	if role := RoleName(name); f.Role != "" && strings.HasSuffix(f.Role, "/"+role) {
		u.Add("role "+role, "aws iam delete-role-policy --role-name "+role+" --policy-name "+inlinePolicy+"; aws iam delete-role --role-name "+role,
			func(ctx context.Context) error {
				if arn, err := c.findRole(ctx, role); err != nil || arn == "" {
					return err
				}
				return c.deleteRole(ctx, role)
			})
	}
	for _, shard := range f.names() { // the one that the others are known by goes last
		u.Add("function "+shard, "lambdapool delete "+name, func(ctx context.Context) error {
			_, err := c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(shard)})
			if code(err) == notFound {
				return nil
			}
			return err
		})
	}
	return c.deleteAll(ctx, name, u, o.DryRun)
}

func (c *Client) deleteAll(ctx context.Context, name string, u *steps.Undo, dryRun bool) ([]string, error) {
	deleted, left, err := u.All(ctx, dryRun, c.say)
	err = fail("delete", name, err)
	if e, ok := errors.AsType[*Error](err); ok {
		e.Left = left
	}
	return deleted, err
}

// callable reports whether a function takes calls in its state.
func callable(f *Function) bool {
	return f.State == "" || f.State == string(types.StateActive) || f.State == string(types.StateInactive)
}
