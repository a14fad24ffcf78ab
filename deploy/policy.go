package deploy

import (
	"encoding/json"
	"slices"
	"strings"
)

// A PolicyInput says for what rights are given. Region, Account and Function are
// required.
type PolicyInput struct {
	Partition string // "aws" by default; "aws-cn", "aws-us-gov"
	Region    string
	Account   string // twelve digits
	Function  string // name

	Bucket string // of awslambda.WithBucket; none: no large payloads and no detached runs
	Prefix string // of awslambda.Prefix; default "lambdapool"
	KMSKey string // of awslambda.SSEKMS, its ARN; none: no right to use a key

	VPC bool // whether the function lives in a VPC
}

// ClientPolicy returns the least IAM policy, as JSON, of a program that calls the
// function with backend/awslambda. The error is one that matches [ErrInvalid]: it
// names what is missing.
func ClientPolicy(in PolicyInput) (string, error) { return in.policy(forClient) }

// AgentPolicy returns the least IAM policy, as JSON, of the function's role. An
// agent calls no AWS service: Lambda acts with these rights on its behalf. Large
// payloads need none, their links are signed by the client.
func AgentPolicy(in PolicyInput) (string, error) { return in.policy(forAgent) }

// DeployerPolicy returns the least IAM policy, as JSON, of whoever deploys the
// function with this package or with the command lambdapool.
func DeployerPolicy(in PolicyInput) (string, error) { return in.policy(forDeployer) }

// A holder is somebody who needs rights.
type holder uint8

const (
	forClient holder = 1 << iota
	forAgent
	forDeployer
	forAdministrator // gives clients their rights, which no policy of ours allows
)

// A right is one row of the table of all rights. It has either the operations of
// the SDK that need it, or the reason why it is needed without any.
type right struct {
	action  string
	holders holder
	calls   string // such as "s3.DeleteObject s3.DeleteObjects"
	because string
	on      func(PolicyInput) []string // resources
	when    func(PolicyInput) bool     // nil: always
}

// The table. Which action an operation needs, and on which resources, is in
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
// (2026-11).
var table = []right{
	{"lambda:InvokeFunction", forClient | forDeployer, "lambda.Invoke", "", onFunction, nil},
	{"lambda:GetFunctionConfiguration", forClient | forDeployer, "lambda.GetFunctionConfiguration", "", onFunction, nil},
	{"s3:PutObject", forClient, "s3.PutObject s3.PresignPutObject s3.PresignPostObject", "", onObjects, hasBucket},
	{"s3:GetObject", forClient, "s3.GetObject s3.PresignGetObject", "", onObjects, hasBucket},
	{"s3:DeleteObject", forClient, "s3.DeleteObject s3.DeleteObjects", "", onObjects, hasBucket},
	{"s3:ListBucket", forClient, "s3.ListObjectsV2", "", onBucket, hasBucket},
	{"kms:GenerateDataKey", forClient, "", "S3 encrypts what the client, or its link, puts", onKey, hasKey},
	{"kms:Decrypt", forClient, "", "S3 decrypts what the client, or its link, gets", onKey, hasKey},

	{"logs:CreateLogGroup", forAgent, "", "Lambda makes the function's log group, unless Create has", onLogGroup, nil},
	{"logs:CreateLogStream", forAgent, "", "each environment of the function has a log stream", onLogGroup, nil},
	{"logs:PutLogEvents", forAgent, "", "Lambda writes what the agent prints", onLogGroup, nil},
	{"ec2:CreateNetworkInterface", forAgent, "", inVPC, onAll, hasVPC},
	{"ec2:DescribeNetworkInterfaces", forAgent, "", inVPC, onAll, hasVPC},
	{"ec2:DeleteNetworkInterface", forAgent, "", inVPC, onAll, hasVPC},
	{"ec2:DescribeSubnets", forAgent, "", inVPC, onAll, hasVPC},
	{"ec2:AssignPrivateIpAddresses", forAgent, "", inVPC, onAll, hasVPC},
	{"ec2:UnassignPrivateIpAddresses", forAgent, "", inVPC, onAll, hasVPC},

	{"lambda:CreateAlias", forDeployer, "lambda.CreateAlias", "", onFunction, nil},
	{"lambda:CreateFunction", forDeployer, "lambda.CreateFunction", "", onFunction, nil},
	{"lambda:DeleteFunction", forDeployer, "lambda.DeleteFunction", "", onFunction, nil},
	{"lambda:DeleteFunctionConcurrency", forDeployer, "lambda.DeleteFunctionConcurrency", "", onFunction, nil},
	{"lambda:GetAlias", forDeployer, "lambda.GetAlias", "", onFunction, nil},
	{"lambda:GetFunction", forDeployer, "lambda.GetFunction", "", onFunction, nil},
	{"lambda:ListAliases", forDeployer, "lambda.ListAliases", "", onFunction, nil},
	{"lambda:PublishVersion", forDeployer, "lambda.PublishVersion", "", onFunction, nil},
	{"lambda:PutFunctionConcurrency", forDeployer, "lambda.PutFunctionConcurrency", "", onFunction, nil},
	{"lambda:TagResource", forDeployer, "lambda.TagResource", "", onFunction, nil},
	{"lambda:UpdateAlias", forDeployer, "lambda.UpdateAlias", "", onFunction, nil},
	{"lambda:UpdateFunctionCode", forDeployer, "lambda.UpdateFunctionCode", "", onFunction, nil},
	{"lambda:UpdateFunctionConfiguration", forDeployer, "lambda.UpdateFunctionConfiguration", "", onFunction, nil},
	{"lambda:GetAccountSettings", forDeployer, "lambda.GetAccountSettings", "", onAll, nil},
	{"lambda:ListFunctions", forDeployer, "lambda.ListFunctions", "", onAll, nil},
	{"lambda:ListLayers", forDeployer, "lambda.ListLayers", "", onAll, nil},
	{"lambda:GetLayerVersion", forDeployer, "", "CreateFunction and UpdateFunctionConfiguration read the layers", onLayers, nil},
	{"ec2:DescribeSecurityGroups", forDeployer, "", checkedVPC, onAll, hasVPC},
	{"ec2:DescribeSubnets", forDeployer, "", checkedVPC, onAll, hasVPC},
	{"ec2:DescribeVpcs", forDeployer, "", checkedVPC, onAll, hasVPC},
	{"iam:CreateRole", forDeployer, "iam.CreateRole", "", onRole, nil},
	{"iam:DeleteRole", forDeployer, "iam.DeleteRole", "", onRole, nil},
	{"iam:DeleteRolePolicy", forDeployer, "iam.DeleteRolePolicy", "", onRole, nil},
	{"iam:GetRole", forDeployer, "iam.GetRole", "", onRole, nil},
	{"iam:PassRole", forDeployer, "", "CreateFunction and UpdateFunctionConfiguration give the role to Lambda", onRole, nil},
	{"iam:PutRolePolicy", forDeployer, "iam.PutRolePolicy", "", onRole, nil},
	{"iam:TagRole", forDeployer, "", "CreateRole sets tags", onRole, nil},
	{"iam:PutUserPolicy", forAdministrator, "iam.PutUserPolicy", "", nil, nil},
	{"logs:CreateLogGroup", forDeployer, "logs.CreateLogGroup", "", onLogGroup, nil},
	{"logs:DeleteLogGroup", forDeployer, "logs.DeleteLogGroup", "", onLogGroup, nil},
	{"logs:DeleteRetentionPolicy", forDeployer, "logs.DeleteRetentionPolicy", "", onLogGroup, nil},
	{"logs:DescribeLogStreams", forDeployer, "logs.DescribeLogStreams", "", onLogGroup, nil},
	{"logs:FilterLogEvents", forDeployer, "logs.FilterLogEvents", "", onLogGroup, nil},
	{"logs:PutRetentionPolicy", forDeployer, "logs.PutRetentionPolicy", "", onLogGroup, nil},
	{"logs:DescribeLogGroups", forDeployer, "logs.DescribeLogGroups", "", onAll, nil},
	{"sts:GetCallerIdentity", forDeployer, "sts.GetCallerIdentity", "", onAll, nil},
}

const (
	// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html (2026-11)
	inVPC      = "Lambda connects the function to its VPC"
	checkedVPC = "CreateFunction and UpdateFunctionConfiguration check the VPC"
)

func hasBucket(in PolicyInput) bool { return in.Bucket != "" }
func hasKey(in PolicyInput) bool    { return in.Bucket != "" && in.KMSKey != "" }
func hasVPC(in PolicyInput) bool    { return in.VPC }

func (in PolicyInput) arn(service, region, resource string) string {
	account := in.Account
	if service == "s3" {
		account = ""
	}
	return strings.Join([]string{"arn", in.Partition, service, region, account, resource}, ":")
}

func onAll(PolicyInput) []string { return []string{"*"} }

// onFunction is the function, and any version or alias of it.
func onFunction(in PolicyInput) []string {
	arn := in.arn("lambda", in.Region, "function:"+in.Function)
	return []string{arn, arn + ":*"}
}

// onLogGroup is the function's log, and the streams of it.
func onLogGroup(in PolicyInput) []string {
	arn := in.arn("logs", in.Region, "log-group:"+logGroup(in.Function))
	return []string{arn, arn + ":*"}
}

func onLayers(in PolicyInput) []string {
	return []string{in.arn("lambda", in.Region, "layer:*")}
}

func onRole(in PolicyInput) []string {
	return []string{in.arn("iam", "", "role/"+RoleName(in.Function))}
}

func onObjects(in PolicyInput) []string {
	return []string{in.arn("s3", "", in.Bucket+"/"+strings.TrimSuffix(in.Prefix, "/")+"/*")}
}

func onBucket(in PolicyInput) []string {
	return []string{in.arn("s3", "", in.Bucket)}
}

func onKey(in PolicyInput) []string { return []string{in.KMSKey} }

// conditions are of the rights that hold under one only. A bucket is listed below the
// prefix. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html (2026-11).
var conditions = map[string]func(PolicyInput) condition{
	"s3:ListBucket": func(in PolicyInput) condition {
		return condition{"StringLike": {"s3:prefix": {strings.TrimSuffix(in.Prefix, "/") + "/*"}}}
	},
}

// A condition is an operator, the key that it is about, and the values of it that will do.
type condition map[string]map[string][]string

type statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition condition `json:",omitempty"`
}

// policy is the document of what who may do.
func (in PolicyInput) policy(who holder) (string, error) {
	if err := in.complete(); err != nil {
		return "", fail("policy", in.Function, err)
	}
	var statements []statement
	for _, r := range table {
		if r.holders&who == 0 || r.when != nil && !r.when(in) {
			continue
		}
		resources := r.on(in)
		if conditional, ok := conditions[r.action]; ok {
			statements = append(statements, statement{Effect: "Allow", Action: []string{r.action}, Resource: resources, Condition: conditional(in)})
			continue
		}
		i := slices.IndexFunc(statements, func(s statement) bool { return slices.Equal(s.Resource, resources) && s.Condition == nil })
		if i < 0 {
			i = len(statements)
			statements = append(statements, statement{Effect: "Allow", Resource: resources})
		}
		statements[i].Action = append(statements[i].Action, r.action)
	}
	doc, err := json.MarshalIndent(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", statements}, "", "  ")
	return string(doc) + "\n", err
}

// complete sets the defaults and says what is missing, or would make an ARN of
// something else.
func (in *PolicyInput) complete() error {
	if in.Partition == "" {
		in.Partition = "aws"
	}
	if in.Prefix == "" {
		in.Prefix = "lambdapool" // as awslambda.WithBucket has it
	}
	if err := checkName(in.Function); err != nil {
		return err
	}
	for _, part := range []struct{ name, value string }{
		{"region", in.Region}, {"account", in.Account}, {"partition", in.Partition}, {"bucket", in.Bucket}, {"prefix", in.Prefix}, {"key", in.KMSKey},
	} {
		if strings.ContainsAny(part.value, "*? \t\n") {
			return invalid("%s %q: a wildcard or a space would allow more than is meant", part.name, part.value)
		}
	}
	switch {
	case in.Region == "":
		return invalid("the region is missing")
	case len(in.Account) != 12 || strings.Trim(in.Account, "0123456789") != "":
		return invalid("account %q: want twelve digits", in.Account)
	case strings.Contains(in.Bucket, "/"):
		return invalid("bucket %q: want its name; the prefix is apart", in.Bucket)
	case in.KMSKey != "" && !strings.HasPrefix(in.KMSKey, "arn:"):
		return invalid("key %q: want its ARN; a policy knows no other names", in.KMSKey)
	case in.KMSKey != "" && in.Bucket == "":
		return invalid("a key without a bucket: only stored payloads are encrypted with it")
	}
	return nil
}
