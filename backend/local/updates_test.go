package local_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambdapool/lambdapool/backend/local"
)

// While an update is InProgress, invocations run on what was there before it.
func TestWhatIsBeingUpdatedServesAsItWas(t *testing.T) {
	t.Parallel()
	c := serve(t, local.WithUpdateTime(2*time.Second))
	c.create(t, handlerFunction("demo"))
	status := func() types.LastUpdateStatus {
		t.Helper()
		out, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
		if err != nil {
			t.Fatal(err)
		}
		if out.State != types.StateActive {
			return types.LastUpdateStatusInProgress
		}
		return out.LastUpdateStatus
	}
	settled := func() {
		t.Helper()
		eventually(t, "the update is done", func() bool { return status() == types.LastUpdateStatusSuccessful })
	}
	run := func() (generation string) {
		t.Helper()
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"do":"env"}`)})
		if err != nil || out.FunctionError != nil {
			t.Fatalf("%v, %s", err, out.Payload)
		}
		_, rest, _ := strings.Cut(string(out.Payload), "GENERATION=")
		generation, _, _ = strings.Cut(rest, `"`)
		return generation
	}
	settled()
	judged := 0
	for before, now := "", "x"; judged < 2; before, now = now, now+"x" {
		if len(now) > 20 {
			t.Fatal("no invocation was over before its update")
		}
		if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
			FunctionName: name, Environment: &types.Environment{Variables: map[string]string{agentKind: "handler", "GENERATION": now}},
		}); err != nil {
			t.Fatal(err)
		}
		got := run()
		if status() == types.LastUpdateStatusInProgress { // so it was then
			judged++
			if got != before {
				t.Errorf("during an update from %q to %q it was %q", before, now, got)
			}
		}
		settled()
		if got := run(); got != now {
			t.Errorf("after an update to %q it was %q", now, got)
		}
	}
	// What was replaced ends with the function.
	if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(512)}); err != nil {
		t.Fatal(err)
	}
	run()
	if _, err := c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
}
