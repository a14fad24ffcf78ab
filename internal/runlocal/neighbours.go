package runlocal

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"strings"
)

// This file is for services of Google's beside Cloud Run, which have the same accounts: who has an access token,
// what that account may do, and what is signed as it.

// Whose returns the account of an access token, or "" for one that is none or has expired.
func (i *issuer) Whose(accessToken string) string {
	return i.bearer(&http.Request{Header: http.Header{"Authorization": {"Bearer " + accessToken}}})
}

// May reports whether an account has a permission on a resource, there or by the project.
func (i *issuer) May(email, permission, resource string) bool {
	return email != "" && i.may(email, permission, resource)
}

// PublicKeys returns those by which everybody can check what is signed as a service account: Google's for it,
// and that of its key if it has one. It makes the account if it is not there.
func (i *issuer) PublicKeys(email string) ([]*rsa.PublicKey, error) {
	key, err := i.googlesKey(email)
	if err != nil {
		return nil, err
	}
	keys := []*rsa.PublicKey{&key.private.PublicKey}
	i.mu.Lock()
	defer i.mu.Unlock()
	if own := i.account(email, false).key; own != nil {
		keys = append(keys, &own.private.PublicKey)
	}
	return keys, nil
}

// googlesKey is the key of a service account that Google alone has.
func (i *issuer) googlesKey(email string) (*signingKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	a := i.account(email, false)
	if a.googles == nil {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		a.googles = key
	}
	return a.googles, nil
}

// signBlob signs as a service account.
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
func (i *issuer) signBlob(w http.ResponseWriter, email string, payload []byte) {
	if len(payload) == 0 {
		refuse(w, http.StatusBadRequest, "Request contains an invalid argument: payload is required.")
		return
	}
	key, err := i.googlesKey(email)
	if err == nil {
		var signature []byte
		sum := sha256.Sum256(payload)
		if signature, err = rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, sum[:]); err == nil {
			reply(w, http.StatusOK, map[string]any{"keyId": key.id, "signedBlob": signature})
			return
		}
	}
	refuse(w, http.StatusInternalServerError, strings.TrimSpace(err.Error()))
}
