package deploy

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// List yields the functions that lambdapool made, page by page, with no call for a
// single one: tags and reserved concurrency are left out. After an error it ends.
func (c *Client) List(ctx context.Context) iter.Seq2[Function, error] {
	return func(yield func(Function, error) bool) {
		pages := lambda.NewListFunctionsPaginator(c.lambda, &lambda.ListFunctionsInput{MaxItems: aws.Int32(50)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Function{}, fail("list", "functions", cause(ctx, err)))
				return
			}
			for i := range page.Functions {
				if f := describe(&page.Functions[i]); f.Lambdapool != "" && !yield(f, nil) {
					return
				}
			}
		}
	}
}

// A Shown is all there is to know about a function.
type Shown struct {
	Function Function          `json:"function"`
	Registry *Registry         `json:"registry,omitempty"`
	Problem  string            `json:"problem,omitempty"` // why there is no Registry
	Aliases  map[string]string `json:"aliases,omitempty"` // to versions
	LastUse  time.Time         `json:"last_use,omitzero"` // last entry in its log; zero: none, or unknown
}

// Show returns a function's configuration, and what its agent says when it is
// called, which takes the time of a cold start.
func (c *Client) Show(ctx context.Context, name string) (*Shown, error) {
	if err := checkName(name); err != nil {
		return nil, fail("show", name, err)
	}
	f, err := c.get(ctx, name, "")
	if err != nil {
		return nil, fail("show", name, err)
	}
	s := &Shown{Function: f, LastUse: c.lastUse(ctx, name)} // before the call below uses it
	if s.Aliases, err = c.aliases(ctx, name); err != nil {
		return nil, fail("show", name, err)
	}
	if s.Registry, err = c.Describe(ctx, name, ""); err != nil {
		s.Problem = err.Error()
	}
	return s, fail("show", name, context.Cause(ctx))
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

// A Layer is a layer, and who uses it.
type Layer struct {
	ARN    string   `json:"arn"`               // of a version
	UsedBy []string `json:"used_by,omitempty"` // functions made by lambdapool
	Newest bool     `json:"newest"`            // whether it is the account's newest version of the layer
}

// Layers returns the layers that functions made by lambdapool use, and the newest
// version of each one the account has.
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

// DeleteOptions say what goes with a function.
type DeleteOptions struct {
	Logs   bool // its log group, too
	DryRun bool
}

// Delete deletes a function with all versions and aliases, and the role that [Client.Create]
// made for it. A function that lambdapool did not make is refused with [ErrForeign].
// It returns what was deleted, or would be. When it is interrupted, the error's Left
// says what is still there.
func (c *Client) Delete(ctx context.Context, name string, o DeleteOptions) ([]string, error) {
	if err := checkName(name); err != nil {
		return nil, fail("delete", name, err)
	}
	f, err := c.own(ctx, name)
	if err != nil {
		return nil, fail("delete", name, err)
	}
	u := &undo{} // the same in the order of making, so that it is deleted in reverse
	if o.Logs {
		group := logGroup(name)
		u.add("log group "+group, "aws logs delete-log-group --log-group-name "+group,
			func(ctx context.Context) error { return c.deleteLogGroup(ctx, name) })
	}
	if role := RoleName(name); f.Role != "" && strings.HasSuffix(f.Role, "/"+role) {
		u.add("role "+role, "aws iam delete-role-policy --role-name "+role+" --policy-name "+inlinePolicy+"; aws iam delete-role --role-name "+role,
			func(ctx context.Context) error {
				if arn, err := c.findRole(ctx, role); err != nil || arn == "" {
					return err
				}
				return c.deleteRole(ctx, role)
			})
	}
	u.add("function "+name, "lambdapool delete "+name, func(ctx context.Context) error {
		_, err := c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(name)})
		if code(err) == notFound {
			return nil
		}
		return err
	})
	return c.deleteAll(ctx, name, u, o.DryRun)
}

func (c *Client) deleteAll(ctx context.Context, name string, u *undo, dryRun bool) (deleted []string, err error) {
	var errs []error
	var left []Leftover
	for _, step := range slices.Backward(u.steps) {
		if !dryRun {
			c.say("delete", step.left.What)
			if len(left) == 0 {
				err = step.run(ctx)
			}
			if err != nil {
				errs, left = append(errs, cause(ctx, err)), append(left, step.left)
				continue
			}
		}
		deleted = append(deleted, step.left.What)
	}
	if len(errs) == 0 {
		return deleted, nil
	}
	e, ok := errors.AsType[*Error](fail("delete", name, errs[0]))
	if ok {
		e.Left = left
		return deleted, e
	}
	return deleted, errs[0]
}

// callable reports whether a function takes calls in its state.
func callable(f *Function) bool {
	return f.State == "" || f.State == string(types.StateActive) || f.State == string(types.StateInactive)
}
