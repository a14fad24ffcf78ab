package awslambda

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// NewSigner returns how a template's requests are signed.
func NewSigner(service, region string, opts ...func(*v4.SignerOptions)) func(context.Context, aws.Credentials, *http.Request, [sha256.Size]byte, time.Time, bool) error {
	s := &signer{sdk: v4.NewSigner(), service: service, region: region, options: opts}
	return func(ctx context.Context, creds aws.Credentials, r *http.Request, payload [sha256.Size]byte, at time.Time, plain bool) error {
		return s.sign(ctx, creds, r, payload, at, plain, new(signature))
	}
}

// SetGuardMargin makes overdue replies overdue sooner. Not during a call.
func SetGuardMargin(b *Backend, d time.Duration) { b.guard.margin = d }

// Looked waits until the credentials are there, and the shards are found and compared.
func Looked(b *Backend) { b.looking.Wait() }
