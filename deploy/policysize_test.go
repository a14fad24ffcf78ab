package deploy_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lambdapool/lambdapool/deploy"
)

// longest is what makes policies long: the most shards, the longest name and long words of AWS's.
var longest = deploy.PolicyInput{
	Partition: "aws-us-gov", Region: "us-gov-east-1", Account: "123456789012", Function: strings.Repeat("n", 61), Shards: deploy.MaxShards, VPC: true,
	Bucket: strings.Repeat("b", 63), KMSKey: "arn:aws-us-gov:kms:us-gov-east-1:123456789012:key/12345678-1234-1234-1234-123456789012", CodeBucket: strings.Repeat("c", 63),
}

// characters counts as IAM does.
func characters(doc string) int { return len(strings.Join(strings.Fields(doc), "")) }

// What PolicyRoom sends people to holds every policy there is.
func TestLongPoliciesFitSomewhere(t *testing.T) {
	t.Parallel()
	agent, err := deploy.AgentPolicy(longest)
	if n := characters(agent); err != nil || n > 10_240 {
		t.Errorf("no role can have the agent's policy of %d characters: %v", n, err)
	}
	for name, policy := range map[string]func(deploy.PolicyInput) (string, error){
		"client": deploy.ClientPolicy, "agent": deploy.AgentPolicy, "deployer": deploy.DeployerPolicy,
	} {
		doc, err := policy(longest)
		if err != nil {
			t.Fatal(err)
		}
		var all struct {
			Version   string
			Statement []json.RawMessage
		}
		if err := json.Unmarshal([]byte(doc), &all); err != nil {
			t.Fatal(err)
		}
		for _, one := range all.Statement {
			if n := characters(`{"Version":"2012-10-17","Statement":[` + string(one) + `]}`); n > 6144 {
				t.Errorf("%s: a statement makes a policy of %d characters, and a managed one holds 6144:\n%s", name, n, one)
			}
		}
	}
}

func TestPolicyRoom(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		characters int
		want       string
	}{
		{2048, ""},
		{2049, "too many for inline policies of a user"},
		{6144, "too many for inline policies of a user"},
		{6145, "too many for a managed policy"},
		{10_240, "too many for a managed policy"},
		{10_241, "too many for any policy"},
	} {
		// White space is not counted.
		got := deploy.PolicyRoom(strings.Repeat("x \n\t", tc.characters))
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%d: %q, want …%s…", tc.characters, got, tc.want)
		}
	}
}

// A user cannot have the policy of many shards inline. Nothing is sent, and the error says what to do.
func TestClientPolicyOfManyShards(t *testing.T) {
	a := newAccount(t)
	c := a.client(t)
	cfg, transport := a.plain()
	t.Cleanup(transport.CloseIdleConnections)
	if _, err := iam.NewFromConfig(cfg).CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("ci")}); err != nil {
		t.Fatal(err)
	}
	to := deploy.Principal{User: "ci"}
	if err := c.GrantClient(t.Context(), deploy.PolicyInput{Function: "demo", Shards: 8}, to); err != nil {
		t.Errorf("8 shards: %v", err)
	}
	err := c.GrantClient(t.Context(), deploy.PolicyInput{Function: "demo", Shards: 20}, to)
	var e *deploy.Error
	if !errors.Is(err, deploy.ErrInvalid) || !errors.As(err, &e) || !strings.Contains(err.Error(), "IAM allows 2048") || !strings.Contains(e.Hint, "aws iam attach-user-policy --user-name ci") {
		t.Errorf("20 shards: %v", err)
	}
	// Together with another policy even a short one may be too long. That is known to IAM only.
	err = c.GrantClient(t.Context(), deploy.PolicyInput{Function: "other", Shards: 8}, to)
	if errors.Is(err, deploy.ErrInvalid) || !errors.As(err, &e) || !strings.Contains(e.Hint, "aws iam attach-user-policy --user-name ci") {
		t.Errorf("a second one: %v", err)
	}
}

// A role that could not have its policies is refused before anything is made.
func TestRoleOfManyShards(t *testing.T) {
	a := newAccount(t)
	cfg := a.config(t)
	cfg.Region = "ap-southeast-1" // a long one
	c := open(t, cfg)
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		if operation == "POST /2015-03-31/functions" || operation == "POST /" && strings.Contains(bodyOf(t, r), "Action=CreateRole") {
			t.Errorf("%s was asked for", operation)
		}
		return nil, nil //nolint:nilnil // go on
	}
	s := deploy.Spec{Name: strings.Repeat("n", 61), Shards: 20, Nested: true, Artifact: script(t, "first")}
	s.Subnets, s.SecurityGroups = []string{"subnet-1"}, []string{"sg-1"}
	for _, o := range []deploy.CreateOptions{{}, {DryRun: true}} {
		_, err := c.Create(t.Context(), s, o)
		var e *deploy.Error
		if !errors.Is(err, deploy.ErrInvalid) || !errors.As(err, &e) || !strings.Contains(err.Error(), "IAM allows 10240") || e.Hint == "" {
			t.Fatalf("dry run %v: %v", o.DryRun, err)
		}
	}
	a.before = nil
	for _, change := range []func(*deploy.Spec){
		func(s *deploy.Spec) { s.Nested = false },
		func(s *deploy.Spec) { s.Name = "demo" },
		func(s *deploy.Spec) { s.Role, s.Nested = "arn:aws:iam::000000000000:role/own", false },
	} {
		fine := s
		change(&fine)
		if _, err := c.Create(t.Context(), fine, deploy.CreateOptions{DryRun: true}); err != nil {
			t.Error(err)
		}
	}
}

// The role of the most shards gets both of its policies.
func TestRoleOfTheMostShards(t *testing.T) {
	a := newAccount(t)
	s := deploy.Spec{Name: strings.Repeat("n", 50), Shards: 20, Nested: true, Artifact: script(t, "first")}
	if _, err := a.client(t).Create(t.Context(), s, deploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Error(err)
	}
}
