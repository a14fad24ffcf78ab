package gcslocal

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// SignBlob serves the one method of the IAM Credentials API by which who has no key of a service account has
// it sign: POST /v1/projects/-/serviceAccounts/EMAIL:signBlob. Everything else is 404 or 501. Source:
// cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob, 2026-11.
func SignBlob(email string, key *rsa.PrivateKey, token func(string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const maxBlob = 64 << 10
		refuse := func(code int, status, message string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message, "status": status}})
		}
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok || !token(bearer):
			refuse(http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
			return
		case r.URL.Path != "/v1/projects/-/serviceAccounts/"+email+":signBlob":
			refuse(http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.")
			return
		case r.Method != http.MethodPost || r.URL.RawQuery != "":
			refuse(http.StatusNotImplemented, "UNIMPLEMENTED", fmt.Sprintf("%s with %q is not served.", r.Method, r.URL.RawQuery))
			return
		}
		var asked struct {
			Payload []byte `json:"payload"`
		}
		dec := json.NewDecoder(io.LimitReader(r.Body, maxBlob))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&asked); err != nil || len(asked.Payload) == 0 {
			refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received.")
			return
		}
		sum := sha256.Sum256(asked.Payload)
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		if err != nil {
			refuse(http.StatusInternalServerError, "INTERNAL", err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"keyId": "0000", "signedBlob": signature}) // whoever has gone needs none
	})
}
