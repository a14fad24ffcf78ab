package s3local

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// An operation is something that this store does. A request is for it if it has its method,
// goes to what it is done on and has the query keys that make it; and then it may have no
// query key and no header besides those that the operation heeds: what this store does not
// know may change the meaning of what it does.
type operation struct {
	name    string
	method  string
	on      scope
	must    []string // query keys
	may     []string // more of them
	headers []string // a dash at the end: whatever begins so
	serve   func(s *service, w http.ResponseWriter, q *request) error
}

// A scope is what an operation is done on.
type scope uint8

const (
	onService scope = iota
	onBucket
	onObject
)

// scope is what the path names.
func (q *request) scope() scope {
	switch {
	case q.bucket == "":
		return onService
	case q.key == "":
		return onBucket
	}
	return onObject
}

// Names that stand in several places.
const (
	metaPrefix = "x-amz-meta-"
	aclHeader  = "x-amz-acl"
	aclName    = "acl" // in a query, and in a form
	uploadID   = "uploadId"
)

// Headers that operations heed.
var (
	// everywhere are those that any request may have.
	everywhere = []string{
		"x-amz-date", hashHeader, "x-amz-security-token", "x-amz-user-agent", "x-amz-decoded-content-length", "x-amz-trailer",
		"content-type", "cache-control", "content-encoding",
	}
	checked    = []string{"content-md5", checksumPrefix, sdkAlgorithm}
	conditions = []string{"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
	written    = []string{"if-match", "if-none-match"}
	encryption = []string{sseHeader, sseKeyHeader, sseBucketKeyHeader}
	described  = []string{"content-disposition", "content-language", "expires", metaPrefix, "x-amz-storage-class", aclHeader, "x-amz-tagging"}
	copied     = []string{
		"x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
		"x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-unmodified-since",
	}
	answered = []string{
		"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
		"response-content-type", "response-expires",
	}
	listed = []string{"prefix", "delimiter", "encoding-type", "max-keys"}
)

// operations are all that this store does. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html, 2026-11.
var operations = []operation{
	{name: "ListBuckets", method: http.MethodGet, on: onService, serve: (*service).listBuckets},

	{name: "CreateBucket", method: http.MethodPut, on: onBucket, headers: join(checked, []string{aclHeader}), serve: (*service).createBucket},
	{name: "HeadBucket", method: http.MethodHead, on: onBucket, serve: (*service).headBucket},
	{name: "DeleteBucket", method: http.MethodDelete, on: onBucket, serve: (*service).deleteBucket},
	{name: "GetBucketLocation", method: http.MethodGet, on: onBucket, must: []string{"location"}, serve: (*service).getLocation},
	{name: "GetBucketVersioning", method: http.MethodGet, on: onBucket, must: []string{"versioning"}, serve: (*service).getVersioning},
	{name: "GetBucketAcl", method: http.MethodGet, on: onBucket, must: []string{aclName}, serve: (*service).getACL},
	{name: "PutBucketAcl", method: http.MethodPut, on: onBucket, must: []string{aclName}, headers: join(checked, []string{aclHeader}), serve: (*service).putACL},
	{name: "GetBucketLifecycleConfiguration", method: http.MethodGet, on: onBucket, must: []string{"lifecycle"}, serve: (*service).getLifecycle},
	{name: "PutBucketLifecycleConfiguration", method: http.MethodPut, on: onBucket, must: []string{"lifecycle"}, headers: checked, serve: (*service).putLifecycle},
	{name: "DeleteBucketLifecycle", method: http.MethodDelete, on: onBucket, must: []string{"lifecycle"}, serve: (*service).deleteLifecycle},
	{name: "ListObjects", method: http.MethodGet, on: onBucket, may: join(listed, []string{"marker"}), serve: (*service).listObjects},
	{
		name: "ListObjectsV2", method: http.MethodGet, on: onBucket, must: []string{"list-type"},
		may: join(listed, []string{"continuation-token", "start-after", "fetch-owner"}), serve: (*service).listObjects,
	},
	{
		name: "ListMultipartUploads", method: http.MethodGet, on: onBucket, must: []string{"uploads"},
		may: []string{"prefix", "delimiter", "encoding-type", "max-uploads", "key-marker", "upload-id-marker"}, serve: (*service).listUploads,
	},
	{name: "DeleteObjects", method: http.MethodPost, on: onBucket, must: []string{"delete"}, headers: checked, serve: (*service).deleteObjects},

	{name: "PutObject", method: http.MethodPut, on: onObject, headers: join(checked, written, encryption, described), serve: (*service).putObject},
	{
		name: "CopyObject", method: http.MethodPut, on: onObject,
		headers: join(copied, written, encryption, described, []string{"x-amz-metadata-directive", "x-amz-tagging-directive", "x-amz-checksum-algorithm"}),
		serve:   (*service).copyObject,
	},
	{
		name: "GetObject", method: http.MethodGet, on: onObject, may: join(answered, []string{"partNumber"}),
		headers: join(conditions, []string{"range", "x-amz-checksum-mode"}), serve: (*service).getObject,
	},
	{
		name: "HeadObject", method: http.MethodHead, on: onObject, may: join(answered, []string{"partNumber"}),
		headers: join(conditions, []string{"range", "x-amz-checksum-mode"}), serve: (*service).getObject,
	},
	{name: "DeleteObject", method: http.MethodDelete, on: onObject, headers: []string{"if-match"}, serve: (*service).deleteObject},
	{name: "GetObjectAcl", method: http.MethodGet, on: onObject, must: []string{aclName}, serve: (*service).getACL},
	{name: "PutObjectAcl", method: http.MethodPut, on: onObject, must: []string{aclName}, headers: join(checked, []string{aclHeader}), serve: (*service).putACL},
	{name: "GetObjectTagging", method: http.MethodGet, on: onObject, must: []string{"tagging"}, serve: (*service).getTagging},
	{name: "PutObjectTagging", method: http.MethodPut, on: onObject, must: []string{"tagging"}, headers: checked, serve: (*service).putTagging},
	{name: "DeleteObjectTagging", method: http.MethodDelete, on: onObject, must: []string{"tagging"}, serve: (*service).deleteTagging},

	{
		name: "CreateMultipartUpload", method: http.MethodPost, on: onObject, must: []string{"uploads"},
		headers: join(encryption, described, []string{"x-amz-checksum-algorithm", "x-amz-checksum-type"}), serve: (*service).createUpload,
	},
	{
		name: "UploadPart", method: http.MethodPut, on: onObject, must: []string{"partNumber", uploadID},
		headers: checked, serve: (*service).uploadPart,
	},
	{
		name: "UploadPartCopy", method: http.MethodPut, on: onObject, must: []string{"partNumber", uploadID},
		headers: join(copied, []string{"x-amz-copy-source-range"}), serve: (*service).uploadPartCopy,
	},
	{
		name: "CompleteMultipartUpload", method: http.MethodPost, on: onObject, must: []string{uploadID},
		headers: join(checked, written, []string{"x-amz-checksum-type", "x-amz-mp-object-size"}), serve: (*service).completeUpload,
	},
	{name: "AbortMultipartUpload", method: http.MethodDelete, on: onObject, must: []string{uploadID}, serve: (*service).abortUpload},
	{
		name: "ListParts", method: http.MethodGet, on: onObject, must: []string{uploadID},
		may: []string{"max-parts", "part-number-marker", "encoding-type"}, serve: (*service).listParts,
	},
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

// operation finds what a request asks for, or says what this store does not serve.
func (q *request) operation() (*operation, error) {
	_, copies := q.header["x-amz-copy-source"]
	var found *operation
	for i := range operations {
		o := &operations[i]
		if o.method != q.method || o.on != q.scope() || copies != slices.Contains(o.headers, "x-amz-copy-source") && o.copies() {
			continue
		}
		if slices.ContainsFunc(o.must, func(name string) bool { return !q.has(name) }) {
			continue
		}
		if found == nil || len(o.must) > len(found.must) {
			found = o
		}
	}
	if found == nil {
		return nil, objects.NotServed(q.method + " of this kind")
	}
	for name := range q.query {
		if name != "x-id" && !slices.Contains(found.must, name) && !slices.Contains(found.may, name) {
			return nil, objects.NotServed(q.method + " with " + name + " in the query")
		}
	}
	for name := range q.header {
		if !heeded(everywhere, name) && !heeded(found.headers, name) {
			return nil, objects.NotServed(found.name + " with the header " + name)
		}
	}
	return found, q.checkValues()
}

// copies reports whether there are two operations that the header tells apart.
func (o *operation) copies() bool {
	switch o.name {
	case "PutObject", "CopyObject", "UploadPart", "UploadPartCopy":
		return true
	}
	return false
}

// heeded reports whether a header is among headers. A prefix stands for all that begin so.
func heeded(headers []string, name string) bool {
	return slices.ContainsFunc(headers, func(h string) bool {
		if h == checksumPrefix {
			return checksumOf(name) != nil
		}
		return h == name || h == metaPrefix && strings.HasPrefix(name, h)
	})
}

// checkValues refuses what headers ask for that this store does not do.
func (q *request) checkValues() error {
	for name, served := range map[string][]string{
		aclHeader:                 {"private"},
		"x-amz-storage-class":     {"STANDARD"},
		sseHeader:                 {"AES256", "aws:kms"},
		"x-amz-checksum-mode":     {"ENABLED"},
		"x-amz-checksum-type":     {composite, fullObject},
		"x-amz-tagging-directive": {"COPY", "REPLACE"},
	} {
		if value, ok := q.header[name]; ok && !slices.Contains(served, value) {
			return objects.NotServed(name + ": " + value)
		}
	}
	return nil
}
