package local_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	out, err := serve(t).sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(out.Account) != "000000000000" || !strings.HasPrefix(aws.ToString(out.Arn), "arn:aws:iam::000000000000:") {
		t.Errorf("%+v: %v", out, err)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	c := serve(t).iam
	role := aws.String("other")
	create := &iam.CreateRoleInput{
		RoleName: role, Path: aws.String("/lambdapool/"), Description: aws.String("a & b"), AssumeRolePolicyDocument: aws.String(trust),
		Tags: []iamtypes.Tag{{Key: aws.String("made-by"), Value: aws.String("test")}},
	}
	created, err := c.CreateRole(t.Context(), create)
	if err != nil {
		t.Fatal(err)
	}
	if arn := aws.ToString(created.Role.Arn); arn != "arn:aws:iam::000000000000:role/lambdapool/other" {
		t.Error(arn)
	}
	_, err = c.CreateRole(t.Context(), create)
	refused(t, err, "EntityAlreadyExists", "Role with name other already exists.")
	got, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: role})
	if err != nil {
		t.Fatal(err)
	}
	document, err := url.QueryUnescape(aws.ToString(got.Role.AssumeRolePolicyDocument))
	if diff := cmp.Diff([]any{trust, "a & b", 1, "test"}, []any{document, aws.ToString(got.Role.Description), len(got.Role.Tags), aws.ToString(got.Role.Tags[0].Value)}); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if time.Since(aws.ToTime(got.Role.CreateDate)) > time.Hour {
		t.Errorf("created %v", got.Role.CreateDate)
	}

	policy := aws.String("logs")
	_, err = c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role, PolicyName: policy, PolicyDocument: aws.String("{")})
	refused(t, err, "MalformedPolicyDocument", "Syntax errors in policy")
	_, err = c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: role, PolicyName: policy, PolicyDocument: aws.String(`{"Statement":[],"Id":"` + strings.Repeat("x", 10_240) + `"}`),
	})
	refused(t, err, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded")
	if _, err := c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role, PolicyName: policy, PolicyDocument: aws.String(`{"Statement":["a b+c"]}`)}); err != nil {
		t.Fatal(err)
	}
	put, err := c.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: role, PolicyName: policy})
	if err != nil {
		t.Fatal(err)
	}
	if document, err := url.PathUnescape(aws.ToString(put.PolicyDocument)); err != nil || document != `{"Statement":["a b+c"]}` {
		t.Errorf("%v: %s", err, document)
	}
	managed := aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	if _, err := c.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: managed}); err != nil {
		t.Fatal(err)
	}
	attached, err := c.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: role})
	if err != nil || len(attached.AttachedPolicies) != 1 || aws.ToString(attached.AttachedPolicies[0].PolicyName) != "AWSLambdaBasicExecutionRole" {
		t.Errorf("attached %+v: %v", attached, err)
	}
	_, err = c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: role})
	refused(t, err, "DeleteConflict", "must delete policies first")
	if _, err := c.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: policy}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: role})
	refused(t, err, "DeleteConflict", "must detach all policies first")
	if _, err := c.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: managed}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: role}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: role})
	refused(t, err, "NoSuchEntity", "The role with name other cannot be found.")
	_, err = c.ListGroups(t.Context(), &iam.ListGroupsInput{})
	refused(t, err, "InvalidAction", "ListGroups")
	_, err = c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: role}, func(o *iam.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider("AKIASOMEBODYELSE", "secret", "")
	})
	refused(t, err, "InvalidClientTokenId", "security token")
}

// A function's role must trust Lambda, and not merely be there.
func TestRoleMustTrustLambda(t *testing.T) {
	t.Parallel()
	c := serve(t)
	role := aws.String("agent")
	if _, err := c.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: role, PolicyDocument: aws.String(strings.ReplaceAll(trust, "lambda", "ec2")),
	}); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateFunction(t.Context(), newFunction("demo", script("one")))
	refused(t, err, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
}

func TestLogsOfAgents(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, handlerFunction("demo"))
	if _, result := c.call(t, "demo", `{"do":"print","text":"first \"words\" 1"}`); result != `"printed"` {
		t.Fatal(result)
	}
	c.call(t, "demo", `{"do":"print","text":"second words"}`)
	group := aws.String("/aws/lambda/demo")
	filter := func(pattern string) []string {
		t.Helper()
		pager := cloudwatchlogs.NewFilterLogEventsPaginator(c.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String(pattern), Limit: aws.Int32(2)})
		var messages []string
		for pager.HasMorePages() {
			out, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out.Events {
				word, _, _ := strings.Cut(strings.TrimSpace(aws.ToString(e.Message)), " ")
				messages = append(messages, word)
			}
		}
		return messages
	}
	all := filter("")
	begins := []string{"the", "START", "first", "", "no", "END", "REPORT", "START", "second", "", "no", "END", "REPORT"}
	if diff := cmp.Diff(begins, all); diff != "" {
		t.Error(diff)
	}
	for pattern, want := range map[string][]string{
		"words":           {"first", "second"},
		`"first "`:        {"first"},
		`words -first`:    {"second"},
		"?first ?END":     {"first", "END", "END"},
		`"\"words\"" 1`:   {"first"},
		"nothing of this": nil,
	} {
		if diff := cmp.Diff(want, filter(pattern)); diff != "" {
			t.Errorf("%s: %s", pattern, diff)
		}
	}
	_, err := c.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String(`{ $.a = 1 }`)})
	refused(t, err, "InvalidParameterException", "Invalid filter pattern")
	streams, err := c.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: logstypes.OrderByLastEventTime, Descending: aws.Bool(true)})
	if err != nil || len(streams.LogStreams) != 1 || !strings.Contains(aws.ToString(streams.LogStreams[0].LogStreamName), "/[$LATEST]") {
		t.Fatalf("streams %+v: %v", streams, err)
	}
	got, err := c.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: streams.LogStreams[0].LogStreamName, Limit: aws.Int32(5), StartFromHead: aws.Bool(true)})
	if err != nil || len(got.Events) != 5 {
		t.Fatalf("%+v: %v", got, err)
	}
	rest, err := c.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: streams.LogStreams[0].LogStreamName, NextToken: got.NextForwardToken})
	if err != nil || len(rest.Events) != len(all)-5 {
		t.Errorf("%+v: %v", rest, err)
	}
}

func TestLogGroups(t *testing.T) {
	t.Parallel()
	c := serve(t).logs
	for i := range 3 {
		if _, err := c.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(fmt.Sprintf("/g/%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	group := aws.String("/g/1")
	_, err := c.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	refused(t, err, "ResourceAlreadyExistsException", "already exists")
	_, err = c.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(8)})
	refused(t, err, "InvalidParameterException", "'retentionInDays'")
	if _, err := c.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	list := func() (got []string) {
		pager := cloudwatchlogs.NewDescribeLogGroupsPaginator(c, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/g/"), Limit: aws.Int32(2)})
		for pager.HasMorePages() {
			out, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range out.LogGroups {
				got = append(got, fmt.Sprint(*g.LogGroupName, " ", aws.ToInt32(g.RetentionInDays)))
			}
		}
		return got
	}
	if diff := cmp.Diff([]string{"/g/0 0", "/g/1 7", "/g/2 0"}, list()); diff != "" {
		t.Error(diff)
	}
	if _, err := c.DeleteRetentionPolicy(t.Context(), &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: group}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/g/0")}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"/g/1 0", "/g/2 0"}, list()); diff != "" {
		t.Error(diff)
	}
	_, err = c.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/g/0")})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = c.DescribeMetricFilters(t.Context(), &cloudwatchlogs.DescribeMetricFiltersInput{})
	refused(t, err, "UnknownOperationException", "DescribeMetricFilters")
}

// What the agents write does not fill this process's memory.
func TestLogsAreBounded(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, handlerFunction("demo"))
	for range 12 {
		c.call(t, "demo", `{"do":"print","text":"x","n":1000000}`)
	}
	group := aws.String("/aws/lambda/demo")
	groups, err := c.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if kept := aws.ToInt64(groups.LogGroups[0].StoredBytes); kept > 8<<20 || kept < 6<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	out, err := c.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("REPORT")})
	if err != nil || len(out.Events) == 0 || len(out.Events) > 9 {
		t.Errorf("%d reports are left: %v", len(out.Events), err)
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Error(err)
	}
}
