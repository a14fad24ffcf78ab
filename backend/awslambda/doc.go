// Package awslambda is the backend for AWS Lambda. One Invoke is one attempt, and every way in
// which an attempt can end says whether the function ran.
//
//	b, err := awslambda.New(ctx, "algorithms")
//	if err != nil { … }
//	defer b.Close()
//	e, err := lambdapool.New(b)
//
// Use it in the program that sends the work. The agent in the function does not need it, and
// starts faster without. Package backend opens it by URL, lambda://algorithms, where a flag is
// to decide. Package deploy makes the function.
//
// # Configuration
//
// Configuration is the AWS SDK's: environment, shared files, profiles, SSO, roles,
// AWS_ENDPOINT_URL_LAMBDA, FIPS and dual-stack endpoints, AWS_CA_BUNDLE and proxies. The
// options of this package come on top of it, and [WithConfig] instead of it.
//
// The caller needs lambda:InvokeFunction. With lambda:GetFunctionConfiguration, too, the
// function's timeout need not be guessed: see [WithFunctionTimeout]. deploy.ClientPolicy prints
// the least policy.
//
// # What is different from the SDK's client
//
// The SDK repeats an Invoke up to three times on its own, and a function that is not idempotent
// then runs three times. Here nothing is repeated: the executor decides, and it knows which
// functions may run twice.
//
// Connections speak HTTP/1.1, one call each, so that a lost connection costs one call. As many
// stay open as there are workers. No client timeout cuts a long call short.
//
// The SDK prepares the request (endpoint, path, headers) once, when the backend is made, and
// signs each call with its own signer. What it would redo on each call is left out, which makes
// a call several times cheaper. Middleware of an [aws.Config] therefore sees the preparation
// only, not the calls.
//
// # What an error means
//
// Every error of an attempt is a [driver.InvokeError]. Its Outcome says whether the
// function ran:
//
//   - Not run: Lambda refused the request, or there was no connection. It is safe to send it
//     again. Throttling (429) is among these.
//   - Ran: the function began, and then timed out, crashed, ran out of memory, or its reply was
//     too large.
//   - Unknown: the connection was lost after the request had left, or Lambda answered with an
//     error of its own (5xx). The function may have run.
//
// What this package does not know counts as unknown. The error's Kind is one of the sentinels of
// package lambdapool, and Permanent says that the same request will fail again.
package awslambda
