package runlocal

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// claims are those of ID tokens and of assertions.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub,omitempty"`
	Email    string `json:"email,omitempty"`
	Verified bool   `json:"email_verified,omitempty"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`

	Scope  string `json:"scope,omitempty"`           // of an assertion
	Target string `json:"target_audience,omitempty"` // of an assertion
}

type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	Key       string `json:"kid,omitempty"`
}

// A signingKey signs tokens, and has a name.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newKey() (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &signingKey{id: strings.ToLower(rand.Text()), private: private}, nil
}

var b64 = base64.RawURLEncoding

func (k *signingKey) sign(c claims) string {
	signed := b64.EncodeToString(encode(header{"RS256", "JWT", k.id})) + "." + b64.EncodeToString(encode(c))
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // the key is ours
	}
	return signed + "." + b64.EncodeToString(signature)
}

// skew is how far clocks may differ.
const skew = 30 * time.Second

// check verifies a token by the key that key finds, and its times. Nothing of it is believed before.
func check(token string, now time.Time, key func(id string, c claims) *rsa.PublicKey) (c claims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("it is no JWT")
	}
	var h header
	for i, into := range []any{&h, &c} {
		data, err := b64.DecodeString(strings.TrimRight(parts[i], "="))
		if err != nil || json.Unmarshal(data, into) != nil {
			return c, errors.New("it is no JWT")
		}
	}
	signature, err := b64.DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil || h.Algorithm != "RS256" {
		return c, errors.New("it is not signed with RS256")
	}
	public := key(h.Key, c)
	if public == nil {
		return c, errors.New("its key is not known")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) != nil {
		return c, errors.New("its signature is wrong")
	}
	switch issued, expires := time.Unix(c.Issued, 0), time.Unix(c.Expires, 0); {
	case !now.Before(expires):
		return c, errors.New("it has expired")
	case now.Add(skew).Before(issued):
		return c, errors.New("it is of the future")
	case expires.Sub(issued) > time.Hour:
		return c, errors.New("it lasts more than an hour")
	}
	return c, nil
}
