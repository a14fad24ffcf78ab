// Package backend opens any of the module's backends by URL, so that a program
// can leave the choice to a flag or an environment variable:
//
//	local:                       agent processes on this machine (package local)
//	inproc:                      goroutines of this process (package inproc)
//	lambda://algorithms:live     a function on AWS Lambda (package awslambda)
//
// A program that uses one backend only imports that package, and leaves out
// what the others need.
package backend

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/suggest"
)

// A Backend is a [lambdapool.Backend] to be closed by whoever opened it.
type Backend interface {
	lambdapool.Backend

	// Close releases what the backend holds. Calls after it fail with ErrClosed.
	Close() error
}

// Open opens a backend:
//
//   - local:?concurrency=N&memory=MB&timeout=DURATION&binary=PATH
//   - inproc:?concurrency=N&timeout=DURATION
//   - lambda://FUNCTION?region=…&profile=…&qualifier=…&tenant=…&endpoint=URL&bucket=NAME&workers=N&timeout=DURATION,
//     where FUNCTION is NAME, NAME:QUALIFIER or an ARN
//
// All parameters are optional and go to the options of the same meaning. An
// unknown scheme or parameter, or a bad value, is an error. ctx bounds what
// opening takes, not the backend's life. There is no parameter for
// credentials: URLs end up in logs.
func Open(ctx context.Context, rawURL string) (Backend, error) {
	open, err := parse(rawURL)
	if err != nil {
		// The query is left out: a value may be something to keep.
		shown, _, _ := strings.Cut(rawURL, "?")
		return nil, fmt.Errorf("lambdapool: open backend %q: %w", shown, err)
	}
	return open(ctx)
}

// An opener makes a backend of what its URL said.
type opener func(ctx context.Context) (Backend, error)

func parse(rawURL string) (opener, error) {
	// Not url.Parse: NAME:QUALIFIER and ARNs are no hosts.
	name, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, fmt.Errorf("no scheme (%s)", choice(rawURL, schemes))
	}
	scheme, ok := schemes[name]
	if !ok {
		return nil, fmt.Errorf("unknown scheme %q (%s)", name, choice(name, schemes))
	}
	target, rawQuery, _ := strings.Cut(rest, "?")
	target, err := url.PathUnescape(strings.TrimPrefix(target, "//"))
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, fmt.Errorf("malformed parameters (want ?NAME=VALUE&NAME=VALUE)")
	}
	return scheme(target, query)
}

// A scheme reads the URLs of one kind of backend.
type scheme func(target string, query url.Values) (opener, error)

var schemes = map[string]scheme{"local": parseLocal, "inproc": parseInproc, "lambda": parseLambda}

// choice lists what is known, and singles out what was probably meant.
func choice[V any](got string, known map[string]V) string {
	names := slices.Sorted(maps.Keys(known))
	hint := "known: " + strings.Join(names, ", ")
	if near := suggest.Nearest(got, names); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %q? %s", near[0], hint)
	}
	return hint
}
