package deploy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
)

type policy struct {
	Version   string
	Statement []struct {
		Effect           string
		Action, Resource []string
		Condition        map[string]map[string][]string
	}
}

// allowed is what a policy allows, as "action on resource", sorted.
func allowed(t *testing.T, doc string, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	if err := json.Unmarshal([]byte(doc), &p); err != nil || p.Version != "2012-10-17" {
		t.Fatalf("%v: %s", err, doc)
	}
	var all []string
	for _, s := range p.Statement {
		if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
			t.Errorf("statement %+v", s)
		}
		for _, action := range s.Action {
			if strings.Contains(action, "*") {
				t.Errorf("action %s", action)
			}
			for _, resource := range s.Resource {
				right := action + " on " + resource
				for operator, keys := range s.Condition {
					right += fmt.Sprintf(" if %s %v", operator, keys)
				}
				all = append(all, right)
			}
		}
	}
	slices.Sort(all)
	return all
}

var (
	lonely = deploy.PolicyInput{Region: "eu-west-1", Account: "123456789012", Function: "demo"}
	laden  = deploy.PolicyInput{
		Partition: "aws-cn", Region: "cn-north-1", Account: "123456789012", Function: "demo",
		Bucket: "payloads", Prefix: "team/", KMSKey: "arn:aws-cn:kms:cn-north-1:123456789012:key/k", VPC: true,
	}
)

func TestClientPolicy(t *testing.T) {
	t.Parallel()
	doc, err := deploy.ClientPolicy(lonely)
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:demo"
	want := []string{
		"lambda:GetFunctionConfiguration on " + function, "lambda:GetFunctionConfiguration on " + function + ":*",
		"lambda:InvokeFunction on " + function, "lambda:InvokeFunction on " + function + ":*",
	}
	if diff := cmp.Diff(want, allowed(t, doc, err)); diff != "" {
		t.Error(diff)
	}

	doc, err = deploy.ClientPolicy(laden)
	const functionCN, objects = "arn:aws-cn:lambda:cn-north-1:123456789012:function:demo", "arn:aws-cn:s3:::payloads/team/*"
	want = []string{
		"kms:Decrypt on " + laden.KMSKey, "kms:GenerateDataKey on " + laden.KMSKey,
		"lambda:GetFunctionConfiguration on " + functionCN, "lambda:GetFunctionConfiguration on " + functionCN + ":*",
		"lambda:InvokeFunction on " + functionCN, "lambda:InvokeFunction on " + functionCN + ":*",
		"s3:DeleteObject on " + objects, "s3:GetObject on " + objects,
		"s3:ListBucket on arn:aws-cn:s3:::payloads if StringLike map[s3:prefix:[team/*]]", "s3:PutObject on " + objects,
	}
	if diff := cmp.Diff(want, allowed(t, doc, err)); diff != "" {
		t.Error(diff)
	}
}

func TestAgentPolicy(t *testing.T) {
	t.Parallel()
	doc, err := deploy.AgentPolicy(lonely)
	const group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/demo"
	want := []string{
		"logs:CreateLogGroup on " + group, "logs:CreateLogGroup on " + group + ":*",
		"logs:CreateLogStream on " + group, "logs:CreateLogStream on " + group + ":*",
		"logs:PutLogEvents on " + group, "logs:PutLogEvents on " + group + ":*",
	}
	if diff := cmp.Diff(want, allowed(t, doc, err)); diff != "" {
		t.Error(diff)
	}
	doc, err = deploy.AgentPolicy(laden)
	inVPC := allowed(t, doc, err)
	if len(inVPC) != len(want)+6 || !slices.Contains(inVPC, "ec2:CreateNetworkInterface on *") || strings.Contains(doc, "payloads") {
		t.Errorf("in a VPC, with a bucket: %s", doc)
	}
	nested := lonely
	nested.Nested = true
	doc, err = deploy.AgentPolicy(nested)
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:demo"
	want = slices.Concat([]string{
		"lambda:GetFunctionConfiguration on " + function, "lambda:GetFunctionConfiguration on " + function + ":*",
		"lambda:InvokeFunction on " + function, "lambda:InvokeFunction on " + function + ":*",
	}, want)
	if diff := cmp.Diff(want, allowed(t, doc, err)); diff != "" {
		t.Error("with calls from calls", diff)
	}
}

func TestDeployerPolicy(t *testing.T) {
	t.Parallel()
	doc, err := deploy.DeployerPolicy(lonely)
	all := allowed(t, doc, err)
	for _, want := range []string{
		"iam:PassRole on arn:aws:iam::123456789012:role/lambdapool-demo",
		"lambda:CreateFunction on arn:aws:lambda:eu-west-1:123456789012:function:demo",
		"lambda:ListFunctions on *",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("does not allow %s", want)
		}
	}
	for _, right := range all {
		action, resource, _ := strings.Cut(right, " on ")
		if resource == "*" && !slices.ContainsFunc([]string{"Get", "List", "Describe"}, func(verb string) bool { return strings.Contains(action, ":"+verb) }) {
			t.Errorf("allows %s", right)
		}
		if action == "iam:PutUserPolicy" || strings.HasPrefix(action, "s3:") || strings.HasPrefix(action, "ec2:") {
			t.Errorf("allows %s", right)
		}
	}
}

// The prefix that a policy assumes is the one that a bucket has by default.
func TestPolicyKnowsTheDefaultPrefix(t *testing.T) {
	t.Parallel()
	in := lonely
	in.Bucket = "payloads"
	doc, err := deploy.ClientPolicy(in)
	if err != nil {
		t.Fatal(err)
	}
	rule, err := awslambda.LifecycleRule("")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rule, `"lambdapool/calls/"`) || !strings.Contains(doc, `"arn:aws:s3:::payloads/lambdapool/*"`) {
		t.Errorf("%s\n%s", rule, doc)
	}
}

func TestPolicyInputIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*deploy.PolicyInput)
		want   string
	}{
		{func(in *deploy.PolicyInput) { in.Function = "" }, "no function name"},
		{func(in *deploy.PolicyInput) { in.Function = "*" }, `function name "*"`},
		{func(in *deploy.PolicyInput) { in.Region = "" }, "the region is missing"},
		{func(in *deploy.PolicyInput) { in.Region = "eu-*" }, `region "eu-*": a wildcard`},
		{func(in *deploy.PolicyInput) { in.Account = "1234" }, `account "1234": want twelve digits`},
		{func(in *deploy.PolicyInput) { in.Bucket = "*" }, `bucket "*": a wildcard`},
		{func(in *deploy.PolicyInput) { in.Bucket = "a/b" }, `bucket "a/b": want its name`},
		{func(in *deploy.PolicyInput) { in.Prefix = "?" }, `prefix "?": a wildcard`},
		{func(in *deploy.PolicyInput) { in.Bucket, in.KMSKey = "b", "alias/x" }, `key "alias/x": want its ARN`},
		{func(in *deploy.PolicyInput) { in.KMSKey = "arn:aws:kms:x" }, "a key without a bucket"},
	} {
		in := lonely
		c.change(&in)
		for _, policy := range []func(deploy.PolicyInput) (string, error){deploy.ClientPolicy, deploy.AgentPolicy, deploy.DeployerPolicy} {
			if _, err := policy(in); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want …%s…", err, c.want)
			}
		}
	}
}
