package iam

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A Service holds roles and users with their policies, and no more of IAM than that: nothing
// that a policy says is enforced here. It is safe for concurrent use.
type Service struct {
	mu    sync.Mutex
	roles map[string]*role
	users map[string]*user
}

type role struct {
	name, path, id, description string
	trust                       string // policy document, JSON
	created                     time.Time
	session                     int // s
	policies                    map[string]string
	attached                    []string // ARNs
	tags                        map[string]string
}

// New makes one that knows the account's user, and no role.
func New() *Service {
	caller := &user{Name: wire.Caller, Path: "/", ID: wire.CallerID, Created: time.Now(), Policies: map[string]string{}}
	return &Service{roles: map[string]*role{}, users: map[string]*user{wire.Caller: caller}}
}

func (r *role) arn() string { return "arn:aws:iam::" + wire.Account + ":role" + r.path + r.name }

// Assumable refuses a role that is not there or does not trust Lambda.
func (i *Service) Assumable(arn string) *wire.Refusal {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.roles {
		if r.arn() == arn && strings.Contains(r.trust, "lambda.amazonaws.com") {
			return nil
		}
	}
	return wire.InvalidParameter("The role defined for the function cannot be assumed by Lambda. (lambdapool: local: " + arn + " must be made with CreateRole, and trust lambda.amazonaws.com)")
}

// has says whether there is a role of that ARN.
func (i *Service) has(arn string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.roles {
		if r.arn() == arn {
			return true
		}
	}
	return false
}

// Operation finds the operations of IAM; it returns nil for those that are not served.
func (i *Service) Operation(action string) wire.Query {
	serve := map[string]func(*Service, url.Values) (any, *wire.Refusal){
		"CreateRole":               (*Service).createRole,
		"GetRole":                  (*Service).getRole,
		"ListRoles":                (*Service).listRoles,
		"DeleteRole":               (*Service).deleteRole,
		"UpdateAssumeRolePolicy":   (*Service).updateTrust,
		"TagRole":                  (*Service).tagRole,
		"UntagRole":                (*Service).untagRole,
		"ListRoleTags":             (*Service).listRoleTags,
		"PutRolePolicy":            (*Service).putRolePolicy,
		"GetRolePolicy":            (*Service).getRolePolicy,
		"ListRolePolicies":         (*Service).listRolePolicies,
		"DeleteRolePolicy":         (*Service).deleteRolePolicy,
		"AttachRolePolicy":         (*Service).attachRolePolicy,
		"DetachRolePolicy":         (*Service).detachRolePolicy,
		"ListAttachedRolePolicies": (*Service).listAttached,
		"CreateUser":               (*Service).createUser,
		"GetUser":                  (*Service).getUser,
		"ListUsers":                (*Service).listUsers,
		"DeleteUser":               (*Service).deleteUser,
		"PutUserPolicy":            (*Service).putUserPolicy,
		"GetUserPolicy":            (*Service).getUserPolicy,
		"ListUserPolicies":         (*Service).listUserPolicies,
		"DeleteUserPolicy":         (*Service).deleteUserPolicy,
		"ListInstanceProfilesForRole": func(i *Service, form url.Values) (any, *wire.Refusal) {
			_, refused := i.role(form)
			return struct{ InstanceProfiles []string }{}, refused
		},
	}[action]
	if serve == nil {
		return nil
	}
	return func(form url.Values) (any, *wire.Refusal) {
		i.mu.Lock()
		defer i.mu.Unlock()
		return serve(i, form)
	}
}

func errNoEntity(format string, args ...any) *wire.Refusal {
	return &wire.Refusal{Status: http.StatusNotFound, Code: "NoSuchEntity", Message: fmt.Sprintf(format, args...)}
}

func errInput(format string, args ...any) *wire.Refusal {
	return &wire.Refusal{Status: http.StatusBadRequest, Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (2026-11)
const (
	maxRolePolicies = 10_240 // characters, of all inline policies of a role
	maxTrustPolicy  = 2048
	maxAttached     = 10
)

var (
	rolePath   = regexp.MustCompile(`^/([!-~]+/)*$`)
	entityName = regexp.MustCompile(`^[\w+=,.@-]+$`)
)

// role returns the one that the request names.
func (i *Service) role(form url.Values) (*role, *wire.Refusal) {
	name := form.Get("RoleName")
	if r := i.roles[name]; r != nil {
		return r, nil
	}
	return nil, errNoEntity("The role with name %s cannot be found.", name)
}

func (i *Service) createRole(form url.Values) (any, *wire.Refusal) {
	name := form.Get("RoleName")
	r := &role{
		name: name, path: cmp.Or(form.Get("Path"), "/"), id: "AROALOCAL" + wire.KeyID() + "0", description: form.Get("Description"),
		created: time.Now(), session: 3600, policies: map[string]string{}, tags: tagList(form),
	}
	switch {
	case len(name) > 64 || !entityName.MatchString(name):
		return nil, errInput("The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have at most 64")
	case !rolePath.MatchString(r.path):
		return nil, errInput("The specified value for path is invalid. It must begin and end with / and contain only printable characters.")
	case i.roles[name] != nil:
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "EntityAlreadyExists", Message: "Role with name " + name + " already exists."}
	}
	if refused := r.trustIn(form.Get("AssumeRolePolicyDocument")); refused != nil {
		return nil, refused
	}
	i.roles[name] = r
	return roleResult{r.describe()}, nil
}

// trustIn sets who may assume the role.
func (r *role) trustIn(document string) *wire.Refusal {
	if refused := checkPolicy(document); refused != nil {
		return refused
	}
	if len(document) > maxTrustPolicy {
		return &wire.Refusal{Status: http.StatusConflict, Code: "LimitExceeded", Message: fmt.Sprintf("Cannot exceed quota for ACLSizePerRole: %d", maxTrustPolicy)}
	}
	r.trust = document
	return nil
}

func checkPolicy(document string) *wire.Refusal {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &object); err != nil || object["Statement"] == nil {
		return &wire.Refusal{Status: http.StatusBadRequest, Code: "MalformedPolicyDocument", Message: "Syntax errors in policy: it must be a JSON object with a Statement."}
	}
	return nil
}

func (i *Service) getRole(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return roleResult{r.describe()}, nil
}

func (i *Service) listRoles(form url.Values) (any, *wire.Refusal) {
	var result struct {
		Roles       []roleShape `xml:"Roles>member"`
		IsTruncated bool
	}
	for _, name := range slices.Sorted(maps.Keys(i.roles)) {
		if r := i.roles[name]; strings.HasPrefix(r.path, form.Get("PathPrefix")) {
			shape := r.describe()
			shape.Tags = nil // as the service
			result.Roles = append(result.Roles, shape)
		}
	}
	return result, nil
}

func (i *Service) deleteRole(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	switch {
	case refused != nil:
		return nil, refused
	case len(r.policies) > 0:
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "DeleteConflict", Message: "Cannot delete entity, must delete policies first."}
	case len(r.attached) > 0:
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "DeleteConflict", Message: "Cannot delete entity, must detach all policies first."}
	}
	delete(i.roles, r.name)
	return nil, nil
}

func (i *Service) updateTrust(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return nil, r.trustIn(form.Get("PolicyDocument"))
}

func (i *Service) tagRole(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	maps.Copy(r.tags, tagList(form))
	return nil, nil
}

func (i *Service) untagRole(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	for n := 1; form.Has(fmt.Sprintf("TagKeys.member.%d", n)); n++ {
		delete(r.tags, form.Get(fmt.Sprintf("TagKeys.member.%d", n)))
	}
	return nil, nil
}

func (i *Service) listRoleTags(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return struct {
		Tags        *tagsShape
		IsTruncated bool
	}{Tags: tagShapes(r.tags)}, nil
}

// tagList reads Tags.member.N of a request.
func tagList(form url.Values) map[string]string {
	tags := map[string]string{}
	for n := 1; ; n++ {
		member := fmt.Sprintf("Tags.member.%d.", n)
		if !form.Has(member + "Key") {
			return tags
		}
		tags[form.Get(member+"Key")] = form.Get(member + "Value")
	}
}
