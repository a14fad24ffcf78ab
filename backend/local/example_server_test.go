package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

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

func ExampleWithAddress() {
	_, err := local.NewServer(local.WithAddress("0.0.0.0:9001"))
	fmt.Println(err)
	// Output: lambdapool: local: address "0.0.0.0:9001": not on loopback, such as 127.0.0.1:9001 (whoever reaches the endpoint runs programs here)
}

// With credentials of one's own, a terminal needs to be told of them only once.
func ExampleWithCredentials() {
	server, err := local.NewServer(local.WithCredentials("AKIALOCAL0123456", "not-really-a-secret"))
	if err != nil {
		panic(err)
	}
	defer server.Close()
	id, secret := server.Credentials()
	fmt.Println("AWS_ACCESS_KEY_ID=" + id)
	fmt.Println("AWS_SECRET_ACCESS_KEY=" + secret)
	// Output:
	// AWS_ACCESS_KEY_ID=AKIALOCAL0123456
	// AWS_SECRET_ACCESS_KEY=not-really-a-secret
}

// Programs that deploy must wait until a function is active. With an update
// time they are caught when they do not.
func ExampleWithUpdateTime() {
	server, err := local.NewServer(local.WithUpdateTime(time.Minute))
	if err != nil {
		panic(err)
	}
	defer server.Close()
	_, err = deployed(server).Invoke(context.Background(), &lambda.InvokeInput{FunctionName: aws.String("demo")})
	conflict, _ := errors.AsType[*types.ResourceConflictException](err)
	fmt.Println(conflict.ErrorMessage())
	// Output: The operation cannot be performed at this time. The function is currently in the following state: Pending
}

// What a Server knows outlives it in a directory.
func ExampleWithData() {
	dir, err := os.MkdirTemp("", "data-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for range 2 {
		server, err := local.NewServer(local.WithData(dir), local.WithCredentials("AKIALOCAL0123456", "not-really-a-secret"))
		if err != nil {
			panic(err)
		}
		if n := functions(server); n == 0 {
			deployed(server)
		} else {
			fmt.Println(n, "function is there again")
		}
		server.Close()
	}
	// Output: 1 function is there again
}

func functions(server *local.Server) int64 {
	settings, err := lambdaOf(server).GetAccountSettings(context.Background(), &lambda.GetAccountSettingsInput{})
	if err != nil {
		panic(err)
	}
	return settings.AccountUsage.FunctionCount
}

// What the machine carries is less than what an account may.
func ExampleWithAgents() {
	server, err := local.NewServer(local.WithAgents(2))
	if err != nil {
		panic(err)
	}
	defer server.Close()
	settings, err := deployed(server).GetAccountSettings(context.Background(), &lambda.GetAccountSettingsInput{})
	if err != nil {
		panic(err)
	}
	fmt.Println("the account may have", settings.AccountLimit.ConcurrentExecutions)
	// Output: the account may have 1000
}

func ExampleWithCodeStorage() {
	server, err := local.NewServer(local.WithCodeStorage(1 << 20))
	if err != nil {
		panic(err)
	}
	defer server.Close()
	settings, err := deployed(server).GetAccountSettings(context.Background(), &lambda.GetAccountSettingsInput{})
	if err != nil {
		panic(err)
	}
	fmt.Println(settings.AccountUsage.FunctionCount, "function in", settings.AccountLimit.TotalCodeSize, "bytes")
	// Output: 1 function in 1048576 bytes
}

// The same endpoint is Lambda, IAM, STS and CloudWatch Logs.
func ExampleServer_Endpoint() {
	server, err := local.NewServer()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	id, secret := server.Credentials()
	who, err := sts.New(sts.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(server.Endpoint()), // or AWS_ENDPOINT_URL
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
	}).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	if err != nil {
		panic(err)
	}
	fmt.Println(aws.ToString(who.Arn))
	// Output: arn:aws:iam::000000000000:user/local
}

// configOf is what the SDK's clients of a server need.
func configOf(server *local.Server) aws.Config {
	id, secret := server.Credentials()
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(server.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
	}
}

func lambdaOf(server *local.Server) *lambda.Client {
	return lambda.NewFromConfig(configOf(server), func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
}

// deployed creates the function demo, as ExampleNewServer does.
func deployed(server *local.Server) *lambda.Client {
	if _, err := iam.NewFromConfig(configOf(server)).CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: aws.String("agent"), AssumeRolePolicyDocument: aws.String(trust)}); err != nil {
		panic(err)
	}
	client := lambdaOf(server)
	if _, err := client.CreateFunction(context.Background(), newFunction("demo", thisProgram())); err != nil {
		panic(err)
	}
	return client
}
