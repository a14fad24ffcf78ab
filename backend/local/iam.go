package local

import (
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
)

// iam holds roles with their policies, and no more of IAM than that: nothing
// that a policy says is enforced here.
type iam struct {
	mu    sync.Mutex
	roles map[string]*role
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

func newIAM() *iam { return &iam{roles: map[string]*role{}} }

func (r *role) arn() string { return "arn:aws:iam::" + account + ":role" + r.path + r.name }

// assumable refuses a role that is not there or does not trust Lambda.
func (i *iam) assumable(arn string) *apiError {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.roles {
		if r.arn() == arn && strings.Contains(r.trust, "lambda.amazonaws.com") {
			return nil
		}
	}
	return errInvalidParameter("The role defined for the function cannot be assumed by Lambda. (lambdapool: local: " + arn + " must be made with CreateRole, and trust lambda.amazonaws.com)")
}

// operation finds the operations of IAM.
func (i *iam) operation(action string) queryOperation {
	serve := map[string]func(*iam, url.Values) (any, *apiError){
		"CreateRole":               (*iam).createRole,
		"GetRole":                  (*iam).getRole,
		"ListRoles":                (*iam).listRoles,
		"DeleteRole":               (*iam).deleteRole,
		"UpdateAssumeRolePolicy":   (*iam).updateTrust,
		"TagRole":                  (*iam).tagRole,
		"UntagRole":                (*iam).untagRole,
		"ListRoleTags":             (*iam).listRoleTags,
		"PutRolePolicy":            (*iam).putRolePolicy,
		"GetRolePolicy":            (*iam).getRolePolicy,
		"ListRolePolicies":         (*iam).listRolePolicies,
		"DeleteRolePolicy":         (*iam).deleteRolePolicy,
		"AttachRolePolicy":         (*iam).attachRolePolicy,
		"DetachRolePolicy":         (*iam).detachRolePolicy,
		"ListAttachedRolePolicies": (*iam).listAttached,
		"ListInstanceProfilesForRole": func(i *iam, form url.Values) (any, *apiError) {
			_, refused := i.role(form)
			return struct{ InstanceProfiles []string }{}, refused
		},
	}[action]
	if serve == nil {
		return nil
	}
	return func(form url.Values) (any, *apiError) {
		i.mu.Lock()
		defer i.mu.Unlock()
		return serve(i, form)
	}
}

func errNoEntity(format string, args ...any) *apiError {
	return &apiError{status: http.StatusNotFound, code: "NoSuchEntity", message: fmt.Sprintf(format, args...)}
}

func errInput(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "ValidationError", message: fmt.Sprintf(format, args...)}
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
func (i *iam) role(form url.Values) (*role, *apiError) {
	name := form.Get("RoleName")
	if r := i.roles[name]; r != nil {
		return r, nil
	}
	return nil, errNoEntity("The role with name %s cannot be found.", name)
}

func (i *iam) createRole(form url.Values) (any, *apiError) {
	name := form.Get("RoleName")
	r := &role{
		name: name, path: or(form.Get("Path"), "/"), id: "AROALOCAL" + randomKeyID() + "0", description: form.Get("Description"),
		created: time.Now(), session: 3600, policies: map[string]string{}, tags: tagList(form),
	}
	switch {
	case len(name) > 64 || !entityName.MatchString(name):
		return nil, errInput("The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have at most 64")
	case !rolePath.MatchString(r.path):
		return nil, errInput("The specified value for path is invalid. It must begin and end with / and contain only printable characters.")
	case i.roles[name] != nil:
		return nil, &apiError{status: http.StatusConflict, code: "EntityAlreadyExists", message: "Role with name " + name + " already exists."}
	}
	if refused := r.trustIn(form.Get("AssumeRolePolicyDocument")); refused != nil {
		return nil, refused
	}
	i.roles[name] = r
	return roleResult{r.describe()}, nil
}

// trustIn sets who may assume the role.
func (r *role) trustIn(document string) *apiError {
	if refused := checkPolicy(document); refused != nil {
		return refused
	}
	if len(document) > maxTrustPolicy {
		return &apiError{status: http.StatusConflict, code: "LimitExceeded", message: fmt.Sprintf("Cannot exceed quota for ACLSizePerRole: %d", maxTrustPolicy)}
	}
	r.trust = document
	return nil
}

func checkPolicy(document string) *apiError {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &object); err != nil || object["Statement"] == nil {
		return &apiError{status: http.StatusBadRequest, code: "MalformedPolicyDocument", message: "Syntax errors in policy: it must be a JSON object with a Statement."}
	}
	return nil
}

func (i *iam) getRole(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return roleResult{r.describe()}, nil
}

func (i *iam) listRoles(form url.Values) (any, *apiError) {
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

func (i *iam) deleteRole(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	switch {
	case refused != nil:
		return nil, refused
	case len(r.policies) > 0:
		return nil, &apiError{status: http.StatusConflict, code: "DeleteConflict", message: "Cannot delete entity, must delete policies first."}
	case len(r.attached) > 0:
		return nil, &apiError{status: http.StatusConflict, code: "DeleteConflict", message: "Cannot delete entity, must detach all policies first."}
	}
	delete(i.roles, r.name)
	return nil, nil
}

func (i *iam) updateTrust(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return nil, r.trustIn(form.Get("PolicyDocument"))
}

func (i *iam) tagRole(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	maps.Copy(r.tags, tagList(form))
	return nil, nil
}

func (i *iam) untagRole(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	for n := 1; form.Has(fmt.Sprintf("TagKeys.member.%d", n)); n++ {
		delete(r.tags, form.Get(fmt.Sprintf("TagKeys.member.%d", n)))
	}
	return nil, nil
}

func (i *iam) listRoleTags(form url.Values) (any, *apiError) {
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
