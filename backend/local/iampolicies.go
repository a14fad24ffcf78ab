package local

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (i *iam) putRolePolicy(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	name, document := form.Get("PolicyName"), form.Get("PolicyDocument")
	if len(name) > 128 || !entityName.MatchString(name) {
		return nil, errInput("The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	if refused := checkPolicy(document); refused != nil {
		return nil, refused
	}
	size := len(document) - len(r.policies[name])
	for _, other := range r.policies {
		size += len(other)
	}
	if size > maxRolePolicies {
		return nil, &apiError{status: http.StatusConflict, code: "LimitExceeded", message: fmt.Sprintf("Maximum policy size of %d bytes exceeded for role %s", maxRolePolicies, r.name)}
	}
	r.policies[name] = document
	return nil, nil
}

// policy returns the role and the document of the inline policy that the request names.
func (i *iam) policy(form url.Values) (r *role, name, document string, refused *apiError) {
	if r, refused = i.role(form); refused != nil {
		return nil, "", "", refused
	}
	name = form.Get("PolicyName")
	document, ok := r.policies[name]
	if !ok {
		return nil, "", "", errNoEntity("The role policy with name %s cannot be found.", name)
	}
	return r, name, document, nil
}

func (i *iam) getRolePolicy(form url.Values) (any, *apiError) {
	r, name, document, refused := i.policy(form)
	if refused != nil {
		return nil, refused
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{r.name, name, escapeDocument(document)}, nil
}

func (i *iam) listRolePolicies(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return struct {
		PolicyNames []string `xml:"PolicyNames>member"`
		IsTruncated bool
	}{PolicyNames: slices.Sorted(maps.Keys(r.policies))}, nil
}

func (i *iam) deleteRolePolicy(form url.Values) (any, *apiError) {
	r, name, _, refused := i.policy(form)
	if refused != nil {
		return nil, refused
	}
	delete(r.policies, name)
	return nil, nil
}

func (i *iam) attachRolePolicy(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	arn := form.Get("PolicyArn")
	switch {
	case refused != nil:
		return nil, refused
	case !strings.HasPrefix(arn, "arn:aws:iam::aws:policy/"):
		return nil, errNoEntity("Policy %s does not exist or is not attachable. (lambdapool: local: only AWS's own policies are)", arn)
	case slices.Contains(r.attached, arn):
		return nil, nil
	case len(r.attached) == maxAttached:
		return nil, &apiError{status: http.StatusConflict, code: "LimitExceeded", message: fmt.Sprintf("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)}
	}
	r.attached = append(r.attached, arn)
	return nil, nil
}

func (i *iam) detachRolePolicy(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	arn := form.Get("PolicyArn")
	at := slices.Index(r.attached, arn)
	if at < 0 {
		return nil, errNoEntity("Policy %s was not found.", arn)
	}
	r.attached = slices.Delete(r.attached, at, at+1)
	return nil, nil
}

func (i *iam) listAttached(form url.Values) (any, *apiError) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	type policy struct{ PolicyName, PolicyArn string }
	var result struct {
		AttachedPolicies []policy `xml:"AttachedPolicies>member"`
		IsTruncated      bool
	}
	for _, arn := range r.attached {
		result.AttachedPolicies = append(result.AttachedPolicies, policy{arn[strings.LastIndexByte(arn, '/')+1:], arn})
	}
	return result, nil
}

// A roleShape is https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html
type roleShape struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	Tags                     *tagsShape `xml:",omitempty"`
}

type roleResult struct{ Role roleShape }

type tagsShape struct {
	Members []tagShape `xml:"member"`
}

type tagShape struct{ Key, Value string }

// tagShapes returns nil when there are none.
func tagShapes(tags map[string]string) *tagsShape {
	if len(tags) == 0 {
		return nil
	}
	shapes := &tagsShape{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		shapes.Members = append(shapes.Members, tagShape{key, tags[key]})
	}
	return shapes
}

func (r *role) describe() roleShape {
	return roleShape{
		Path: r.path, RoleName: r.name, RoleID: r.id, Arn: r.arn(), CreateDate: r.created.UTC().Format(time.RFC3339),
		AssumeRolePolicyDocument: escapeDocument(r.trust), Description: r.description, MaxSessionDuration: r.session, Tags: tagShapes(r.tags),
	}
}

// escapeDocument writes a policy as IAM returns it: escaped as RFC 3986 has it.
func escapeDocument(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}
