package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/lambdapool/lambdapool/deploy/internal/steps"
)

// logGroup is where Lambda puts the log of a function.
func logGroup(function string) string { return "/aws/lambda/" + function }

// makeLogGroup makes the log group before Lambda does, so that it can have a retention.
func (c *Client) makeLogGroup(ctx context.Context, s *Spec, u *steps.Undo) error {
	group := logGroup(s.Name)
	forget := u.Add("log group "+group, "aws logs delete-log-group --log-group-name "+group,
		func(ctx context.Context) error { return c.unlessTaken(ctx, s.Name, u.ID, c.deleteLogGroup) })
	request, done := whole(ctx)
	defer done()
	_, err := c.logs.CreateLogGroup(request, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	if code(err) == "ResourceAlreadyExistsException" {
		forget()
	} else if err != nil {
		return err
	}
	return c.retain(ctx, s.Name, s.LogRetention)
}

// retain sets for how many days the log is kept; negative: for ever.
func (c *Client) retain(ctx context.Context, name string, days int) error {
	c.say("logs", "retention: "+retention(days))
	group := aws.String(logGroup(name))
	if days < 0 {
		_, err := c.logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: group})
		return err
	}
	_, err := c.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(int32(days))})
	return err
}

func (c *Client) deleteLogGroup(ctx context.Context, name string) error {
	_, err := c.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(logGroup(name))})
	if code(err) == notFound {
		return nil
	}
	return err
}

// retentionDays returns for how many days the log is kept, 0 for ever.
func (c *Client) retentionDays(ctx context.Context, name string) (int, error) {
	out, err := c.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(logGroup(name))})
	if err != nil {
		return 0, err
	}
	for _, g := range out.LogGroups {
		if aws.ToString(g.LogGroupName) == logGroup(name) {
			return int(aws.ToInt32(g.RetentionInDays)), nil
		}
	}
	return 0, nil
}

func retention(days int) string {
	switch {
	case days <= 0:
		return "for ever"
	case days == 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", days)
}
