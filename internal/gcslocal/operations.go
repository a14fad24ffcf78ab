package gcslocal

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// An operation is something that this store does. A request is for it if it has its method, goes to a bucket
// or to an object and has the query key that makes it; and then it may have no query key and no header
// besides those that the operation heeds: what this store does not know may change the meaning of what it does.
type operation struct {
	name     string
	method   string
	onObject bool
	must     string   // a query key; empty: none
	may      []string // more of them
	headers  []string
	serve    func(s *service, w http.ResponseWriter, q *request) error
}

const (
	metaPrefix      = "x-goog-meta-"
	hashHeader      = "x-goog-hash"
	ifGeneration    = "x-goog-if-generation-match"
	generation      = "generation" // in a query: which one is read
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Headers that operations heed.
var (
	described = []string{"content-type", "cache-control", "content-disposition", "content-language", metaPrefix}
	checked   = []string{"content-md5", hashHeader}
	// Google takes If-Match and If-None-Match for reads only. What it does with them elsewhere is not
	// documented, so that is not served. Source:
	// cloud.google.com/storage/docs/xml-api/reference-headers#ifnonematch, 2026-11.
	conditions = []string{"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range", ifGeneration}
	listed     = []string{"prefix", "delimiter", "encoding-type", "max-keys"}
)

// operations are all that this store does. Source: cloud.google.com/storage/docs/xml-api/reference-methods, 2026-11.
var operations = []operation{
	{name: "HEAD Bucket", method: http.MethodHead, serve: (*service).headBucket},
	{name: "GET Bucket (List Objects)", method: http.MethodGet, may: slices.Concat(listed, []string{"marker"}), serve: (*service).listObjects},
	{
		name: "GET Bucket (List Objects)", method: http.MethodGet, must: "list-type",
		may: slices.Concat(listed, []string{"continuation-token", "start-after"}), serve: (*service).listObjects,
	},
	{name: "POST Bucket (Delete Objects)", method: http.MethodPost, must: "delete", headers: slices.Concat(checked, []string{"content-type"}), serve: (*service).deleteObjects},
	{name: "PUT Object", method: http.MethodPut, onObject: true, headers: slices.Concat(described, checked, []string{ifGeneration}), serve: (*service).putObject},
	{name: "GET Object", method: http.MethodGet, onObject: true, may: []string{generation}, headers: conditions, serve: (*service).getObject},
	{name: "HEAD Object", method: http.MethodHead, onObject: true, may: []string{generation}, headers: conditions, serve: (*service).getObject},
	{name: "DELETE Object", method: http.MethodDelete, onObject: true, headers: []string{ifGeneration}, serve: (*service).deleteObject},
}

// permission is what the owner of a token needs for a request. Source:
// cloud.google.com/storage/docs/access-control/iam-xml, 2026-11.
func (q *request) permission() string {
	switch {
	case q.method == http.MethodDelete, q.has("delete"):
		return "storage.objects.delete"
	case q.key == "":
		return "storage.objects.list"
	case q.method == http.MethodPut:
		return "storage.objects.create"
	}
	return "storage.objects.get"
}

// operation finds what a request asks for, or says what this store does not serve.
func (q *request) operation() (*operation, error) {
	var found *operation
	for i := range operations {
		o := &operations[i]
		if q.bucket != "" && o.method == q.method && o.onObject == (q.key != "") && (o.must == "" && found == nil || o.must != "" && q.has(o.must)) {
			found = o
		}
	}
	if found == nil {
		return nil, objects.NotServed(q.method + " of this kind")
	}
	for name := range q.query {
		if name != found.must && !slices.Contains(found.may, name) {
			return nil, objects.NotServed(q.method + " with " + name + " in the query")
		}
	}
	for name, value := range q.header {
		heeded := slices.ContainsFunc(found.headers, func(h string) bool {
			return h == name || h == metaPrefix && strings.HasPrefix(name, h)
		})
		if !heeded && (name != "x-goog-content-sha256" || value != unsignedPayload) {
			return nil, objects.NotServed(found.name + " with the header " + name)
		}
	}
	return found, nil
}
