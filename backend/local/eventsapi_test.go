package local_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local"
)

func TestEventInvokeConfigs(t *testing.T) {
	t.Parallel()
	c := serve(t)
	in := handlerFunction("demo")
	in.Publish = true
	c.create(t, in)
	if _, err := c.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	get := func(qualifier *string) (*lambda.GetFunctionEventInvokeConfigOutput, error) {
		return c.GetFunctionEventInvokeConfig(t.Context(), &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name, Qualifier: qualifier})
	}
	_, err := get(nil)
	refused(t, err, "ResourceNotFoundException", "function:demo:$LATEST doesn't have an EventInvokeConfig")

	before := time.Now().Add(-time.Second)
	put, err := c.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: name, MaximumEventAgeInSeconds: aws.Int32(60), MaximumRetryAttempts: aws.Int32(0),
	})
	if err != nil {
		t.Fatal(err)
	}
	if at := aws.ToTime(put.LastModified); at.Before(before) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("modified %v", at)
	}
	if put.DestinationConfig == nil || put.DestinationConfig.OnFailure == nil {
		t.Errorf("destinations %+v", put.DestinationConfig)
	}
	type config struct {
		arn          string
		age, retries *int32
		failure      string
	}
	shown := func(arn *string, age, retries *int32, d *types.DestinationConfig) config {
		return config{aws.ToString(arn), age, retries, aws.ToString(d.OnFailure.Destination)}
	}
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:demo:"
	check := func(qualifier *string, want config) {
		t.Helper()
		got, err := get(qualifier)
		if err != nil {
			t.Error(err)
			return
		}
		if diff := cmp.Diff(want, shown(got.FunctionArn, got.MaximumEventAgeInSeconds, got.MaximumRetryAttempts, got.DestinationConfig), cmp.AllowUnexported(config{})); diff != "" {
			t.Error(diff)
		}
	}
	check(nil, config{arn + "$LATEST", aws.Int32(60), aws.Int32(0), ""})
	check(aws.String("$LATEST"), config{arn + "$LATEST", aws.Int32(60), aws.Int32(0), ""})

	update := func(in *lambda.UpdateFunctionEventInvokeConfigInput) error {
		in.FunctionName = name
		_, err := c.UpdateFunctionEventInvokeConfig(t.Context(), in)
		return err
	}
	queue := &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:sqs:us-east-1:000000000000:lost")}}
	if err := update(&lambda.UpdateFunctionEventInvokeConfigInput{MaximumRetryAttempts: aws.Int32(1), DestinationConfig: queue}); err != nil {
		t.Error(err)
	}
	check(nil, config{arn + "$LATEST", aws.Int32(60), aws.Int32(1), "arn:aws:sqs:us-east-1:000000000000:lost"})
	refused(t, update(&lambda.UpdateFunctionEventInvokeConfigInput{Qualifier: aws.String("live"), MaximumRetryAttempts: aws.Int32(1)}), "ResourceNotFoundException", "doesn't have")

	for _, qualifier := range []string{"live", "1"} {
		if _, err := c.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
			FunctionName: name, Qualifier: aws.String(qualifier), MaximumRetryAttempts: aws.Int32(2),
		}); err != nil {
			t.Error(err)
		}
	}
	check(aws.String("live"), config{arn + "live", nil, aws.Int32(2), ""})
	// A Put replaces all.
	if _, err := c.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, MaximumEventAgeInSeconds: aws.Int32(21_600)}); err != nil {
		t.Error(err)
	}
	check(nil, config{arn + "$LATEST", aws.Int32(21_600), nil, ""})

	list := func() (arns []string) {
		t.Helper()
		pages := lambda.NewListFunctionEventInvokeConfigsPaginator(c, &lambda.ListFunctionEventInvokeConfigsInput{FunctionName: name, MaxItems: aws.Int32(1)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.FunctionEventInvokeConfigs {
				arns = append(arns, strings.TrimPrefix(aws.ToString(c.FunctionArn), arn))
			}
		}
		return arns
	}
	if diff := cmp.Diff([]string{"$LATEST", "1", "live"}, list()); diff != "" {
		t.Error(diff)
	}
	// They go with what they are for, or on their own.
	if _, err := c.DeleteAlias(t.Context(), &lambda.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("1")}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"$LATEST"}, list()); diff != "" {
		t.Error(diff)
	}
	remove := func() error {
		_, err := c.DeleteFunctionEventInvokeConfig(t.Context(), &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name})
		return err
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	refused(t, remove(), "ResourceNotFoundException", "doesn't have an EventInvokeConfig")
}

func TestEventInvokeConfigsAreChecked(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, newFunction("demo", script("one")))
	for _, tt := range []struct {
		in         lambda.PutFunctionEventInvokeConfigInput
		code, text string
	}{
		{lambda.PutFunctionEventInvokeConfigInput{}, "InvalidParameterValueException", "at least one of"},
		{lambda.PutFunctionEventInvokeConfigInput{MaximumRetryAttempts: aws.Int32(3)}, "ValidationException", "less than or equal to 2"},
		{lambda.PutFunctionEventInvokeConfigInput{MaximumRetryAttempts: aws.Int32(-1)}, "ValidationException", "greater than or equal to 0"},
		{lambda.PutFunctionEventInvokeConfigInput{MaximumEventAgeInSeconds: aws.Int32(59)}, "ValidationException", "greater than or equal to 60"},
		{lambda.PutFunctionEventInvokeConfigInput{MaximumEventAgeInSeconds: aws.Int32(21_601)}, "ValidationException", "less than or equal to 21600"},
		{lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("other"), MaximumRetryAttempts: aws.Int32(1)}, "ResourceNotFoundException", "other"},
		{lambda.PutFunctionEventInvokeConfigInput{Qualifier: aws.String("live"), MaximumRetryAttempts: aws.Int32(1)}, "ResourceNotFoundException", "demo:live"},
	} {
		if tt.in.FunctionName == nil {
			tt.in.FunctionName = name
		}
		_, err := c.PutFunctionEventInvokeConfig(t.Context(), &tt.in)
		refused(t, err, tt.code, tt.text)
	}
}

// The queue heeds the configuration of what was invoked.
func TestEventInvokeConfigsAreHeeded(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	c := serve(t, local.WithEventRetries(time.Hour, time.Millisecond, time.Millisecond), local.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	in := handlerFunction("demo")
	in.Publish = true
	c.create(t, in)
	if _, err := c.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: name, Qualifier: aws.String("1"), MaximumRetryAttempts: aws.Int32(1),
	}); err != nil {
		t.Fatal(err)
	}
	for qualifier, want := range map[string]int{"1": 2, "$LATEST": 3} {
		path := t.TempDir() + "/runs"
		dropped := strings.Count(log.String(), "out of retries")
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{
			FunctionName: name, Qualifier: aws.String(qualifier), InvocationType: types.InvocationTypeEvent,
			Payload: fmt.Appendf(nil, `{"do":"fail until","text":%q,"n":1000}`, path),
		})
		if err != nil || out.StatusCode != 202 {
			t.Fatalf("%+v, %v", out, err)
		}
		eventually(t, "it is dropped", func() bool { return strings.Count(log.String(), "out of retries") > dropped })
		if n := runs(path); n != want {
			t.Errorf("%s: %d runs, want %d", qualifier, n, want)
		}
	}
}
