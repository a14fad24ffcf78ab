package awslambda_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// BenchmarkInvoke is what a call costs without a network: preparing, signing
// and reading the answer. bench/client has the rest.
func BenchmarkInvoke(b *testing.B) {
	var last seen
	backend, err := awslambda.New(b.Context(), "algo", awslambda.WithShards(1), awslambda.WithConfig(aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "token"),
	}), awslambda.WithHTTPTransport(func(tr *http.Transport) { tr.RegisterProtocol("https", recorder{&last}) }))
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close()
	req := &lambdapool.Request{Payload: []byte(payload)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := backend.Invoke(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
