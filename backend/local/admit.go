package local

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
)

// admit checks the sender and reads the body, which may have limit bytes in
// the named operation.
func (a *authenticator) admit(r *http.Request, limit int, operation string) (*claim, []byte, *apiError) {
	claim, refused := a.claim(r)
	if refused != nil {
		return nil, nil, refused
	}
	sum := &summed{ReadCloser: r.Body, hash: sha256.New()}
	r.Body = sum
	body, err := readLimited(r, limit)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, nil, errInvalidContent("The request body ended early: " + err.Error())
	}
	if refused := a.verify(r, claim, [sha256.Size]byte(sum.hash.Sum(nil))); refused != nil {
		return nil, nil, refused
	}
	if tooLarge != nil {
		return nil, nil, errRequestTooLarge(limit, operation)
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
