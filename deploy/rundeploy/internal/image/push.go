package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// tagLength is how much of the digest a tag shows, in hexadecimal digits.
const tagLength = 32

// A Place is where an image is pushed to.
type Place struct {
	Name      string // REGISTRY/PROJECT/REPOSITORY/NAME
	Token     string // an access token of Google's; "": none is sent
	Transport http.RoundTripper
}

// Push uploads what the registry lacks of an image, and returns its name with its digest, which no later push can
// change. The image gets a tag that is made of the digest: what has no tag may be cleaned up.
func (p Place) Push(ctx context.Context, img v1.Image) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", err
	}
	ref, err := name.NewTag(p.Name+":build-"+digest.Hex[:tagLength], name.StrictValidation)
	if err != nil {
		return "", fmt.Errorf("%s is not the name of an image: %w", p.Name, err)
	}
	auth := authn.Anonymous
	if p.Token != "" { // https://cloud.google.com/artifact-registry/docs/docker/authentication, 2026-11
		auth = authn.FromConfig(authn.AuthConfig{Username: "oauth2accesstoken", Password: p.Token})
	}
	err = remote.Write(ref, img, remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(p.Transport))
	if err != nil {
		return "", err
	}
	return p.Name + "@" + digest.String(), nil
}

// Denied reports whether a registry refused who asks.
func Denied(err error) bool {
	e, ok := errors.AsType[*transport.Error](err)
	return ok && (e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden)
}

// Missing reports whether a registry has no such repository.
func Missing(err error) bool {
	e, ok := errors.AsType[*transport.Error](err)
	return ok && e.StatusCode == http.StatusNotFound
}
