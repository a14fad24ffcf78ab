package s3local_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lambdapool/lambdapool/internal/s3local"
)

// BenchmarkCreate is what agents do that record results.
func BenchmarkCreate(b *testing.B) {
	s, err := s3local.Open(s3local.Config{Dir: b.TempDir(), AccessKeyID: keyID, SecretAccessKey: secret, Buckets: []string{bucket}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := client(b, s.Endpoint(), keyID, secret)
	body := strings.Repeat("x", 1000)
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := c.PutObject(b.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String(fmt.Sprintf("runs/x/%09d", n.Add(1))), Body: strings.NewReader(body), IfNoneMatch: aws.String("*"),
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}
