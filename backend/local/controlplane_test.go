package local_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/backend/local"
)

var name = aws.String("demo")

func TestUpdates(t *testing.T) {
	t.Parallel()
	c := serve(t)
	created := c.create(t, newFunction("demo", script("one")))
	current, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil || aws.ToString(current.RevisionId) == aws.ToString(created.RevisionId) {
		t.Fatalf("the revision while Pending %s is still that when Active: %v", aws.ToString(created.RevisionId), err)
	}
	dry, err := c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: script("two"), DryRun: true})
	if err != nil || aws.ToString(dry.CodeSha256) == aws.ToString(created.CodeSha256) {
		t.Fatalf("dry run: %v", err)
	}
	if _, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: aws.String("l"), Content: &types.LayerVersionContentInput{ZipFile: zipped(entry{"x", "y", 0o644})},
	}); err != nil {
		t.Fatal(err)
	}
	updated, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, MemorySize: aws.Int32(256), Timeout: aws.Int32(900), Description: aws.String("x"), RevisionId: current.RevisionId,
		Environment:      &types.Environment{Variables: map[string]string{"AB": "1"}},
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(10_240)},
		Layers:           []string{"arn:aws:lambda:us-east-1:000000000000:layer:l:1"},
		LoggingConfig:    &types.LoggingConfig{LogGroup: aws.String("/mine")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if updated.LastUpdateStatus != types.LastUpdateStatusInProgress || updated.State != types.StateActive {
		t.Errorf("state %s, update %s", updated.State, updated.LastUpdateStatus)
	}
	got, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int32(256), int32(900), "x", map[string]string{"AB": "1"}, int32(10_240), 1, "/mine", aws.ToString(created.CodeSha256), types.LastUpdateStatusSuccessful}
	if diff := cmp.Diff(want, []any{
		*got.MemorySize, *got.Timeout, *got.Description, got.Environment.Variables, *got.EphemeralStorage.Size, len(got.Layers),
		*got.LoggingConfig.LogGroup, *got.CodeSha256, got.LastUpdateStatus,
	}); diff != "" {
		t.Error(diff)
	}
	_, err = c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: script("two"), RevisionId: current.RevisionId})
	refused(t, err, "PreconditionFailedException", "The Revision Id provided does not match")
}

func TestOneUpdateAtATime(t *testing.T) {
	t.Parallel()
	c := serve(t, local.WithUpdateTime(15*time.Minute))
	c.create(t, newFunction("demo", script("one")))
	_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name})
	refused(t, err, "ResourceConflictException", "currently in the following state: Pending")
	_, err = c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(256)})
	refused(t, err, "ResourceConflictException", "currently in the following state: Pending")
	_, err = c.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name})
	refused(t, err, "ResourceConflictException", "currently in the following state: Pending")

	c = serve(t, local.WithUpdateTime(200*time.Millisecond))
	c.create(t, newFunction("demo", script("one")))
	wait := func() {
		t.Helper()
		get := &lambda.GetFunctionInput{FunctionName: name}
		fast := func(o *lambda.FunctionUpdatedV2WaiterOptions) {
			o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond
		}
		eventually(t, "it is active", func() bool {
			out, err := c.GetFunction(t.Context(), get)
			return err == nil && out.Configuration.State == types.StateActive
		})
		if err := lambda.NewFunctionUpdatedV2Waiter(c, fast).Wait(t.Context(), get, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(256)}); err != nil {
		t.Fatal(err)
	}
	_, err = c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: script("two")})
	refused(t, err, "ResourceConflictException", "An update is in progress for resource: arn:aws:lambda:us-east-1:000000000000:function:demo")
	wait()
	if _, err = c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: script("two")}); err != nil {
		t.Error(err)
	}
}

func TestVersionsAndAliases(t *testing.T) {
	t.Parallel()
	c := serve(t)
	in := handlerFunction("demo")
	in.Publish = true
	if out := c.create(t, in); aws.ToString(out.Version) != "1" || !strings.HasSuffix(aws.ToString(out.FunctionArn), ":demo:1") {
		t.Errorf("created %s %s", aws.ToString(out.Version), aws.ToString(out.FunctionArn))
	}
	publish := func() string {
		t.Helper()
		out, err := c.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.Version)
	}
	if v := publish(); v != "1" {
		t.Errorf("the same code is version %s", v)
	}
	if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(2048)}); err != nil {
		t.Fatal(err)
	}
	if v := publish(); v != "2" {
		t.Errorf("another configuration is version %s", v)
	}
	alias, err := c.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	const memory = `{"do":"env"}`
	for target, want := range map[string]string{"demo": "$LATEST", "demo:1": "1", "demo:2": "2", "demo:live": "1", "arn:aws:lambda:us-east-1:000000000000:function:demo:live": "1"} {
		version, env := c.call(t, target, memory)
		mb := map[string]string{"1": "1024"}[want]
		if mb == "" {
			mb = "2048"
		}
		if version != want || !strings.Contains(env, `"AWS_LAMBDA_FUNCTION_VERSION=`+want+`"`) || !strings.Contains(env, `"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=`+mb+`"`) {
			t.Errorf("%s: version %s, environment %s", target, version, env)
		}
	}
	_, err = c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("1")})
	refused(t, err, "ResourceConflictException", "Version 1 is currently referenced by alias live")
	_, err = c.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2"), RevisionId: aws.String("old")})
	refused(t, err, "PreconditionFailedException", "GetAlias")
	if _, err := c.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2"), RevisionId: alias.RevisionId}); err != nil {
		t.Fatal(err)
	}
	if version, _ := c.call(t, "demo:live", `1`); version != "2" {
		t.Errorf("after the switch: %s", version)
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("1")}); err != nil {
		t.Error(err)
	}
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Qualifier: aws.String("1")})
	refused(t, err, "ResourceNotFoundException", "function:demo:1")
	versions, err := c.ListVersionsByFunction(t.Context(), &lambda.ListVersionsByFunctionInput{FunctionName: name})
	if err != nil || len(versions.Versions) != 2 || aws.ToString(versions.Versions[1].Version) != "2" {
		t.Errorf("versions %+v: %v", versions, err)
	}
	aliases, err := c.ListAliases(t.Context(), &lambda.ListAliasesInput{FunctionName: name, FunctionVersion: aws.String("2")})
	if err != nil || len(aliases.Aliases) != 1 {
		t.Errorf("aliases %+v: %v", aliases, err)
	}
	if _, err := c.DeleteAlias(t.Context(), &lambda.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}); err != nil {
		t.Error(err)
	}
	_, err = c.GetAlias(t.Context(), &lambda.GetAliasInput{FunctionName: name, Name: aws.String("live")})
	refused(t, err, "ResourceNotFoundException", "Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:demo:live")
}

func TestAliasesDivideTheLoad(t *testing.T) {
	t.Parallel()
	c := serve(t)
	in := newFunction("demo", script("one"))
	in.Publish = true
	c.create(t, in)
	if _, err := c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: script("two"), Publish: true}); err != nil {
		t.Fatal(err)
	}
	weigh := func(weights map[string]float64) error {
		_, err := c.CreateAlias(t.Context(), &lambda.CreateAliasInput{
			FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1"),
			RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
		})
		return err
	}
	refused(t, weigh(map[string]float64{"2": 1.1}), "ValidationException", "less than or equal to 1.0")
	refused(t, weigh(map[string]float64{"1": 0.5}), "InvalidParameterValueException", "already included")
	refused(t, weigh(map[string]float64{"$LATEST": 0.5}), "InvalidParameterValueException", "$LATEST is not supported")
	refused(t, weigh(map[string]float64{"3": 0.5}), "ResourceNotFoundException", "demo:3")
	if err := weigh(map[string]float64{"2": 0.5}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range 200 { // all on one side: 2^-199
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("demo:live"), InvocationType: types.InvocationTypeDryRun})
		if err != nil {
			t.Fatal(err)
		}
		seen[aws.ToString(out.ExecutedVersion)]++
	}
	if math.Abs(float64(seen["1"]-seen["2"])) > 150 || seen["1"]+seen["2"] != 200 {
		t.Errorf("versions %v", seen)
	}
}

func TestReservedConcurrency(t *testing.T) {
	t.Parallel()
	c := serve(t, local.WithConcurrency(101))
	c.create(t, handlerFunction("demo"))
	reserve := func(n int32) error {
		_, err := c.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: &n})
		return err
	}
	refused(t, reserve(2), "InvalidParameterValueException", "below its minimum value of [100]")
	busy := func() {
		t.Helper()
		_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name})
		throttled(t, err, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)
	}
	if err := reserve(1); err != nil {
		t.Fatal(err)
	}
	settings, err := c.GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{})
	if err != nil || settings.AccountLimit.ConcurrentExecutions != 101 || aws.ToInt32(settings.AccountLimit.UnreservedConcurrentExecutions) != 100 || settings.AccountUsage.FunctionCount != 1 {
		t.Errorf("%+v %+v %v", settings.AccountLimit, settings.AccountUsage, err)
	}
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	done := make(chan string, 1)
	go func() {
		_, result := c.call(t, "demo", fmt.Sprintf(`{"do":"touch and sleep","text":%q,"n":300}`, started))
		done <- result
	}()
	eventually(t, "it runs", func() bool { _, err := os.Stat(started); return err == nil })
	busy()
	if got := <-done; got != `"slept"` {
		t.Errorf("got %s", got)
	}
	if err := reserve(0); err != nil {
		t.Fatal(err)
	}
	busy()
	got, err := c.GetFunctionConcurrency(t.Context(), &lambda.GetFunctionConcurrencyInput{FunctionName: name})
	if err != nil || got.ReservedConcurrentExecutions == nil || *got.ReservedConcurrentExecutions != 0 {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := c.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	if _, result := c.call(t, "demo", `1`); result != "1" {
		t.Errorf("without a reservation: %s", result)
	}
}

// throttled checks that err is a 429 with a reason.
func throttled(t *testing.T, err error, reason types.ThrottleReason) {
	t.Helper()
	if e, ok := errors.AsType[*types.TooManyRequestsException](err); !ok || e.Reason != reason || aws.ToString(e.RetryAfterSeconds) != "1" {
		t.Errorf("got %v, want a throttle with reason %s", err, reason)
	}
}

func TestAccountConcurrency(t *testing.T) {
	t.Parallel()
	c := serve(t, local.WithConcurrency(1))
	c.create(t, handlerFunction("demo"))
	c.create(t, handlerFunction("other"))
	started := filepath.Join(t.TempDir(), "started")
	done := make(chan string, 1)
	go func() {
		_, result := c.call(t, "demo", fmt.Sprintf(`{"do":"touch and sleep","text":%q,"n":300}`, started))
		done <- result
	}()
	eventually(t, "it runs", func() bool { _, err := os.Stat(started); return err == nil })
	_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("other")})
	throttled(t, err, types.ThrottleReasonConcurrentInvocationLimitExceeded)
	// An event waits for its turn.
	event := filepath.Join(t.TempDir(), "event")
	if _, err := c.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String("other"), InvocationType: types.InvocationTypeEvent,
		Payload: fmt.Appendf(nil, `{"do":"touch and sleep","text":%q}`, event),
	}); err != nil {
		t.Fatal(err)
	}
	<-done
	eventually(t, "the event has run", func() bool { _, err := os.Stat(event); return err == nil })
}

func TestTags(t *testing.T) {
	t.Parallel()
	c := serve(t)
	arn := c.create(t, newFunction("demo", script("one"))).FunctionArn
	if _, err := c.TagResource(t.Context(), &lambda.TagResourceInput{Resource: arn, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagResource(t.Context(), &lambda.UntagResourceInput{Resource: arn, TagKeys: []string{"a", "c"}}); err != nil {
		t.Fatal(err)
	}
	got, err := c.ListTags(t.Context(), &lambda.ListTagsInput{Resource: arn})
	if err != nil || !cmp.Equal(got.Tags, map[string]string{"b": "2"}) {
		t.Errorf("tags %v: %v", got.Tags, err)
	}
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	for text, tags := range map[string]map[string]string{"at most 50": many, "1 to 128": {strings.Repeat("k", 129): ""}, "at most 256": {"k": strings.Repeat("v", 257)}, "reserved prefix": {"aws:x": ""}} {
		_, err := c.TagResource(t.Context(), &lambda.TagResourceInput{Resource: arn, Tags: tags})
		refused(t, err, "InvalidParameterValueException", text)
	}
	_, err = c.TagResource(t.Context(), &lambda.TagResourceInput{Resource: aws.String(*arn + ":1"), Tags: map[string]string{"a": "1"}})
	refused(t, err, "InvalidParameterValueException", "versions are not supported")
}

func TestListsInPages(t *testing.T) {
	t.Parallel()
	c := serve(t)
	for i := range 7 {
		in := newFunction(fmt.Sprintf("f%d", i), script("one"))
		in.Publish = i == 3
		c.create(t, in)
	}
	list := func(in *lambda.ListFunctionsInput) (pages []int, names []string) {
		pager := lambda.NewListFunctionsPaginator(c, in)
		for pager.HasMorePages() {
			out, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, len(out.Functions))
			for _, f := range out.Functions {
				names = append(names, *f.FunctionName+" "+*f.Version+string(f.State))
			}
		}
		return pages, names
	}
	pages, names := list(&lambda.ListFunctionsInput{MaxItems: aws.Int32(3)})
	if diff := cmp.Diff([]int{3, 3, 1}, pages); diff != "" || names[6] != "f6 $LATEST" {
		t.Errorf("%s %v", diff, names)
	}
	pages, names = list(&lambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll})
	if diff := cmp.Diff([]int{8}, pages); diff != "" || names[4] != "f3 1" {
		t.Errorf("%s %v", diff, names)
	}
	first, err := c.ListFunctions(t.Context(), &lambda.ListFunctionsInput{MaxItems: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("f1")}); err != nil {
		t.Fatal(err)
	}
	second, err := c.ListFunctions(t.Context(), &lambda.ListFunctionsInput{Marker: first.NextMarker})
	if err != nil || len(second.Functions) != 5 || *second.Functions[0].FunctionName != "f2" {
		t.Errorf("after the last function of a page is gone: %+v %v", second, err)
	}
	_, err = c.ListFunctions(t.Context(), &lambda.ListFunctionsInput{MaxItems: aws.Int32(10_001)})
	refused(t, err, "ValidationException", "less than or equal to 10000")
	_, err = c.ListFunctions(t.Context(), &lambda.ListFunctionsInput{Marker: aws.String("no/marker")})
	refused(t, err, "InvalidParameterValueException", "Marker")
}

func TestVersionsInPages(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, newFunction("demo", script("one")))
	want := []string{"$LATEST"}
	for i := range int32(11) {
		if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(200 + i)}); err != nil {
			t.Fatal(err)
		}
		out, err := c.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, aws.ToString(out.Version))
	}
	var got []string
	pager := lambda.NewListVersionsByFunctionPaginator(c, &lambda.ListVersionsByFunctionInput{FunctionName: name, MaxItems: aws.Int32(2)})
	for pager.HasMorePages() {
		out, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.Versions {
			got = append(got, aws.ToString(v.Version))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || want[11] != "11" {
		t.Error(diff)
	}
}

func TestRegionsAreApart(t *testing.T) {
	t.Parallel()
	c := serve(t)
	c.create(t, newFunction("demo", script("one")))
	elsewhere := func(o *lambda.Options) { o.Region = "eu-central-1" }
	_, err := c.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: name}, elsewhere)
	refused(t, err, "ResourceNotFoundException", "arn:aws:lambda:eu-central-1:000000000000:function:demo")
	out, err := c.CreateFunction(t.Context(), newFunction("demo", script("one")), elsewhere)
	if err != nil || aws.ToString(out.FunctionArn) != "arn:aws:lambda:eu-central-1:000000000000:function:demo" {
		t.Errorf("%v: %v", out, err)
	}
}

func TestUnknownOperations(t *testing.T) {
	t.Parallel()
	c := serve(t)
	_, err := c.GetFunctionUrlConfig(t.Context(), &lambda.GetFunctionUrlConfigInput{FunctionName: name})
	refused(t, err, "UnknownOperationException", "GetFunctionUrlConfig")
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("nope")})
	refused(t, err, "ResourceNotFoundException", "function:nope")
	_, err = c.GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{}, func(o *lambda.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider("AKIASOMEBODYELSE", "secret", "")
	})
	refused(t, err, "UnrecognizedClientException", "The security token included in the request is invalid")
}
