package local_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local"
)

func TestLayers(t *testing.T) {
	t.Parallel()
	c := serve(t)
	const arn = "arn:aws:lambda:us-east-1:000000000000:layer:tools"
	publish := func(text string) *lambda.PublishLayerVersionOutput {
		t.Helper()
		out, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
			LayerName: aws.String("tools"), Description: aws.String(text), CompatibleRuntimes: []types.Runtime{types.RuntimeProvidedal2023},
			Content: &types.LayerVersionContentInput{ZipFile: zipped(entry{"bin/x", text, 0o755})},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := publish("one"); *out.LayerVersionArn != arn+":1" || *out.LayerArn != arn || out.Version != 1 || out.Content.CodeSize == 0 {
		t.Errorf("%+v", out)
	}
	publish("two")
	in := newFunction("demo", script("one"))
	in.Layers = []string{arn + ":2"}
	if out := c.create(t, in); len(out.Layers) != 1 || *out.Layers[0].Arn != arn+":2" {
		t.Errorf("%+v", out.Layers)
	}
	for _, missing := range []string{arn + ":3", "arn:aws:lambda:us-east-1:123456789012:layer:tools:1", "arn:aws:lambda:eu-west-1:000000000000:layer:tools:1"} {
		in := newFunction("other", script("one"))
		in.Layers = []string{arn + ":1", missing}
		_, err := c.CreateFunction(t.Context(), in)
		refused(t, err, "InvalidParameterValueException", "Layer version "+missing+" does not exist.")
		_, err = c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Layers: in.Layers})
		refused(t, err, "InvalidParameterValueException", "Layer version "+missing+" does not exist.")
	}
	both := newFunction("other", script("one"))
	both.Layers = []string{arn + ":1", arn + ":2"}
	_, err := c.CreateFunction(t.Context(), both)
	refused(t, err, "InvalidParameterValueException", "Two different versions of the same layer")
	byArn, err := c.GetLayerVersionByArn(t.Context(), &lambda.GetLayerVersionByArnInput{Arn: aws.String(arn + ":1")})
	if err != nil || *byArn.Description != "one" || *byArn.LayerArn != arn {
		t.Errorf("%+v, %v", byArn, err)
	}
	_, err = c.GetLayerVersionByArn(t.Context(), &lambda.GetLayerVersionByArnInput{Arn: aws.String(arn + ":7")})
	refused(t, err, "ResourceNotFoundException", arn+":7")
	got, err := c.GetLayerVersion(t.Context(), &lambda.GetLayerVersionInput{LayerName: aws.String("tools"), VersionNumber: aws.Int64(2)})
	if err != nil || *got.Description != "two" {
		t.Errorf("%+v, %v", got, err)
	}
	layers, err := c.ListLayers(t.Context(), &lambda.ListLayersInput{})
	if err != nil || len(layers.Layers) != 1 || layers.Layers[0].LatestMatchingVersion.Version != 2 {
		t.Errorf("%+v, %v", layers, err)
	}
	if _, err := c.DeleteLayerVersion(t.Context(), &lambda.DeleteLayerVersionInput{LayerName: aws.String("tools"), VersionNumber: aws.Int64(2)}); err != nil {
		t.Error(err)
	}
	if out := publish("three"); out.Version != 3 {
		t.Errorf("version %d after a deleted 2", out.Version)
	}
	versions, err := c.ListLayerVersions(t.Context(), &lambda.ListLayerVersionsInput{LayerName: aws.String("tools"), MaxItems: aws.Int32(1)})
	if err != nil || len(versions.LayerVersions) != 1 || versions.LayerVersions[0].Version != 3 || versions.NextMarker == nil {
		t.Fatalf("%+v, %v", versions, err)
	}
	versions, err = c.ListLayerVersions(t.Context(), &lambda.ListLayerVersionsInput{LayerName: aws.String("tools"), Marker: versions.NextMarker})
	if err != nil || len(versions.LayerVersions) != 1 || versions.LayerVersions[0].Version != 1 || versions.NextMarker != nil {
		t.Errorf("%+v, %v", versions, err)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, newFunction("demo", script("one")))
	_, err := c.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: name})
	refused(t, err, "ResourceNotFoundException", "does not exist")
	add := &lambda.AddPermissionInput{
		FunctionName: name, StatementId: aws.String("s3"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"),
		SourceArn: aws.String("arn:aws:s3:::b"), SourceAccount: aws.String("123456789012"),
	}
	out, err := c.AddPermission(t.Context(), add)
	if err != nil {
		t.Fatal(err)
	}
	const statement = `{"Action":"lambda:InvokeFunction","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"},"StringEquals":{"AWS:SourceAccount":"123456789012"}},` +
		`"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Resource":"arn:aws:lambda:us-east-1:000000000000:function:demo","Sid":"s3"}`
	if *out.Statement != statement {
		t.Errorf("got  %s\nwant %s", *out.Statement, statement)
	}
	_, err = c.AddPermission(t.Context(), add)
	refused(t, err, "ResourceConflictException", "already exists")
	if _, err := c.AddPermission(t.Context(), &lambda.AddPermissionInput{
		FunctionName: name, StatementId: aws.String("account"), Action: aws.String("lambda:*"), Principal: aws.String("123456789012"),
	}); err != nil {
		t.Error(err)
	}
	policy, err := c.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: name})
	if err != nil || !strings.HasPrefix(*policy.Policy, `{"Version":"2012-10-17","Id":"default","Statement":[`+statement+`,`) ||
		!strings.Contains(*policy.Policy, `"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`) {
		t.Errorf("%+v, %v", policy, err)
	}
	for range 2 {
		_, err = c.RemovePermission(t.Context(), &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("s3")})
		if err != nil {
			break
		}
	}
	refused(t, err, "ResourceNotFoundException", "does not exist")
}

// Users have policies as roles do, which `lambdapool policy client --apply --user` needs.
func TestUserPolicies(t *testing.T) {
	t.Parallel()
	c := serve(t)
	ci := aws.String("ci")
	put := &iam.PutUserPolicyInput{UserName: ci, PolicyName: aws.String("calls"), PolicyDocument: aws.String(`{"Statement":[]}`)}
	_, err := c.iam.PutUserPolicy(t.Context(), put)
	refused(t, err, "NoSuchEntity", "The user with name ci cannot be found.")
	if _, err := c.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: ci}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.iam.PutUserPolicy(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	got, err := c.iam.GetUserPolicy(t.Context(), &iam.GetUserPolicyInput{UserName: ci, PolicyName: put.PolicyName})
	if err != nil || must(url.PathUnescape(*got.PolicyDocument)) != *put.PolicyDocument {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = c.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: ci})
	refused(t, err, "DeleteConflict", "must delete policies first")
	put.PolicyDocument = aws.String(`{"Id":"` + strings.Repeat("x", 2048) + `","Statement":[]}`)
	_, err = c.iam.PutUserPolicy(t.Context(), put)
	refused(t, err, "LimitExceeded", "2048 bytes exceeded for user ci")
	names, err := c.iam.ListUserPolicies(t.Context(), &iam.ListUserPoliciesInput{UserName: ci})
	if err != nil || !cmp.Equal(names.PolicyNames, []string{"calls"}) {
		t.Errorf("%+v, %v", names, err)
	}
	if _, err := c.iam.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: ci, PolicyName: put.PolicyName}); err != nil {
		t.Error(err)
	}
	users, err := c.iam.ListUsers(t.Context(), &iam.ListUsersInput{})
	if err != nil || len(users.Users) != 2 {
		t.Errorf("%+v, %v", users, err)
	}
	if _, err := c.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: ci}); err != nil {
		t.Error(err)
	}
	me, err := c.iam.GetUser(t.Context(), &iam.GetUserInput{})
	if err != nil || *me.User.Arn != "arn:aws:iam::000000000000:user/local" {
		t.Errorf("%+v, %v", me, err)
	}
}

// A function whose response is buffered answers as a stream, too.
func TestInvokeWithResponseStream(t *testing.T) {
	t.Parallel()
	b := open(t, as("handler"), local.WithConcurrency(1))
	client := sdk(t, b)
	call := func(payload string) (string, types.InvokeWithResponseStreamCompleteEvent) {
		t.Helper()
		out, err := client.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{
			FunctionName: aws.String(b.FunctionName()), Payload: []byte(payload), LogType: types.LogTypeTail,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer out.GetStream().Close()
		var got strings.Builder
		var end types.InvokeWithResponseStreamCompleteEvent
		for event := range out.GetStream().Events() {
			switch e := event.(type) {
			case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
				got.Write(e.Value.Payload)
			case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
				end = e.Value
			}
		}
		if err := out.GetStream().Err(); err != nil {
			t.Error(err)
		}
		return got.String(), end
	}
	if got, end := call(`{"do":"reply","n":200000}`); got != strings.Repeat("r", 200_000) || end.ErrorCode != nil || aws.ToString(end.LogResult) == "" {
		t.Errorf("%d bytes, %+v", len(got), end)
	}
	got, end := call(`{"do":"error","text":"no such user"}`)
	if aws.ToString(end.ErrorCode) != "Unhandled" || !strings.Contains(aws.ToString(end.ErrorDetails), "no such user") || !json.Valid([]byte(got)) {
		t.Errorf("%s, %+v", got, end)
	}
	_, err := client.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("other")})
	refused(t, err, "ResourceNotFoundException", "Function not found")
}

// Code may lie in a bucket, where there is one.
func TestCodeFromABucket(t *testing.T) {
	t.Parallel()
	in := newFunction("demo", nil)
	in.Code = &types.FunctionCode{S3Bucket: aws.String("b"), S3Key: aws.String("k")}
	none := serve(t)
	_, err := none.CreateFunction(t.Context(), in)
	refused(t, err, "InvalidParameterValueException", "there is no S3 here")
	c := serve(t, local.WithCodeFrom(func(_ context.Context, bucket, key string) ([]byte, error) {
		if bucket+"/"+key != "b/k" {
			return nil, errors.New("NoSuchKey: " + bucket + "/" + key)
		}
		return script("one"), nil
	}))
	created := c.create(t, in)
	if same := c.create(t, newFunction("other", script("one"))); *same.CodeSha256 != *created.CodeSha256 {
		t.Error("it is not the bucket's code")
	}
	_, err = c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, S3Bucket: aws.String("b"), S3Key: aws.String("none")})
	refused(t, err, "InvalidParameterValueException", "Error occurred while GetObject. (b/none: NoSuchKey: b/none)")
	_, err = c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, S3Bucket: aws.String("b")})
	refused(t, err, "InvalidParameterValueException", "Please provide a source for function code.")
}

func ExampleWithCodeFrom() {
	server, err := local.NewServer(local.WithCodeFrom(func(_ context.Context, bucket, key string) ([]byte, error) {
		fmt.Println("reading", key, "from", bucket)
		return thisProgram(), nil
	}))
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client := deployed(server)
	if _, err := client.UpdateFunctionCode(context.Background(), &lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String("demo"), S3Bucket: aws.String("builds"), S3Key: aws.String("demo.zip"),
	}); err != nil {
		panic(err)
	}
	// Output: reading demo.zip from builds
}

// What a layer contains is not here, and who looks for it finds out in the log.
func TestLayersAreMissingFromOptAloud(t *testing.T) {
	t.Parallel()
	var printed lockedBuffer
	c := serve(t, local.WithLogOutput(&printed))
	layer, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: aws.String("tools"), Content: &types.LayerVersionContentInput{ZipFile: zipped(entry{"bin/x", "x", 0o755})},
	})
	if err != nil {
		t.Fatal(err)
	}
	const notice = "/opt has the content of the function's 1 layer: here it has not"
	for name, layers := range map[string][]string{"without": nil, "with": {*layer.LayerVersionArn}} {
		in := handlerFunction(name)
		in.Layers = layers
		c.create(t, in)
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, LogType: types.LogTypeTail})
		if err != nil {
			t.Fatal(err)
		}
		tail := string(must(base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))))
		if strings.Contains(tail, notice) != (layers != nil) || strings.Contains(printed.String(), notice) != (layers != nil) && layers != nil {
			t.Errorf("%s layers: %s", name, tail)
		}
	}
}
