package iam_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local/internal/iam"
	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

const trust = `{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// ask has an operation done; form is name and value, alternately. It returns the answer as clients get it.
func ask(t *testing.T, find func(string) wire.Query, action string, form ...string) string {
	t.Helper()
	values := url.Values{"Action": {action}}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	w := httptest.NewRecorder()
	wire.ServeQuery(w, "id", []byte(values.Encode()), "ns", find)
	said := w.Body.String()
	if _, code, failed := strings.Cut(said, "<Code>"); failed {
		code, rest, _ := strings.Cut(code, "</Code><Message>")
		message, _, _ := strings.Cut(rest, "</Message>")
		return fmt.Sprintf("%d %s: %s", w.Code, code, message)
	}
	return said
}

// A step is an operation and what its answer must contain.
type step struct {
	action string
	form   []string
	want   string
}

func walk(t *testing.T, i *iam.Service, steps []step) {
	t.Helper()
	for n, s := range steps {
		if said := ask(t, i.Operation, s.action, s.form...); !strings.Contains(said, s.want) {
			t.Errorf("step %d, %s %v: %s, want %s", n, s.action, s.form, said, s.want)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	i := iam.New()
	of := func(more ...string) []string { return append([]string{"RoleName", "agent"}, more...) }
	document := func(size int) string {
		return `{"Statement":[],"Id":"` + strings.Repeat("x", size-len(`{"Statement":[],"Id":""}`)) + `"}`
	}
	walk(t, i, []step{
		{"GetRole", of(), "404 NoSuchEntity: The role with name agent cannot be found."},
		{"CreateRole", []string{"RoleName", "a b", "AssumeRolePolicyDocument", trust}, "400 ValidationError"},
		{"CreateRole", []string{"RoleName", strings.Repeat("a", 65), "AssumeRolePolicyDocument", trust}, "400 ValidationError"},
		{"CreateRole", of("Path", "pool", "AssumeRolePolicyDocument", trust), "400 ValidationError: The specified value for path"},
		{"CreateRole", of("AssumeRolePolicyDocument", "{"), "400 MalformedPolicyDocument"},
		{"CreateRole", of("AssumeRolePolicyDocument", `{"Version":"2012-10-17"}`), "400 MalformedPolicyDocument"},
		{"CreateRole", of("AssumeRolePolicyDocument", document(2049)), "409 LimitExceeded"},
		{"CreateRole", of("Path", "/pool/", "AssumeRolePolicyDocument", document(2048), "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"), "<Arn>arn:aws:iam::000000000000:role/pool/agent</Arn>"},
		{"CreateRole", of("AssumeRolePolicyDocument", trust), "409 EntityAlreadyExists"},
		{"ListRoles", []string{"PathPrefix", "/pool/"}, "<RoleName>agent</RoleName>"},
		{"ListRoles", []string{"PathPrefix", "/other/"}, "<Roles></Roles>"},
		{"ListRoleTags", of(), "<Tags><member><Key>a</Key><Value>b</Value></member></Tags>"},
		{"TagRole", of("Tags.member.1.Key", "c", "Tags.member.1.Value", "d"), "TagRoleResponse"},
		{"UntagRole", of("TagKeys.member.1", "a"), "UntagRoleResponse"},
		{"ListRoleTags", of(), "<Tags><member><Key>c</Key><Value>d</Value></member></Tags>"},
		{"PutRolePolicy", of("PolicyName", "p", "PolicyDocument", document(10_240)), "PutRolePolicyResponse"},
		{"PutRolePolicy", of("PolicyName", "p", "PolicyDocument", document(10_000)), "PutRolePolicyResponse"}, // in place of the first
		{"PutRolePolicy", of("PolicyName", "q", "PolicyDocument", document(241)), "409 LimitExceeded: Maximum policy size of 10240 bytes exceeded for role agent"},
		{"PutRolePolicy", of("PolicyName", "q", "PolicyDocument", document(240)), "PutRolePolicyResponse"},
		{"PutRolePolicy", of("PolicyName", "q", "PolicyDocument", " \n\t"+document(240)), "PutRolePolicyResponse"}, // white space does not count
		{"PutRolePolicy", of("PolicyName", "q q", "PolicyDocument", document(240)), "400 ValidationError"},
		{"ListRolePolicies", of(), "<PolicyNames><member>p</member><member>q</member></PolicyNames>"},
		{"DeleteRole", of(), "409 DeleteConflict: Cannot delete entity, must delete policies first."},
		{"DeleteRolePolicy", of("PolicyName", "p"), "DeleteRolePolicyResponse"},
		{"DeleteRolePolicy", of("PolicyName", "p"), "404 NoSuchEntity"},
		{"PutRolePolicy", of("PolicyName", "q", "PolicyDocument", `{"Statement":["a b+c/d"]}`), "PutRolePolicyResponse"},
		{"GetRolePolicy", of("PolicyName", "q"), "<PolicyDocument>%7B%22Statement%22%3A%5B%22a%20b%2Bc%2Fd%22%5D%7D</PolicyDocument>"},
		{"DeleteRolePolicy", of("PolicyName", "q"), "DeleteRolePolicyResponse"},
		{"AttachRolePolicy", of("PolicyArn", "arn:aws:iam::000000000000:policy/own"), "404 NoSuchEntity"},
		{"AttachRolePolicy", of("PolicyArn", "arn:aws:iam::aws:policy/service-role/Basic"), "AttachRolePolicyResponse"},
		{"AttachRolePolicy", of("PolicyArn", "arn:aws:iam::aws:policy/service-role/Basic"), "AttachRolePolicyResponse"}, // once is enough
		{"ListAttachedRolePolicies", of(), "<AttachedPolicies><member><PolicyName>Basic</PolicyName><PolicyArn>arn:aws:iam::aws:policy/service-role/Basic</PolicyArn></member></AttachedPolicies>"},
		{"DeleteRole", of(), "409 DeleteConflict: Cannot delete entity, must detach all policies first."},
		{"DetachRolePolicy", of("PolicyArn", "arn:aws:iam::aws:policy/service-role/Basic"), "DetachRolePolicyResponse"},
		{"DetachRolePolicy", of("PolicyArn", "arn:aws:iam::aws:policy/service-role/Basic"), "404 NoSuchEntity"},
		{"ListInstanceProfilesForRole", of(), "ListInstanceProfilesForRoleResponse"},
		{"DeleteRole", of(), "DeleteRoleResponse"},
		{"DeleteRole", of(), "404 NoSuchEntity"},
		{"CreateGroup", nil, "501 InvalidAction"},
	})
	for n := range 11 {
		want := "AttachRolePolicyResponse"
		if n == 0 {
			walk(t, i, []step{{"CreateRole", of("AssumeRolePolicyDocument", trust), "CreateRoleResponse"}})
		}
		if n == 10 {
			want = "409 LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10"
		}
		walk(t, i, []step{{"AttachRolePolicy", of("PolicyArn", fmt.Sprintf("arn:aws:iam::aws:policy/%d", n)), want}})
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	walk(t, iam.New(), []step{
		{"GetUser", nil, "<Arn>arn:aws:iam::000000000000:user/local</Arn>"},
		{"GetUser", []string{"UserName", "other"}, "404 NoSuchEntity"},
		{"CreateUser", []string{"UserName", "a b"}, "400 ValidationError"},
		{"CreateUser", []string{"UserName", "other", "Path", "x"}, "400 ValidationError"},
		{"CreateUser", []string{"UserName", "other", "Path", "/x/"}, "<Arn>arn:aws:iam::000000000000:user/x/other</Arn>"},
		{"CreateUser", []string{"UserName", "other"}, "409 EntityAlreadyExists"},
		{"ListUsers", nil, "<UserName>local</UserName>"},
		{"ListUsers", []string{"PathPrefix", "/x/"}, "<Users><member><Path>/x/</Path><UserName>other</UserName>"},
		{"PutUserPolicy", []string{"PolicyName", "p", "PolicyDocument", trust}, "404 NoSuchEntity"}, // no user is meant
		{"PutUserPolicy", []string{"UserName", "other", "PolicyName", "p", "PolicyDocument", trust}, "PutUserPolicyResponse"},
		{"GetUserPolicy", []string{"UserName", "other", "PolicyName", "p"}, "<PolicyName>p</PolicyName>"},
		{"GetUserPolicy", []string{"UserName", "other", "PolicyName", "q"}, "404 NoSuchEntity"},
		{"ListUserPolicies", []string{"UserName", "other"}, "<PolicyNames><member>p</member></PolicyNames>"},
		{"DeleteUser", []string{"UserName", "other"}, "409 DeleteConflict"},
		{"DeleteUserPolicy", []string{"UserName", "other", "PolicyName", "p"}, "DeleteUserPolicyResponse"},
		{"DeleteUser", []string{"UserName", "other"}, "DeleteUserResponse"},
		{"DeleteUser", []string{"UserName", "local"}, "409 DeleteConflict"},
	})
}

// Lambda assumes a role that is there and trusts it.
func TestAssumable(t *testing.T) {
	t.Parallel()
	i := iam.New()
	walk(t, i, []step{
		{"CreateRole", []string{"RoleName", "agent", "Path", "/pool/", "AssumeRolePolicyDocument", trust}, "CreateRoleResponse"},
		{"CreateRole", []string{"RoleName", "other", "AssumeRolePolicyDocument", `{"Statement":[]}`}, "CreateRoleResponse"},
	})
	for arn, want := range map[string]bool{
		"arn:aws:iam::000000000000:role/pool/agent": true,
		"arn:aws:iam::000000000000:role/agent":      false,
		"arn:aws:iam::123456789012:role/pool/agent": false,
		"arn:aws:iam::000000000000:role/other":      false,
	} {
		refused := i.Assumable(arn)
		if (refused == nil) != want || refused != nil && (refused.Code != "InvalidParameterValueException" || !strings.Contains(refused.Message, arn)) {
			t.Errorf("%s: %+v", arn, refused)
		}
	}
	walk(t, i, []step{{"UpdateAssumeRolePolicy", []string{"RoleName", "other", "PolicyDocument", trust}, "UpdateAssumeRolePolicyResponse"}})
	if refused := i.Assumable("arn:aws:iam::000000000000:role/other"); refused != nil {
		t.Error(refused.Message)
	}
}

// The credentials that STS gives are of the role.
func TestSTS(t *testing.T) {
	t.Parallel()
	i := iam.New()
	walk(t, i, []step{{"CreateRole", []string{"RoleName", "agent", "Path", "/pool/", "AssumeRolePolicyDocument", trust}, "CreateRoleResponse"}})
	auth := wire.NewAuthenticator("AKIAEXAMPLE000000000", "secret")
	find := i.STS(auth, auth.Who("AKIAEXAMPLE000000000"))
	const arn = "arn:aws:iam::000000000000:role/pool/agent"
	for _, s := range []step{
		{"GetCallerIdentity", nil, "<Arn>arn:aws:iam::000000000000:user/local</Arn><UserId>AIDALOCAL000000000000</UserId><Account>000000000000</Account>"},
		{"AssumeRole", []string{"RoleArn", arn, "RoleSessionName", "s"}, "400 ValidationError"},
		{"AssumeRole", []string{"RoleArn", arn, "RoleSessionName", "a session"}, "400 ValidationError"},
		{"AssumeRole", []string{"RoleArn", arn + "s", "RoleSessionName", "session"}, "403 AccessDenied"},
		{"GetSessionToken", nil, "501 InvalidAction"},
	} {
		if said := ask(t, find, s.action, s.form...); !strings.Contains(said, s.want) {
			t.Errorf("%s %v: %s, want %s", s.action, s.form, said, s.want)
		}
	}
	said := ask(t, find, "AssumeRole", "RoleArn", arn, "RoleSessionName", "session")
	_, rest, _ := strings.Cut(said, "<AccessKeyId>")
	key, _, _ := strings.Cut(rest, "</AccessKeyId>")
	if who := auth.Who(key); who == nil || who.ARN != "arn:aws:sts::000000000000:assumed-role/agent/session" || !strings.Contains(said, "<Arn>"+who.ARN+"</Arn>") {
		t.Errorf("%+v of %s", who, said)
	}
}

// What is kept as JSON is all that there is, and what happens later does not change it.
func TestState(t *testing.T) {
	t.Parallel()
	first := iam.New()
	walk(t, first, []step{
		{"CreateRole", []string{"RoleName", "agent", "Path", "/pool/", "Description", "d", "AssumeRolePolicyDocument", trust, "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "CreateRoleResponse"},
		{"PutRolePolicy", []string{"RoleName", "agent", "PolicyName", "p", "PolicyDocument", trust}, "PutRolePolicyResponse"},
		{"AttachRolePolicy", []string{"RoleName", "agent", "PolicyArn", "arn:aws:iam::aws:policy/x"}, "AttachRolePolicyResponse"},
		{"CreateRole", []string{"RoleName", "bare", "AssumeRolePolicyDocument", trust}, "CreateRoleResponse"},
		{"CreateUser", []string{"UserName", "other"}, "CreateUserResponse"},
		{"PutUserPolicy", []string{"UserName", "other", "PolicyName", "p", "PolicyDocument", trust}, "PutUserPolicyResponse"},
	})
	state := first.State()
	kept := written(t, state)
	walk(t, first, []step{
		{"DeleteRolePolicy", []string{"RoleName", "agent", "PolicyName", "p"}, "DeleteRolePolicyResponse"},
		{"DeleteUserPolicy", []string{"UserName", "other", "PolicyName", "p"}, "DeleteUserPolicyResponse"},
		{"DetachRolePolicy", []string{"RoleName", "agent", "PolicyArn", "arn:aws:iam::aws:policy/x"}, "DetachRolePolicyResponse"},
	})
	if diff := cmp.Diff(kept, written(t, state)); diff != "" {
		t.Errorf("what happened later has changed it: %s", diff)
	}
	var read iam.State
	if err := json.Unmarshal([]byte(kept), &read); err != nil {
		t.Fatal(err)
	}
	second := iam.New()
	second.Restore(read)
	if diff := cmp.Diff(kept, written(t, second.State())); diff != "" {
		t.Error(diff)
	}
	walk(t, second, []step{ // what has nothing yet can have something
		{"TagRole", []string{"RoleName", "bare", "Tags.member.1.Key", "c", "Tags.member.1.Value", "d"}, "TagRoleResponse"},
		{"PutRolePolicy", []string{"RoleName", "bare", "PolicyName", "p", "PolicyDocument", trust}, "PutRolePolicyResponse"},
	})
}

func written(t *testing.T, state iam.State) string {
	t.Helper()
	data, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
