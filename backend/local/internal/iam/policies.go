package iam

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

func (i *Service) putRolePolicy(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return nil, putPolicy(r.policies, form, maxRolePolicies, "role "+r.name)
}

// policy returns the role and the document of the inline policy that the request names.
func (i *Service) policy(form url.Values) (r *role, name, document string, refused *wire.Refusal) {
	if r, refused = i.role(form); refused != nil {
		return nil, "", "", refused
	}
	name, document, refused = inline(r.policies, form, "role")
	return r, name, document, refused
}

// inline returns the inline policy that the request names, of those that somebody has.
func inline(policies map[string]string, form url.Values, of string) (name, document string, refused *wire.Refusal) {
	name = form.Get("PolicyName")
	document, ok := policies[name]
	if !ok {
		return "", "", errNoEntity("The %s policy with name %s cannot be found.", of, name)
	}
	return name, document, nil
}

// listed is the answer that lists inline policies.
func listed(policies map[string]string) any {
	return struct {
		PolicyNames []string `xml:"PolicyNames>member"`
		IsTruncated bool
	}{PolicyNames: slices.Sorted(maps.Keys(policies))}
}

func (i *Service) getRolePolicy(form url.Values) (any, *wire.Refusal) {
	r, name, document, refused := i.policy(form)
	if refused != nil {
		return nil, refused
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{r.name, name, escapeDocument(document)}, nil
}

func (i *Service) listRolePolicies(form url.Values) (any, *wire.Refusal) {
	r, refused := i.role(form)
	if refused != nil {
		return nil, refused
	}
	return listed(r.policies), nil
}

func (i *Service) deleteRolePolicy(form url.Values) (any, *wire.Refusal) {
	r, name, _, refused := i.policy(form)
	if refused != nil {
		return nil, refused
	}
	delete(r.policies, name)
	return nil, nil
}

func (i *Service) attachRolePolicy(form url.Values) (any, *wire.Refusal) {
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
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "LimitExceeded", Message: fmt.Sprintf("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)}
	}
	r.attached = append(r.attached, arn)
	return nil, nil
}

func (i *Service) detachRolePolicy(form url.Values) (any, *wire.Refusal) {
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

func (i *Service) listAttached(form url.Values) (any, *wire.Refusal) {
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
