package backend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/cloudrun"
	"github.com/lambdapool/lambdapool/driver"
)

// Inputs is a bucket that the client may read, for splits.Stored. It is a splits.Bucket.
type Inputs interface {
	List(ctx context.Context, prefix, after string) (driver.Listing, error)
	LinkGet(ctx context.Context, key string, life time.Duration) (driver.Link, error)

	// Close closes idle connections. Links stay good.
	Close() error
}

var s3Parameters = parameters[awslambda.InputOption]{
	"endpoint": text(func(v string) awslambda.InputOption { return awslambda.BucketEndpoint(v) }),
	"profile":  text(func(v string) awslambda.InputOption { return awslambda.WithProfile(v) }),
	"region":   text(func(v string) awslambda.InputOption { return awslambda.BucketRegion(v) }),
	"path": func(v string) (awslambda.InputOption, error) {
		if v != "true" {
			return nil, fmt.Errorf("%q (want path=true, or leave it out)", v)
		}
		return awslambda.PathStyle(), nil
	},
}

var gsParameters = parameters[cloudrun.InputOption]{
	"account":  text(func(v string) cloudrun.InputOption { return cloudrun.WithServiceAccount(v) }),
	"endpoint": text(func(v string) cloudrun.InputOption { return cloudrun.BucketEndpoint(v) }),
}

// OpenInputs opens a bucket to read inputs from, whichever backend functions run on:
//
//   - s3://BUCKET/PREFIX?region=…&profile=…&endpoint=URL&path=true: awslambda.OpenInputs
//   - gs://BUCKET/PREFIX?account=EMAIL&endpoint=URL: cloudrun.OpenInputs
//
// All parameters are optional; path=true puts the bucket's name into the path of URLs, as S3-compatible stores want it. prefix is what
// the URL says after the bucket, for splits.Stored:
//
//	bucket, prefix, err := backend.OpenInputs(ctx, "s3://logs/2026/")
//	if err != nil { … }
//	defer bucket.Close() // after the run: a source lists, and signs links, while it goes on
//	inputs := splits.Stored(ctx, bucket, prefix)
//
// It blocks for little, and does not contact the bucket. Errors are those of the two functions; an unknown scheme or parameter is
// one, too. It shows the URL without its parameters.
func OpenInputs(ctx context.Context, rawURL string) (_ Inputs, prefix string, err error) {
	shown, rawQuery, _ := strings.Cut(rawURL, "?")
	fail := func(err error) (Inputs, string, error) {
		return nil, "", fmt.Errorf("lambdapool: open inputs %q: %w", shown, err)
	}
	scheme, rest, ok := strings.Cut(shown, "://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return fail(errors.New("want s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"))
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return fail(errors.New("malformed parameters (want ?NAME=VALUE&NAME=VALUE)"))
	}
	switch scheme {
	case "s3":
		opts, err := s3Parameters.options(query)
		if err != nil {
			return fail(err)
		}
		in, err := awslambda.OpenInputs(ctx, bucket, opts...)
		if err != nil {
			return nil, "", err
		}
		return in, prefix, nil
	case "gs":
		opts, err := gsParameters.options(query)
		if err != nil {
			return fail(err)
		}
		in, err := cloudrun.OpenInputs(ctx, bucket, opts...)
		if err != nil {
			return nil, "", err
		}
		return in, prefix, nil
	default:
		return fail(fmt.Errorf("unknown scheme %q (want s3 or gs)", scheme))
	}
}
