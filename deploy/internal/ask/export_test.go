package ask

import (
	"context"

	"github.com/lambdapool/lambdapool"
)

// Fingerprint is what a call by JSON sends.
var Fingerprint = fingerprint

// CallJSON converts arguments and result as [Agent.Call] does, and calls f on this goroutine.
func CallJSON(ctx context.Context, f *lambdapool.Function, args ...string) (string, error) {
	sig, err := parseSignature(f.Signature(), f.Shape())
	if err != nil {
		return "", err
	}
	data, err := sig.encode(args)
	if err != nil {
		return "", err
	}
	if data, err = f.Call(ctx, data); err != nil {
		return "", err
	}
	value, err := sig.decode(data)
	return string(value), err
}

// ParseShape returns why a signature has no JSON form.
func ParseShape(signature string) error {
	_, err := parseSignature(signature, signature)
	return err
}
