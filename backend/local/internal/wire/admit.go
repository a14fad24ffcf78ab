package wire

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
)

// MaxRequest bounds requests that bring neither code nor a payload, in bytes. What is
// allowed in them is far less.
const MaxRequest = 1 << 20

// Admit checks that the request was signed for one of services, and reads the body,
// which may have limit bytes in the named operation.
func (a *Authenticator) Admit(r *http.Request, limit int, operation string, services ...string) (*Claim, []byte, *Refusal) {
	claim, refused := a.claim(r)
	if refused != nil {
		return nil, nil, refused
	}
	if !slices.Contains(services, claim.Service) {
		return nil, nil, denied("InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", strings.Join(services, "' or '"))
	}
	sum := &summed{ReadCloser: r.Body, hash: sha256.New()}
	r.Body = sum
	body, err := ReadBody(r, limit)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, nil, InvalidContent("The request body ended early: " + err.Error())
	}
	if refused := a.verify(r, claim, [sha256.Size]byte(sum.hash.Sum(nil))); refused != nil {
		return nil, nil, refused
	}
	if tooLarge != nil {
		return nil, nil, TooLarge(limit, operation)
	}
	return claim, body, nil
}

// summed hashes what is read from a body.
type summed struct {
	io.ReadCloser
	hash hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.hash.Write(p[:n])
	return n, err
}
