package deploy

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/shards"
)

// A PolicyInput says for what rights are given. Region, Account and Function are required.
// [Client.PolicyInput] fills in what AWS knows. No value may hold a wildcard or a space, which
// would allow more than is meant.
type PolicyInput struct {
	// Partition is "aws" by default. Others are "aws-cn" and "aws-us-gov".
	Partition string

	// Region is where the function lives, such as "eu-central-1".
	Region string

	// Account is a number of twelve digits.
	Account string

	// Function is the name, without version or alias. Rights are for all of these.
	Function string

	// Bucket is that of awslambda.WithBucket. Without one there are no rights for large
	// payloads and detached runs.
	Bucket string

	// Prefix is that of awslambda.Prefix, by default "lambdapool". Rights in the bucket end
	// there.
	Prefix string

	// KMSKey is the ARN of the key of awslambda.SSEKMS. Without one there is no right to use a
	// key. It needs a Bucket.
	KMSKey string

	// CodeBucket is that of [Spec], for whoever deploys. Without one there are no rights for it.
	CodeBucket string

	// VPC says that the function lives in a VPC, which needs rights for its network.
	VPC bool

	// Nested says that functions call on the pool that they run in (lambdapool.FromContext). Then
	// the agent's role may invoke its own function, and nothing else.
	Nested bool

	// Shards is how many functions stand for Function. Rights are for all of them. 0 is one.
	// [Client.PolicyInput] looks it up where the function exists.
	Shards int
}

// ClientPolicy returns the least IAM policy, as JSON, of a program that calls the function with
// backend/awslambda. Give it to the user or role that the program runs as, or let
// [Client.GrantClient] do it. It does not allow to change the function.
//
// It asks nobody. The error matches [ErrInvalid] and names what is missing or bad.
func ClientPolicy(in PolicyInput) (string, error) { return in.policy(forClient) }

// AgentPolicy returns the least IAM policy, as JSON, of the function's role. An agent calls no
// AWS service by itself: Lambda acts with these rights on its behalf, for logs and the network.
// Large payloads need none, since their links are signed by the client. Add what your own
// functions need. With Nested it may also invoke the function itself.
//
// [Client.Create] sets it, so most programs do not need this. It asks nobody. The error matches
// [ErrInvalid].
func AgentPolicy(in PolicyInput) (string, error) {
	who := forAgent
	if in.Nested {
		who |= forNested
	}
	return in.policy(who)
}

// DeployerPolicy returns the least IAM policy, as JSON, of whoever deploys the function with
// this package or with the command lambdapool. It includes the right to make and delete the
// function's own role, which is powerful: keep it from programs that only call.
//
// It asks nobody. The error matches [ErrInvalid].
func DeployerPolicy(in PolicyInput) (string, error) { return in.policy(forDeployer) }

// A holder is somebody who needs rights.
type holder uint8

const (
	forClient holder = 1 << iota
	forAgent
	forDeployer
	forNested        // agents whose functions call on their own pool
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
	{"lambda:InvokeFunction", forClient | forDeployer | forNested, "lambda.Invoke", "", onFunction, nil},
	{"lambda:GetFunctionConfiguration", forClient | forDeployer | forNested, "lambda.GetFunctionConfiguration", "", onFunction, nil},
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
	{"lambda:DeleteAlias", forDeployer, "lambda.DeleteAlias", "", onFunction, nil},
	{"lambda:DeleteFunction", forDeployer, "lambda.DeleteFunction", "", onFunction, nil},
	{"lambda:DeleteFunctionConcurrency", forDeployer, "lambda.DeleteFunctionConcurrency", "", onFunction, nil},
	{"lambda:GetAlias", forDeployer, "lambda.GetAlias", "", onFunction, nil},
	{"lambda:GetFunction", forDeployer, "lambda.GetFunction", "", onFunction, nil},
	{"lambda:ListAliases", forDeployer, "lambda.ListAliases", "", onFunction, nil},
	{"lambda:ListTags", forDeployer, "", "GetFunction tells the tags only to who may list them", onFunction, nil},
	{"lambda:PublishVersion", forDeployer, "lambda.PublishVersion", "", onFunction, nil},
	{"lambda:PutFunctionConcurrency", forDeployer, "lambda.PutFunctionConcurrency", "", onFunction, nil},
	{"lambda:TagResource", forDeployer, "lambda.TagResource", "", onFunction, nil},
	{"lambda:UntagResource", forDeployer, "lambda.UntagResource", "", onFunction, nil},
	{"lambda:UpdateAlias", forDeployer, "lambda.UpdateAlias", "", onFunction, nil},
	{"lambda:UpdateFunctionCode", forDeployer, "lambda.UpdateFunctionCode", "", onFunction, nil},
	{"lambda:UpdateFunctionConfiguration", forDeployer, "lambda.UpdateFunctionConfiguration", "", onFunction, nil},
	{"lambda:GetAccountSettings", forDeployer, "lambda.GetAccountSettings", "", onAll, nil},
	{"lambda:ListFunctions", forDeployer, "lambda.ListFunctions", "", onAll, nil},
	{"lambda:ListLayers", forDeployer, "lambda.ListLayers", "", onAll, nil},
	{"s3:PutObject", forDeployer, "s3.PutObject", "", onCode, hasCodeBucket},
	{"s3:GetObject", forDeployer, "", "CreateFunction and UpdateFunctionCode read the archive", onCode, hasCodeBucket},
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
func hasCodeBucket(in PolicyInput) bool {
	return in.CodeBucket != ""
}
func hasKey(in PolicyInput) bool { return in.Bucket != "" && in.KMSKey != "" }
func hasVPC(in PolicyInput) bool { return in.VPC }

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
	return in.each(func(name string) string { return in.arn("lambda", in.Region, "function:"+name) })
}

// onLogGroup is the function's log, and the streams of it.
func onLogGroup(in PolicyInput) []string {
	return in.each(func(name string) string { return in.arn("logs", in.Region, "log-group:"+logGroup(name)) })
}

// each returns an ARN of every shard, and what belongs to it. They are named one by one: a wildcard would hold for
// functions of others, too.
func (in PolicyInput) each(arn func(name string) string) []string {
	var all []string
	for i := range max(in.Shards, 1) {
		arn := arn(shards.Name(in.Function, i))
		all = append(all, arn, arn+":*")
	}
	return all
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

func onCode(in PolicyInput) []string {
	return []string{in.arn("s3", "", in.CodeBucket+"/"+codePrefix+"*")}
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
		{"region", in.Region}, {"account", in.Account}, {"partition", in.Partition}, {"bucket", in.Bucket}, {"code bucket", in.CodeBucket}, {"prefix", in.Prefix}, {"key", in.KMSKey},
	} {
		if strings.ContainsAny(part.value, "*? \t\n") {
			return invalid("%s %q: a wildcard or a space would allow more than is meant", part.name, part.value)
		}
	}
	switch {
	case in.Shards < 0 || in.Shards > MaxShards:
		return invalid("%d shards: must be 1 to %d", in.Shards, MaxShards)
	case in.Region == "":
		return invalid("the region is missing")
	case len(in.Account) != 12 || strings.Trim(in.Account, "0123456789") != "":
		return invalid("account %q: want twelve digits", in.Account)
	case strings.Contains(in.Bucket, "/"), strings.Contains(in.CodeBucket, "/"):
		return invalid("bucket %q: want its name; the prefix is apart", in.Bucket+in.CodeBucket)
	case in.KMSKey != "" && !strings.HasPrefix(in.KMSKey, "arn:"):
		return invalid("key %q: want its ARN; a policy knows no other names", in.KMSKey)
	case in.KMSKey != "" && in.Bucket == "":
		return invalid("a key without a bucket: only stored payloads are encrypted with it")
	}
	return nil
}
