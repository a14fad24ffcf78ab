package s3local

import "github.com/lambdapool/lambdapool/internal/objects"

// writeCondition returns what a request that stores an object says of what is there. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, 2026-11.
func (q *request) writeCondition() (func(*objects.Entry) error, error) {
	match, matched := q.header["if-match"]
	none, noned := q.header["if-none-match"]
	if noned && none != "*" {
		return nil, objects.NotServed("If-None-Match other than * where something is stored")
	}
	return func(there *objects.Entry) error {
		switch {
		case noned && there != nil:
			return objects.PreconditionFailed()
		case matched && there == nil:
			return objects.NoSuchKey(q.key)
		case matched && match != "*" && !objects.SameETag(match, there):
			return objects.PreconditionFailed()
		}
		return nil
	}, nil
}

// deleteCondition is what a request that deletes says. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html, 2026-11.
func deleteCondition(key, match string, asked bool) func(*objects.Entry) error {
	return func(there *objects.Entry) error {
		switch {
		case asked && there == nil:
			return objects.NoSuchKey(key)
		case asked && match != "*" && !objects.SameETag(match, there):
			return objects.PreconditionFailed()
		}
		return nil
	}
}
