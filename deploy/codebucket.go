package deploy

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// codePrefix is where archives lie in a bucket. No rule of ours removes what is there: functions may refer to it.
const codePrefix = "lambdapool-code/"

// bucketPattern is S3's, without the rules that only S3 needs to know.
var bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func checkBucket(bucket string) error {
	if bucket != "" && !bucketPattern.MatchString(bucket) {
		return invalid("code bucket %q: want the name of a bucket: 3 to 63 small letters, digits, dots and hyphens", bucket)
	}
	return nil
}

// An archive is how requests bring code: in themselves, or by its place in a bucket.
type archive struct {
	zip         []byte
	bucket, key string // "": zip is sent
	mode        types.S3ObjectStorageMode
}

// archive stores the code once, if there is a bucket for it. The key is the hash of the code: what is there already
// is not sent again.
func (c *Client) archive(ctx context.Context, s *Spec, a *Artifact) (*archive, error) {
	if s.CodeBucket == "" {
		return &archive{zip: a.Zip}, nil
	}
	sum, err := base64.StdEncoding.DecodeString(a.Sum)
	if err != nil {
		return nil, invalid("artifact: its sum is no SHA-256 in base64")
	}
	at := &archive{bucket: s.CodeBucket, key: codePrefix + hex.EncodeToString(sum) + ".zip", mode: types.S3ObjectStorageModeReference}
	c.say("store", "s3://"+at.bucket+"/"+at.key)
	request, done := whole(ctx)
	defer done()
	_, err = s3.NewFromConfig(c.cfg).PutObject(request, &s3.PutObjectInput{
		Bucket: aws.String(at.bucket), Key: aws.String(at.key), Body: bytes.NewReader(a.Zip), IfNoneMatch: aws.String("*"),
		ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256, ChecksumSHA256: aws.String(a.Sum), ContentType: aws.String("application/zip"),
	})
	switch code(err) {
	case "PreconditionFailed", "ConditionalRequestConflict": // it is there, or somebody else is storing the same bytes
		err = nil
	}
	return at, cause(ctx, err)
}

// withoutReference reports whether Lambda has no code by reference here. Then it copies the code, as it always did.
func (at *archive) withoutReference(err error) bool {
	if at.mode != types.S3ObjectStorageModeReference || code(err) != "InvalidParameterValueException" || !strings.Contains(message(err), "S3ObjectStorageMode") {
		return false
	}
	at.mode = ""
	return true
}

// function is the code of a new function.
func (at *archive) function() *types.FunctionCode {
	if at.bucket == "" {
		return &types.FunctionCode{ZipFile: at.zip}
	}
	return &types.FunctionCode{S3Bucket: aws.String(at.bucket), S3Key: aws.String(at.key), S3ObjectStorageMode: at.mode}
}

// updateCode sends code to a function that is there.
func (c *Client) updateCode(ctx context.Context, at *archive, in lambda.UpdateFunctionCodeInput) error {
	for {
		in.ZipFile = at.zip
		if at.bucket != "" {
			in.S3Bucket, in.S3Key, in.S3ObjectStorageMode = aws.String(at.bucket), aws.String(at.key), at.mode
		}
		_, err := c.lambda.UpdateFunctionCode(ctx, &in)
		if !at.withoutReference(err) {
			return err
		}
	}
}
