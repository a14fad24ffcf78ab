package awslambda_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambdapool/lambdapool/backend/awslambda"
)

// Package deploy has a deployer that brings the function to the code of the running program:
// deploy.Auto(deploy.Spec{}). This one knows which version it wants.
func ExampleWithAutoDeploy() {
	deployer := func(_ context.Context, cfg aws.Config, function string) (string, error) {
		fmt.Println("deploy", function, "in", cfg.Region)
		return "build-1", nil
	}
	b, err := awslambda.New(context.Background(), "demo",
		awslambda.WithConfig(aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}),
		awslambda.WithAutoDeploy(deployer), awslambda.WithShards(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.Close())
	// Output:
	// deploy demo in us-east-1
	// <nil>
}
