package awslambda

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lambdapool/lambdapool/driver"
)

// List needs s3:ListBucket. S3 lists what was stored before, at once, and a thousand
// objects for a page. Source:
// docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel, 2026-11.
func (b *bucket) List(ctx context.Context, prefix, after string) (driver.Listing, error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.key(prefix)}
	if after != "" {
		in.StartAfter = b.key(after)
	}
	out, err := b.client.ListObjectsV2(ctx, in)
	if err != nil {
		return driver.Listing{}, b.failure("LIST", prefix, err)
	}
	list := driver.Listing{
		Objects: make([]driver.Object, 0, len(out.Contents)),
		More:    aws.ToBool(out.IsTruncated),
		Time:    b.clock.Now(), // it has learned from this answer
	}
	for _, o := range out.Contents {
		list.Objects = append(list.Objects, driver.Object{
			Key:  strings.TrimPrefix(aws.ToString(o.Key), b.prefix),
			Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), ETag: aws.ToString(o.ETag),
		})
	}
	return list, nil
}
