// Package backend opens any of the module's backends by URL, so that a program
// can leave the choice to a flag or an environment variable:
//
//	local:                       agent processes on this machine (package local)
//	inproc:                      goroutines of this process (package inproc)
//	check:                       both, to find calls whose results differ (package check)
//	lambda://algorithms:live     a function on AWS Lambda (package awslambda)
//	cloudrun://algorithms        a service on Google Cloud Run (package cloudrun)
//	https://agents.example.com   agents behind HTTP, in containers or on machines (package httpagent)
//
// [Open] is the one line that decides where functions run. [NewExecutor] is Open
// and lambdapool.New in one call, for programs with one executor:
//
//	func main() {
//		where := flag.String("backend", "local:", "inproc:, local: or lambda://NAME")
//		agent.Main() // before flag.Parse: an agent has no arguments
//		flag.Parse()
//		pool, err := backend.NewExecutor(ctx, *where)
//		if err != nil { … }
//		defer pool.Close() // the backend, too
//		…
//	}
//
// # Which one
//
// Begin with inproc: in tests. It is fast, and functions run in the client, where a debugger
// sees them. Use local: to develop and on one large machine. It runs what Lambda runs, so what
// works there works on Lambda. check: is both, and finds functions that depend on more than
// their arguments. lambda: is for many workers that are paid by the millisecond, cloudrun: for calls of up
// to an hour, https: for agents of your own.
//
// # When not to use it
//
// This package links all backends and with them the AWS SDK and Google's library for tokens. A program that uses one backend
// only may import that package instead, and is smaller. It then has all of its options, of
// which URLs know the usual ones only.
package backend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/internal/suggest"
	_ "github.com/lambdapool/lambdapool/live" // LAMBDAPOOL_LIVE=1 opens its page for programs that know nothing of it
)

// A Backend is a [lambdapool.Backend] to be closed by whoever opened it. Close it after the
// executors that use it. [NewExecutor] spares that.
type Backend interface {
	lambdapool.Backend

	// Close releases what the backend holds. Calls after it fail with ErrClosed.
	Close() error
}

// Open opens a backend:
//
//   - local:?concurrency=N&memory=MB&timeout=DURATION&binary=PATH&data=DIR&shards=N&log=off
//   - inproc:?concurrency=N&timeout=DURATION
//   - check:?…, with the parameters of local: but data
//   - https://HOST[:PORT][/PATH]?workers=N&timeout=DURATION&token=VARIABLE&body=BYTES, agents behind HTTP; token names
//     the environment variable that holds the bearer token, if it is not LAMBDAPOOL_TOKEN; http:// on this machine,
//     and with plain=true elsewhere
//   - lambda://FUNCTION?region=…&profile=…&qualifier=…&tenant=…&endpoint=URL&bucket=NAME&workers=N&shards=N&timeout=DURATION,
//     where FUNCTION is NAME, NAME:QUALIFIER or an ARN
//   - cloudrun://SERVICE?project=…&region=…&bucket=NAME&queue=NAME&account=EMAIL&audience=…&tag=TAG&url=URL&endpoint=URL&workers=N&timeout=DURATION, where
//     account names a service account to impersonate, and SERVICE may be projects/…/locations/…/services/NAME
//
// All parameters are optional and go to the options of the same meaning, which document them.
// A duration is one of Go, such as 30s or 5m. memory is in MB and body in bytes. log=off drops
// what agents print, which otherwise goes to stderr.
//
// ctx bounds what opening takes, not the backend's life. Opening blocks for little: local:
// starts no agent, lambda: may do network I/O for its credentials, and cloudrun: looks up the service. A function that does not
// exist, or a host that does not answer, shows at the first call.
//
// An unknown scheme or parameter, one that is given twice, or a bad value, is an error. For a
// misspelt name it suggests a known one. It shows the URL without its parameters, but for what is
// wrong. There is no parameter for credentials: URLs end up in logs.
func Open(ctx context.Context, rawURL string) (Backend, error) {
	open, err := parse(rawURL)
	if err != nil {
		// The query is left out: a value may be something to keep.
		shown, _, _ := strings.Cut(rawURL, "?")
		return nil, fmt.Errorf("lambdapool: open backend %q: %w", shown, err)
	}
	return open(ctx)
}

// NewExecutor opens the backend that rawURL names, as [Open] does, and returns an executor on
// it that owns it: its Close closes the backend, too. opts are those of lambdapool.New. It
// blocks as Open does. When it fails, nothing is left open, and the error is that of Open or of
// lambdapool.New.
//
// Where several executors share a backend, or a backend has options that no URL can say, open
// it with Open or its package's New and give it to lambdapool.New.
func NewExecutor(ctx context.Context, rawURL string, opts ...lambdapool.Option) (*lambdapool.Executor, error) {
	b, err := Open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	e, err := lambdapool.New(b, slices.Concat(opts, []lambdapool.Option{lambdapool.WithOwnedBackend()})...)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return e, nil
}

// An opener makes a backend of what its URL said.
type opener func(ctx context.Context) (Backend, error)

func parse(rawURL string) (opener, error) {
	// Not url.Parse: NAME:QUALIFIER and ARNs are no hosts.
	name, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, fmt.Errorf("no scheme (%s)", withColon(rawURL))
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

var schemes = map[string]scheme{
	"local": parseLocal, "inproc": parseInproc, "check": parseCheck, "lambda": parseLambda,
	"cloudrun": parseCloudRun,
	"https":    parseHTTP("https"), "http": parseHTTP("http"),
}

// withColon is the choice of schemes for who left out the colon.
func withColon(got string) string {
	word, _, _ := strings.Cut(got, "?")
	if _, known := schemes[word]; known {
		return fmt.Sprintf("did you mean %q? the colon belongs to it", word+":")
	}
	return choice(word, schemes)
}

// choice lists what is known, and singles out what was probably meant.
func choice[V any](got string, known map[string]V) string {
	names := slices.Sorted(maps.Keys(known))
	hint := "known: " + strings.Join(names, ", ")
	if near := suggest.Nearest(got, names); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %q? %s", near[0], hint)
	}
	return hint
}
