package iam

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/local/internal/wire"
)

// STS finds the operations of STS, for a caller; auth issues credentials.
func (i *Service) STS(auth *wire.Authenticator, who *wire.Identity) func(action string) wire.Query {
	return func(action string) wire.Query {
		switch action {
		case "GetCallerIdentity":
			return func(url.Values) (any, *wire.Refusal) {
				return struct {
					Arn     string
					UserID  string `xml:"UserId"`
					Account string
				}{who.ARN, who.UserID, wire.Account}, nil
			}
		case "AssumeRole":
			return func(form url.Values) (any, *wire.Refusal) { return i.assumeRole(auth, form) }
		}
		return nil
	}
}

// assumeRole gives credentials of a role that exists, whomever it trusts. They are good for this
// endpoint, for as long as it lives.
func (i *Service) assumeRole(auth *wire.Authenticator, form url.Values) (any, *wire.Refusal) {
	arn, session := form.Get("RoleArn"), form.Get("RoleSessionName")
	if len(session) < 2 || len(session) > 64 || !entityName.MatchString(session) {
		return nil, errInput("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", session)
	}
	if !i.has(arn) {
		return nil, &wire.Refusal{Status: http.StatusForbidden, Code: "AccessDenied", Message: "User is not authorized to perform: sts:AssumeRole on resource: " + arn}
	}
	c := auth.Issue(arn[strings.LastIndexByte(arn, '/')+1:], session)
	who := auth.Who(c.AccessKeyID)
	type given struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	type user struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		Arn           string
	}
	return struct {
		Credentials     given
		AssumedRoleUser user
	}{
		given{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)},
		user{who.UserID, who.ARN},
	}, nil
}
