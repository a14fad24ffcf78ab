package cloudrun

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/lambdapool/lambdapool/internal/googleapi"
)

// An identity is who the client is to Google, and mints ID tokens.
type identity struct{ *googleapi.Identity }

// The kinds of files of credentials, as Google names them.
const (
	kindKey          = "service_account"
	kindPerson       = "authorized_user"
	kindImpersonated = "impersonated_service_account"
	kindExternal     = "external_account"
)

// file is what the file of the credentials says.
type file struct {
	Type             string          `json:"type"`
	Email            string          `json:"client_email"`
	ImpersonationURL string          `json:"service_account_impersonation_url"`
	Delegates        []string        `json:"delegates"`
	Source           json.RawMessage `json:"source_credentials"`
}

// An actor is the service account that the client speaks as.
type actor struct {
	email     string             // "": that of this machine of Google's
	key       []byte             // the file with its key, or nil
	source    oauth2.TokenSource // of who may have Google mint and sign for it
	delegates []string           // between the two
}

// actor returns the service account: account, or if that is empty whose the credentials are. It does no network I/O.
// The error says what to do where they are of none.
func (id *identity) actor(ctx context.Context, account string) (actor, error) {
	var f file
	if len(id.Found.JSON) > 0 {
		if err := json.Unmarshal(id.Found.JSON, &f); err != nil {
			return actor{}, fmt.Errorf("the file of the credentials: %w", err)
		}
	}
	who := actor{email: account, source: id.Found.TokenSource}
	switch {
	case f.Type == kindKey && (account == "" || account == f.Email):
		who.email, who.key = f.Email, id.Found.JSON
		return who, nil
	case account != "", len(id.Found.JSON) == 0:
		return who, nil
	case f.Type == kindImpersonated:
		var source file
		if err := json.Unmarshal(f.Source, &source); err != nil {
			return who, fmt.Errorf("the file of the credentials: source_credentials: %w", err)
		}
		from, err := google.CredentialsFromJSONWithTypeAndParams(googleapi.Context(ctx, id.Client), f.Source, google.CredentialsType(source.Type),
			google.CredentialsParams{Scopes: []string{googleapi.Scope}, TokenURL: id.At.Users})
		if err != nil {
			return who, fmt.Errorf("the file of the credentials: source_credentials: %w", err)
		}
		return actor{email: impersonated(f.ImpersonationURL), source: from.TokenSource, delegates: f.Delegates}, nil
	case f.Type == kindExternal && f.ImpersonationURL != "":
		who.email = impersonated(f.ImpersonationURL)
		return who, nil
	case f.Type == kindExternal:
		return who, errors.New("these credentials are of another identity provider, and cannot mint the ID tokens that Cloud Run wants: name a service account that they may impersonate with WithServiceAccount (account=EMAIL in the URL)")
	case f.Type == kindPerson:
		return who, errPerson
	default:
		return who, fmt.Errorf("credentials of the kind %q cannot mint the ID tokens that Cloud Run wants: name a service account that they may impersonate with WithServiceAccount (account=EMAIL in the URL)", f.Type)
	}
}

// minter returns what makes ID tokens of who for an audience. It does no network I/O.
func (id *identity) minter(ctx context.Context, who actor, audience string) (minter, error) {
	switch {
	case who.key != nil:
		return id.fromKey(ctx, audience)
	case who.email == "":
		return id.fromMetadata(audience), nil
	default:
		return id.impersonate(who.source, who.email, who.delegates, audience), nil
	}
}

// email is the address of who. For that of the machine it asks the metadata server.
func (id *identity) email(ctx context.Context, who actor) (string, error) {
	if who.email != "" {
		return who.email, nil
	}
	email, err := metadata.NewClient(id.Client).EmailWithContext(ctx, "default")
	if err != nil {
		return "", fmt.Errorf("which service account does this machine have: %w", googleapi.NotMinted(err))
	}
	return email, nil
}

// errPerson is what most developers meet first: their own credentials are made by gcloud, and cannot do it.
var errPerson = errors.New("these credentials are a person's, and a person cannot mint the ID tokens that Cloud Run wants. " +
	"Name a service account with WithServiceAccount (account=EMAIL in the URL), and let yourself use it: " +
	"`gcloud iam service-accounts add-iam-policy-binding EMAIL --member=user:YOU --role=roles/iam.serviceAccountTokenCreator`; " +
	"or sign in as one: `gcloud auth application-default login --impersonate-service-account=EMAIL`")

// impersonated is the account in …/serviceAccounts/EMAIL:generateAccessToken.
func impersonated(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	email, _, _ := strings.Cut(path.Base(u.Path), ":")
	return email
}

// fromKey has Google's token endpoint make ID tokens for who has the key of a service account.
func (id *identity) fromKey(ctx context.Context, audience string) (minter, error) {
	cfg, err := google.JWTConfigFromJSON(id.Found.JSON)
	if err != nil {
		return nil, err
	}
	cfg.UseIDToken, cfg.PrivateClaims = true, map[string]any{"target_audience": audience}
	ctx = googleapi.Context(ctx, id.Client)
	return func(context.Context) (string, time.Time, error) {
		token, err := cfg.TokenSource(ctx).Token() // bounded by the client's timeout and life
		if err != nil {
			return "", time.Time{}, fmt.Errorf("the key of %s: %w", cfg.Email, googleapi.NotMinted(err))
		}
		return token.AccessToken, token.Expiry, nil
	}, nil
}

// fromMetadata asks the machine's metadata server, as Cloud Run, Compute Engine and GKE have one.
func (id *identity) fromMetadata(audience string) minter {
	server := metadata.NewClient(id.Client)
	ask := "instance/service-accounts/default/identity?" + url.Values{"audience": {audience}, "format": {"full"}}.Encode()
	return func(ctx context.Context) (string, time.Time, error) {
		token, err := server.GetWithContext(ctx, ask)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("the metadata server has no ID token: %w", googleapi.NotMinted(err))
		}
		expires, err := expiry(token)
		return token, expires, err
	}
}

// impersonate has IAM make ID tokens of account for who has the access tokens of source.
func (id *identity) impersonate(source oauth2.TokenSource, account string, delegates []string, audience string) minter {
	body := struct {
		Audience     string   `json:"audience"`
		IncludeEmail bool     `json:"includeEmail"`
		Delegates    []string `json:"delegates,omitempty"`
	}{audience, true, delegates}
	at := id.At.IAM + "/v1/projects/-/serviceAccounts/" + url.PathEscape(account) + ":generateIdToken"
	return func(ctx context.Context) (string, time.Time, error) {
		var answer struct {
			Token string `json:"token"`
		}
		if err := id.Call(ctx, source, http.MethodPost, at, body, &answer); err != nil {
			return "", time.Time{}, fmt.Errorf("%s cannot be impersonated: %w (that needs roles/iam.serviceAccountTokenCreator on it, and the API iamcredentials.googleapis.com)", account, err)
		}
		expires, err := expiry(answer.Token)
		return answer.Token, expires, err
	}
}

// expiry reads when a token ends. Who made it has sent it over TLS: its signature is for the
// service to check.
func expiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if len(parts) != 3 {
		return time.Time{}, errors.New("what was minted is no ID token")
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err == nil {
		err = json.Unmarshal(data, &claims)
	}
	if err != nil || claims.Expires == 0 {
		return time.Time{}, errors.New("what was minted is no ID token, or one without an end")
	}
	return time.Unix(claims.Expires, 0), nil
}
