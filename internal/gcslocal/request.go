package gcslocal

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// A request is what came, after one reading. What is verified is this, and what is executed
// is this: nothing looks at the URL or the header a second time.
type request struct {
	method      string
	path        string // decoded, as it is signed
	bucket, key string
	query       map[string]string // each once, without those of a signature
	header      map[string]string // those that Google gives a meaning to, by name in lower case
	pairs       [][2]string       // all of the query, as it is signed
	linked      bool              // the signature is in the query

	http *http.Request
}

// The parts of a query that are a link's signature. Source:
// cloud.google.com/storage/docs/authentication/canonical-requests#required-query-parameters, 2026-11.
const (
	linkAlgorithm  = "X-Goog-Algorithm"
	linkCredential = "X-Goog-Credential" //nolint:gosec // no credential, but where one is
	linkDate       = "X-Goog-Date"
	linkExpires    = "X-Goog-Expires"
	linkHeaders    = "X-Goog-SignedHeaders"
	linkSignature  = "X-Goog-Signature"
)

var linkParts = []string{linkAlgorithm, linkCredential, linkDate, linkExpires, linkHeaders, linkSignature}

// parse reads a request. Its body is not touched.
func parse(r *http.Request) (*request, error) {
	q := &request{method: r.Method, path: r.URL.Path, query: map[string]string{}, http: r}
	if !strings.HasPrefix(q.path, "/") {
		return nil, objects.Invalid("InvalidURI", "Couldn't parse the specified URI.")
	}
	q.bucket, q.key, _ = strings.Cut(q.path[1:], "/")
	var err error
	if q.header, err = objects.Header(r.Header, meaningful, func(string) bool { return false }); err != nil {
		return nil, err
	}
	if q.pairs, err = objects.Pairs(r.URL.RawQuery); err != nil {
		return nil, err
	}
	q.linked = slices.ContainsFunc(q.pairs, func(p [2]string) bool { return strings.EqualFold(p[0], linkSignature) })
	for _, p := range q.pairs {
		if !q.linked || !slices.Contains(linkParts, p[0]) {
			q.query[p[0]] = p[1]
		}
	}
	return q, nil
}

// meaningful reports whether Google gives a meaning to a header: to those that are its own, to Amazon's, as far
// as it speaks that language too, and to those of HTTP that describe an object or set a condition.
func meaningful(name string) bool {
	return !slices.Contains(ofClients, name) && (strings.HasPrefix(name, "x-goog-") || strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "if-") ||
		strings.HasPrefix(name, "content-") && name != "content-length" || name == "range" || name == "expires" || name == "cache-control" ||
		name == "x-http-method-override")
}

// ofClients are headers by which Google's own clients say who they are, and that a request is sent again. Source:
// pkg.go.dev/cloud.google.com/go/storage, 2026-11.
var ofClients = []string{"x-goog-api-client", "x-goog-gcs-idempotency-token"}

// part returns a part of a link's signature.
func (q *request) part(name string) string {
	for _, p := range q.pairs {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// has reports whether the query has a key.
func (q *request) has(name string) bool {
	_, ok := q.query[name]
	return ok
}
