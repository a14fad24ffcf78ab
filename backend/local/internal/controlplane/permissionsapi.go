package controlplane

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// A permission is a statement of the resource policy of a function, a version or an alias.
// It is kept and shown; nothing is enforced here.
type permission struct {
	ID        string          `json:"id"`
	Qualifier string          `json:"qualifier"`
	Statement json.RawMessage `json:"statement"`
}

var (
	statementID     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)
	permittedAction = regexp.MustCompile(`^(lambda:[*]|lambda:[a-zA-Z]+|[*])$`)
)

func (c *call) addPermission() (any, *wire.Refusal) {
	var in struct {
		StatementID   string  `json:"StatementId"`
		Action        string  `json:"Action"`
		Principal     string  `json:"Principal"`
		SourceArn     string  `json:"SourceArn"`
		SourceAccount string  `json:"SourceAccount"`
		PrincipalOrg  string  `json:"PrincipalOrgID"`
		RevisionID    *string `json:"RevisionId"`
	}
	if refused := c.read(&in); refused != nil {
		return nil, refused
	}
	switch {
	case !statementID.MatchString(in.StatementID):
		return nil, wire.Validation("statementId", in.StatementID, "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)")
	case !permittedAction.MatchString(in.Action):
		return nil, wire.Validation("action", in.Action, "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])")
	case in.Principal == "":
		return nil, wire.Validation("principal", in.Principal, "Member must not be null")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, qualifier, refused := c.permitted()
	if refused != nil {
		return nil, refused
	}
	if f.permission(in.StatementID, qualifier) >= 0 {
		return nil, wire.Conflict("The statement id (" + in.StatementID + ") provided already exists. Please provide a new statement id, or remove the existing statement.")
	}
	statement := map[string]any{
		"Sid": in.StatementID, "Effect": "Allow", "Action": in.Action, "Principal": principalOf(in.Principal), "Resource": f.qualified(qualifier),
	}
	if conditions := conditionsOf(in.SourceArn, in.SourceAccount, in.PrincipalOrg); len(conditions) > 0 {
		statement["Condition"] = conditions
	}
	data, err := json.Marshal(statement)
	if err != nil {
		panic(err) // strings always marshal
	}
	f.permissions = append(f.permissions, permission{in.StatementID, qualifier, data})
	return map[string]string{"Statement": string(data)}, nil
}

// principalOf is how a policy writes a principal.
func principalOf(said string) any {
	switch {
	case said == "*":
		return said
	case strings.HasPrefix(said, "arn:"):
		return map[string]string{"AWS": said}
	case len(said) == len(wire.Account) && strings.Trim(said, "0123456789") == "":
		return map[string]string{"AWS": "arn:aws:iam::" + said + ":root"}
	}
	return map[string]string{"Service": said}
}

func conditionsOf(sourceArn, sourceAccount, org string) map[string]any {
	conditions := map[string]any{}
	if sourceArn != "" {
		conditions["ArnLike"] = map[string]string{"AWS:SourceArn": sourceArn}
	}
	equals := map[string]string{"AWS:SourceAccount": sourceAccount, "aws:PrincipalOrgID": org}
	maps.DeleteFunc(equals, func(_, value string) bool { return value == "" })
	if len(equals) > 0 {
		conditions["StringEquals"] = equals
	}
	return conditions
}

// permitted is what the request is about: a function, or a version or an alias of it that
// exists. The region's lock is held.
func (c *call) permitted() (*resource, string, *wire.Refusal) {
	id, refused := c.id()
	if refused != nil {
		return nil, "", refused
	}
	f, _, refused := c.version(id)
	if refused != nil {
		return nil, "", refused
	}
	if id.Qualifier == wire.Latest {
		return nil, "", wire.InvalidParameter("We currently do not support adding policies for $LATEST.")
	}
	return f, id.Qualifier, nil
}

func (f *resource) qualified(qualifier string) string {
	if qualifier == "" {
		return f.arn
	}
	return f.arn + ":" + qualifier
}

func (f *resource) permission(id, qualifier string) int {
	return slices.IndexFunc(f.permissions, func(p permission) bool { return p.ID == id && p.Qualifier == qualifier })
}

func errNoPolicy() *wire.Refusal {
	return &wire.Refusal{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."}
}

func (c *call) getPolicy() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, qualifier, refused := c.permitted()
	if refused != nil {
		return nil, refused
	}
	statements := []json.RawMessage{}
	for _, p := range f.permissions {
		if p.Qualifier == qualifier {
			statements = append(statements, p.Statement)
		}
	}
	if len(statements) == 0 {
		return nil, errNoPolicy()
	}
	data, err := json.Marshal(struct {
		Version   string            `json:"Version"`
		ID        string            `json:"Id"`
		Statement []json.RawMessage `json:"Statement"`
	}{"2012-10-17", "default", statements})
	if err != nil {
		panic(err) // they were marshaled before
	}
	return map[string]string{"Policy": string(data), "RevisionId": f.latest.revisionID()}, nil
}

func (c *call) removePermission() (any, *wire.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, qualifier, refused := c.permitted()
	if refused != nil {
		return nil, refused
	}
	at := f.permission(c.r.PathValue("statement"), qualifier)
	if at < 0 {
		return nil, errNoPolicy()
	}
	f.permissions = slices.Delete(f.permissions, at, at+1)
	return nil, nil
}
