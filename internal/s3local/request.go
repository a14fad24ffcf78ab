package s3local

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
	header      map[string]string // those that S3 gives a meaning to, by name in lower case; a link's query can have some, too
	pairs       [][2]string       // all of the query, as it is signed
	linked      bool              // the signature is in the query

	signed signature // once it is verified
	http   *http.Request
}

// The parts of a query that are a link's signature. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, 2026-11.
const (
	linkAlgorithm  = "X-Amz-Algorithm"
	linkCredential = "X-Amz-Credential" //nolint:gosec // no credential, but where one is
	linkDate       = "X-Amz-Date"
	linkExpires    = "X-Amz-Expires"
	linkHeaders    = "X-Amz-SignedHeaders"
	linkSignature  = "X-Amz-Signature"
)

var linkParts = []string{linkAlgorithm, linkCredential, linkDate, linkExpires, linkHeaders, linkSignature}

// parse reads a request. Its body is not touched.
func parse(r *http.Request) (*request, error) {
	q := &request{method: r.Method, path: r.URL.Path, query: map[string]string{}, http: r}
	if !strings.HasPrefix(q.path, "/") {
		return nil, objects.Invalid("InvalidURI", "Couldn't parse the specified URI.")
	}
	q.bucket, q.key, _ = strings.Cut(q.path[1:], "/")
	if name, ok := hostBucket(r.Host); ok {
		q.bucket, q.key = name, q.path[1:]
	}
	if err := q.readHeader(r.Header); err != nil {
		return nil, err
	}
	if err := q.readQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	return q, nil
}

// hostBucket returns the bucket that a host names, as BUCKET.localhost does: so clients ask
// who were given the name localhost, not an address.
func hostBucket(host string) (string, bool) {
	name, _, _ := strings.Cut(host, ":")
	return strings.CutSuffix(name, ".localhost")
}

// meaningful reports whether S3 gives a meaning to a header that HTTP leaves to it.
func meaningful(name string) bool {
	return strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "if-") || name == "range" || name == "expires" ||
		strings.HasPrefix(name, "content-") && name != "content-length"
}

// readHeader keeps the headers that mean something. Of those none may come twice: two readers could
// take different ones.
func (q *request) readHeader(header http.Header) (err error) {
	q.header, err = objects.Header(header,
		func(name string) bool { return meaningful(name) || name == "cache-control" },
		func(name string) bool { return strings.HasPrefix(name, metaPrefix) })
	return err
}

// readQuery takes the query apart. What a link has there as x-amz- counts as a header, which it
// stands for.
func (q *request) readQuery(raw string) (err error) {
	if q.pairs, err = objects.Pairs(raw); err != nil {
		return err
	}
	q.linked = slices.ContainsFunc(q.pairs, func(p [2]string) bool { return p[0] == linkSignature })
	for _, p := range q.pairs {
		lower := strings.ToLower(p[0])
		switch {
		case q.linked && (slices.Contains(linkParts, p[0]) || checksumOf(lower) != nil || lower == sdkAlgorithm):
			// S3 ignores a checksum here: the JavaScript SDK signs that of an empty body into each link.
		case q.linked && strings.HasPrefix(lower, "x-amz-"):
			if _, twice := q.header[lower]; twice {
				return objects.Invalid("InvalidArgument", "%s is in the query and in the header.", lower)
			}
			q.header[lower] = p[1]
		default:
			q.query[p[0]] = p[1]
		}
	}
	return nil
}

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
