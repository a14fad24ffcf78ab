package s3local

import (
	"net/http"

	"github.com/lambdapool/lambdapool/internal/objects"
)

// What S3 answers to what is refused, besides what both clouds do. Source:
// docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, 2026-11.

// mismatch does not say what was signed: S3's answer does, with the key's id, and nobody should
// learn it from a log.
func mismatch() *objects.Failure {
	return objects.Fail(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
}

// noSuchUpload is also of one that was completed, or whose key is another.
func noSuchUpload() *objects.Failure {
	return objects.Fail(http.StatusNotFound, "NoSuchUpload",
		"The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
}
