package runlocal

import (
	"crypto/rsa"
	"net/http"
	"strings"
	"time"
)

// This file is where tokens are handed out: the token endpoint, IAM Service Account Credentials, and the
// metadata server.

func (i *issuer) tokenRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /token", i.tokenEndpoint)
	mux.HandleFunc("GET /oauth2/v3/certs", i.certificates)
	mux.HandleFunc("POST /v1/projects/-/serviceAccounts/{verb}", i.credentialsAPI)
}

// certificates is the JWKS with which everybody can check ID tokens.
func (i *issuer) certificates(w http.ResponseWriter, _ *http.Request) {
	public := i.key.private.PublicKey
	reply(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": i.key.id,
		"n": b64.EncodeToString(public.N.Bytes()), "e": "AQAB",
	}}})
}

// oauthRefusal is RFC 6749's.
func oauthRefusal(w http.ResponseWriter, code, why string) {
	reply(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": why})
}

func (i *issuer) tokenEndpoint(w http.ResponseWriter, r *http.Request) {
	switch grantType := r.PostFormValue("grant_type"); grantType {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		i.byAssertion(w, r.PostFormValue("assertion"))
	case "refresh_token":
		i.mu.Lock()
		email, ok := i.refresh[r.PostFormValue("refresh_token")]
		i.mu.Unlock()
		if !ok {
			oauthRefusal(w, "invalid_grant", "Token has been expired or revoked.")
			return
		}
		// There is an ID token in it, for gcloud itself: no audience can be asked for.
		reply(w, http.StatusOK, map[string]any{
			"access_token": i.AccessToken(email), "expires_in": int(i.life.Seconds()), "token_type": "Bearer",
			"id_token": i.IDToken(email, r.PostFormValue("client_id")), "scope": "https://www.googleapis.com/auth/cloud-platform",
		})
	default:
		oauthRefusal(w, "unsupported_grant_type", "Invalid grant_type: "+grantType)
	}
}

// byAssertion serves who has a service account's key.
// https://developers.google.com/identity/protocols/oauth2/service-account
func (i *issuer) byAssertion(w http.ResponseWriter, assertion string) {
	c, err := check(assertion, time.Now(), func(id string, c claims) *rsa.PublicKey {
		i.mu.Lock()
		defer i.mu.Unlock()
		a := i.accounts[c.Issuer]
		if a == nil || a.key == nil || a.key.id != id {
			return nil
		}
		return &a.key.private.PublicKey
	})
	switch {
	case err != nil:
		oauthRefusal(w, "invalid_grant", "Invalid JWT: "+err.Error())
	case c.Audience != i.url+"/token":
		oauthRefusal(w, "invalid_grant", "Invalid JWT: its audience is not the token endpoint.")
	case c.Target != "":
		reply(w, http.StatusOK, map[string]string{"id_token": i.IDToken(c.Issuer, c.Target)})
	case c.Scope == "":
		oauthRefusal(w, "invalid_scope", "Empty or missing scope not allowed.")
	default:
		reply(w, http.StatusOK, map[string]any{"access_token": i.AccessToken(c.Issuer), "expires_in": int(i.life.Seconds()), "token_type": "Bearer"})
	}
}

// credentialsAPI is IAM Service Account Credentials.
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts
func (i *issuer) credentialsAPI(w http.ResponseWriter, r *http.Request) {
	email, verb, _ := strings.Cut(r.PathValue("verb"), ":")
	permission := map[string]string{"generateIdToken": "iam.serviceAccounts.getOpenIdToken", "generateAccessToken": "iam.serviceAccounts.getAccessToken", "signBlob": "iam.serviceAccounts.signBlob"}[verb] //nolint:gosec // names
	if permission == "" {
		refuse(w, http.StatusNotFound, "Method not found.")
		return
	}
	caller := i.bearer(r)
	if caller == "" {
		refuse(w, http.StatusUnauthorized, unauthenticated)
		return
	}
	if !i.may(caller, permission, email) { // also where there is no such account: nobody learns that
		refuse(w, http.StatusForbidden, "Permission '"+permission+"' denied on resource (or it may not exist).")
		return
	}
	var in struct {
		Audience     string   `json:"audience"`
		IncludeEmail bool     `json:"includeEmail"`
		Delegates    []string `json:"delegates"`
		Scope        []string `json:"scope"`
		Lifetime     string   `json:"lifetime"`
		Payload      []byte   `json:"payload"`
	}
	if !read(w, r, &in) {
		return
	}
	switch {
	case verb == "signBlob":
		i.signBlob(w, email, in.Payload)
	case verb == "generateIdToken" && in.Audience == "":
		refuse(w, http.StatusBadRequest, "Request contains an invalid argument: audience is required.")
	case verb == "generateIdToken":
		reply(w, http.StatusOK, map[string]string{"token": i.IDToken(email, in.Audience)})
	case len(in.Scope) == 0:
		refuse(w, http.StatusBadRequest, "Request contains an invalid argument: scope is required.")
	default:
		reply(w, http.StatusOK, map[string]string{
			"accessToken": i.AccessToken(email), "expireTime": time.Now().Add(i.life).UTC().Format(time.RFC3339),
		})
	}
}

// projectNumber is that of the project, in what the metadata server says of a region.
const projectNumber = "123456789012"

// metadataRoutes are those of a machine of Google's.
// https://cloud.google.com/compute/docs/metadata/querying-metadata
func (s *Server) metadataRoutes(mux *http.ServeMux) {
	const root = "GET /computeMetadata/v1/"
	text := func(f func(r *http.Request, email string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s.issuer.mu.Lock()
			email := s.attached
			s.issuer.mu.Unlock()
			w.Header().Set("Metadata-Flavor", "Google")
			if r.Header.Get("Metadata-Flavor") != "Google" {
				page(w, http.StatusForbidden, "Missing Metadata-Flavor:Google header.")
				return
			}
			if email == "" {
				http.Error(w, "no service account is attached", http.StatusNotFound)
				return
			}
			_, _ = w.Write([]byte(f(r, email)))
		}
	}
	mux.HandleFunc(root+"project/project-id", text(func(*http.Request, string) string { return s.options.Project }))
	mux.HandleFunc(root+"instance/region", text(func(*http.Request, string) string {
		return "projects/" + projectNumber + "/regions/" + s.options.Region
	}))
	mux.HandleFunc(root+"instance/service-accounts/default/email", text(func(_ *http.Request, email string) string { return email }))
	mux.HandleFunc(root+"instance/service-accounts/default/identity", text(func(r *http.Request, email string) string {
		return s.IDToken(email, r.URL.Query().Get("audience"))
	}))
	mux.HandleFunc(root+"instance/service-accounts/default/token", text(func(_ *http.Request, email string) string {
		return string(encode(map[string]any{"access_token": s.AccessToken(email), "expires_in": int(s.options.TokenLife.Seconds()), "token_type": "Bearer"}))
	}))
}
