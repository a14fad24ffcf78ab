// Package awslambda is the backend for AWS Lambda: one Invoke is one attempt,
// and every way in which an attempt can end says whether the function ran.
//
//	b, err := awslambda.New(ctx, "algorithms")
//	if err != nil { … }
//	defer b.Close()
//	e, err := lambdapool.New(b)
//
// Configuration is the AWS SDK's: environment, shared files, profiles, SSO,
// roles, AWS_ENDPOINT_URL_LAMBDA, FIPS and dual-stack endpoints, AWS_CA_BUNDLE
// and proxies. The options of this package come on top of it, and [WithConfig]
// instead of it.
//
// # What is different from the SDK's client
//
// The SDK repeats an Invoke up to three times on its own, and a function that
// is not idempotent then runs three times. Here nothing is repeated: the
// executor decides, and it knows which functions may run twice.
//
// Connections speak HTTP/1.1, one call each, so that a lost connection costs
// one call; as many stay open as there are workers; and no client timeout cuts
// a long call short.
//
// The SDK prepares the request (endpoint, path, headers) once, when the
// backend is made, and signs each call with its own signer. What it would
// redo on each call is left out, which makes a call several times cheaper.
// Middleware of an [aws.Config] therefore sees the preparation only, not the calls.
package awslambda
