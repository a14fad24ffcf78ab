package local_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/backend/local"
)

// A Server takes what an account would: a role, and a function in a zip.
func ExampleNewServer() {
	ctx := context.Background()
	server, err := local.NewServer()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	id, secret := server.Credentials()
	cfg := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(server.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
	}

	role, err := iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{
		RoleName:                 aws.String("agent"),
		AssumeRolePolicyDocument: aws.String(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		panic(err)
	}
	_, err = lambda.NewFromConfig(cfg).CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("demo"),
		Role:         role.Role.Arn,
		Runtime:      types.RuntimeProvidedal2023,
		Handler:      aws.String("bootstrap"),
		MemorySize:   aws.Int32(512),
		Code:         &types.FunctionCode{ZipFile: thisProgram()}, // usually what `lambdapool create` builds
	})
	if err != nil {
		panic(err)
	}

	b, err := awslambda.New(ctx, "demo", awslambda.WithConfig(cfg))
	if err != nil {
		panic(err)
	}
	defer b.Close()
	e, err := lambdapool.New(b)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	fmt.Println(lambdapool.Call(ctx, e, shout, "deployed"))
	// Output: DEPLOYED <nil>
}
