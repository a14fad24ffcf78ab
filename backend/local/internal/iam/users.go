package iam

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A user is one of IAM's, with its inline policies. The one that everybody is who has the key
// pair is there from the beginning.
type user struct {
	Name     string            `json:"name"`
	Path     string            `json:"path"`
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Policies map[string]string `json:"policies"`
}

// maxUserPolicies is what all inline policies of a user may have together, in characters:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (2026-11)
const maxUserPolicies = 2048

func (u *user) describe() userShape {
	return userShape{u.Path, u.Name, u.ID, "arn:aws:iam::" + wire.Account + ":user" + u.Path + u.Name, u.Created.UTC().Format(time.RFC3339)}
}

// A userShape is https://docs.aws.amazon.com/IAM/latest/APIReference/API_User.html
type userShape struct {
	Path, UserName string
	UserID         string `xml:"UserId"`
	Arn            string
	CreateDate     string
}

type userResult struct{ User userShape }

// user returns the one that the request names: the caller where it names none and may.
func (i *Service) user(form url.Values, otherwise string) (*user, *wire.Refusal) {
	name := cmp.Or(form.Get("UserName"), otherwise)
	if u := i.users[name]; u != nil {
		return u, nil
	}
	return nil, errNoEntity("The user with name %s cannot be found.", name)
}

func (i *Service) createUser(form url.Values) (any, *wire.Refusal) {
	u := &user{
		Name: form.Get("UserName"), Path: cmp.Or(form.Get("Path"), "/"), ID: "AIDALOCAL" + wire.KeyID() + "0", Created: time.Now(), Policies: map[string]string{},
	}
	switch {
	case len(u.Name) > 64 || !entityName.MatchString(u.Name):
		return nil, errInput("The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have at most 64")
	case !rolePath.MatchString(u.Path):
		return nil, errInput("The specified value for path is invalid. It must begin and end with / and contain only printable characters.")
	case i.users[u.Name] != nil:
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "EntityAlreadyExists", Message: "User with name " + u.Name + " already exists."}
	}
	i.users[u.Name] = u
	return userResult{u.describe()}, nil
}

func (i *Service) getUser(form url.Values) (any, *wire.Refusal) {
	u, refused := i.user(form, wire.Caller)
	if refused != nil {
		return nil, refused
	}
	return userResult{u.describe()}, nil
}

func (i *Service) listUsers(form url.Values) (any, *wire.Refusal) {
	var result struct {
		Users       []userShape `xml:"Users>member"`
		IsTruncated bool
	}
	for _, name := range slices.Sorted(maps.Keys(i.users)) {
		if u := i.users[name]; strings.HasPrefix(u.Path, form.Get("PathPrefix")) {
			result.Users = append(result.Users, u.describe())
		}
	}
	return result, nil
}

func (i *Service) deleteUser(form url.Values) (any, *wire.Refusal) {
	u, refused := i.user(form, "")
	switch {
	case refused != nil:
		return nil, refused
	case u.Name == wire.Caller:
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "DeleteConflict", Message: "Cannot delete entity, must delete access keys first."}
	case len(u.Policies) > 0:
		return nil, &wire.Refusal{Status: http.StatusConflict, Code: "DeleteConflict", Message: "Cannot delete entity, must delete policies first."}
	}
	delete(i.users, u.Name)
	return nil, nil
}

func (i *Service) putUserPolicy(form url.Values) (any, *wire.Refusal) {
	u, refused := i.user(form, "")
	if refused != nil {
		return nil, refused
	}
	return nil, putPolicy(u.Policies, form, maxUserPolicies, "user "+u.Name)
}

// putPolicy adds an inline policy to those of an entity, which may have most characters together.
func putPolicy(policies map[string]string, form url.Values, most int, of string) *wire.Refusal {
	name, document := form.Get("PolicyName"), form.Get("PolicyDocument")
	if len(name) > 128 || !entityName.MatchString(name) {
		return errInput("The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	if refused := checkPolicy(document); refused != nil {
		return refused
	}
	size := counted(document) - counted(policies[name])
	for _, other := range policies {
		size += counted(other)
	}
	if size > most {
		return &wire.Refusal{Status: http.StatusConflict, Code: "LimitExceeded", Message: fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s", most, of)}
	}
	policies[name] = document
	return nil
}

// counted is the size of a policy as the service counts it: without white space.
func counted(document string) (n int) {
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// userPolicy returns the user and the document of the inline policy that the request names.
func (i *Service) userPolicy(form url.Values) (u *user, name, document string, refused *wire.Refusal) {
	if u, refused = i.user(form, ""); refused != nil {
		return nil, "", "", refused
	}
	name, document, refused = inline(u.Policies, form, "user")
	return u, name, document, refused
}

func (i *Service) getUserPolicy(form url.Values) (any, *wire.Refusal) {
	u, name, document, refused := i.userPolicy(form)
	if refused != nil {
		return nil, refused
	}
	return struct{ UserName, PolicyName, PolicyDocument string }{u.Name, name, escapeDocument(document)}, nil
}

func (i *Service) listUserPolicies(form url.Values) (any, *wire.Refusal) {
	u, refused := i.user(form, "")
	if refused != nil {
		return nil, refused
	}
	return listed(u.Policies), nil
}

func (i *Service) deleteUserPolicy(form url.Values) (any, *wire.Refusal) {
	u, name, _, refused := i.userPolicy(form)
	if refused != nil {
		return nil, refused
	}
	delete(u.Policies, name)
	return nil, nil
}
