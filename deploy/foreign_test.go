package deploy_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/deploy"
)

// makeForeign makes a function as another tool does.
func makeForeign(t testing.TB, a *account, name string) {
	t.Helper()
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	role, err := iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("other-" + name),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
			`"Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = lambda.NewFromConfig(cfg).CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String(name), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Role: role.Role.Arn, Code: &types.FunctionCode{ZipFile: script(t, "foreign").Zip},
		Architectures: []types.Architecture{types.Architecture(hostArch())},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func lambdaCode(a *deploy.Artifact) *types.FunctionCode { return &types.FunctionCode{ZipFile: a.Zip} }

func lambdaEnv(env map[string]string) *types.Environment { return &types.Environment{Variables: env} }
