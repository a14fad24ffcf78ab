package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/deploy"
)

// full is a function with everything that takes a request of its own.
func full(t testing.TB) deploy.Spec {
	reserved := 10
	return deploy.Spec{
		Name: "demo", Artifact: artifact(t),
		Settings: deploy.Settings{
			Memory: 512, LogRetention: 14, ReservedConcurrency: &reserved,
			Env: map[string]string{"LOG": "debug"}, Tags: map[string]string{"team": "x"},
		},
	}
}

func TestCreateAndDelete(t *testing.T) {
	a := newAccount(t)
	c := a.client(t)
	created, err := c.Create(t.Context(), full(t), deploy.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []deploy.RegisteredFn{{Name: "factorial", Shape: "func(int) int"}, {Name: "fibonacci", Shape: "func(int) int"}}
	if diff := cmp.Diff(want, created.Registry.Functions); diff != "" {
		t.Error("the smoke call returned (-want +got)\n" + diff)
	}
	shown, err := c.Show(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	f := shown.Function
	if f.Memory != 512 || f.Timeout != 300 || *f.Reserved != 10 || f.Tags["team"] != "x" || f.Env["LOG"] != "debug" || f.Lambdapool != deploy.Version() {
		t.Errorf("the function is %+v", f)
	}
	if shown.LastUse.IsZero() {
		t.Error("the smoke call was no use")
	}
	if got := leftovers(t, a); got != "function role log group" {
		t.Errorf("there are: %s", got)
	}
	if _, err := c.Create(t.Context(), full(t), deploy.CreateOptions{}); !errors.Is(err, deploy.ErrExists) {
		t.Errorf("a second Create: %v", err)
	}
	deleted, err := c.Delete(t.Context(), "demo", deploy.DeleteOptions{Logs: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"function demo", "role lambdapool-demo", "log group /aws/lambda/demo"}, deleted); diff != "" {
		t.Error(diff)
	}
	if got := leftovers(t, a); got != "" {
		t.Errorf("left after Delete: %s", got)
	}
}

// leftovers says what of demo there is.
func leftovers(t testing.TB, a *account) string {
	t.Helper()
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	ctx := context.Background()
	var left []string
	if _, err := lambda.NewFromConfig(cfg).GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("demo")}); err == nil {
		left = append(left, "function")
	}
	if _, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("lambdapool-demo")}); err == nil {
		left = append(left, "role")
	}
	groups, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/aws/lambda/demo")})
	if err != nil {
		t.Fatal(err)
	}
	if len(groups.LogGroups) > 0 {
		left = append(left, "log group")
	}
	return strings.Join(left, " ")
}

func TestInterruptedCreateLeavesNothing(t *testing.T) {
	undisturbed := newAccount(t)
	if _, err := undisturbed.client(t).Create(t.Context(), full(t), deploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	steps := len(undisturbed.requests)
	if steps < 8 {
		t.Fatalf("only %d requests: %v", steps, undisturbed.requests)
	}
	for k := 1; k <= steps; k++ {
		for _, when := range []string{"before", "after"} {
			t.Run(undisturbed.requests[k-1]+" "+when, func(t *testing.T) {
				a := newAccount(t)
				stop := errors.New("interrupted")
				ctx, cancel := context.WithCancelCause(t.Context())
				a.before = func(n int, _ string, r *http.Request) (*http.Response, error) {
					if n == k && when == "before" {
						cancel(stop)
						return nil, r.Context().Err()
					}
					return nil, nil //nolint:nilnil // go on
				}
				a.after = func(n int, _ string) {
					if n == k && when == "after" {
						cancel(stop)
					}
				}
				_, err := a.client(t).Create(ctx, full(t), deploy.CreateOptions{})
				if !errors.Is(err, stop) {
					t.Errorf("the error is %v", err)
				}
				if got := leftovers(t, a); got != "" {
					t.Errorf("left: %s; the error says %v", got, err)
				}
			})
		}
	}
}

func TestCreateSaysWhatItCouldNotRemove(t *testing.T) {
	a := newAccount(t)
	ctx, cancel := context.WithCancel(t.Context())
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		switch {
		case operation == "PUT /2017-10-31/functions/demo/concurrency":
			cancel()
			return nil, r.Context().Err()
		case r.Method == http.MethodDelete:
			return answer(r, 403, "AccessDeniedException", "not yours"), nil
		}
		return nil, nil //nolint:nilnil // go on
	}
	_, err := a.client(t).Create(ctx, full(t), deploy.CreateOptions{})
	e, ok := errors.AsType[*deploy.Error](err)
	if !ok {
		t.Fatal(err)
	}
	want := []deploy.Leftover{{What: "function demo", Remove: "aws lambda delete-function --function-name demo"}}
	if diff := cmp.Diff(want, e.Left); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(err.Error(), want[0].Remove) {
		t.Errorf("the message does not say how to remove it: %v", err)
	}
	if got := leftovers(t, a); got != "function" {
		t.Errorf("left: %s", got)
	}
}

// answer is an error of Lambda.
func answer(r *http.Request, status int, code, message string) *http.Response {
	return &http.Response{
		StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(`{"message":"` + message + `"}`)),
		Header: http.Header{"X-Amzn-Errortype": {code}, "Content-Type": {"application/json"}},
	}
}

func TestCreateWaitsForTheRole(t *testing.T) {
	a := newAccount(t)
	refused := 0
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		if operation == "POST /2015-03-31/functions" && refused < 3 {
			refused++
			return answer(r, 400, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."), nil
		}
		return nil, nil //nolint:nilnil // go on
	}
	if _, err := a.client(t).Create(t.Context(), full(t), deploy.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if refused != 3 {
		t.Errorf("refused %d times", refused)
	}
}

func TestCreateKeepsAFunctionWhoseAgentDoesNotAnswer(t *testing.T) {
	a := newAccount(t)
	s := full(t)
	s.Artifact = script(t, "no agent")
	created, err := a.client(t).Create(t.Context(), s, deploy.CreateOptions{})
	if !errors.Is(err, deploy.ErrSmoke) || created == nil {
		t.Fatalf("%v, %v", created, err)
	}
	if got := leftovers(t, a); got != "function role log group" {
		t.Errorf("there are: %s", got)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	a := newAccount(t)
	created, err := a.client(t).Create(t.Context(), full(t), deploy.CreateOptions{DryRun: true})
	if err != nil || len(created.Plan) != 6 {
		t.Fatalf("%+v, %v", created, err)
	}
	for _, operation := range a.requests {
		if !strings.HasPrefix(operation, "GET ") {
			t.Errorf("a dry run sent %s", operation)
		}
	}
}

func TestForeignFunctionsAreLeftAlone(t *testing.T) {
	a := newAccount(t)
	makeForeign(t, a, "demo")
	c := a.client(t)
	if _, err := c.Delete(t.Context(), "demo", deploy.DeleteOptions{}); !errors.Is(err, deploy.ErrForeign) {
		t.Errorf("Delete: %v", err)
	}
	if _, err := c.Update(t.Context(), deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 256}}, deploy.UpdateOptions{}); !errors.Is(err, deploy.ErrForeign) {
		t.Errorf("Update: %v", err)
	}
	if _, err := c.Create(t.Context(), full(t), deploy.CreateOptions{}); !errors.Is(err, deploy.ErrExists) {
		t.Errorf("Create: %v", err)
	}
	for f, err := range c.List(t.Context()) {
		t.Errorf("List: %v, %v", f.Name, err)
	}
	if got := leftovers(t, a); got != "function" {
		t.Errorf("there are: %s", got)
	}
}

func TestZipIsReproducible(t *testing.T) {
	one, err := deploy.Zip([]byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := deploy.Zip([]byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("the same program gives other bytes")
	}
}

// Somebody else creates the same function at each step. Whoever comes second takes back
// nothing that the first one needs.
func TestRacingCreates(t *testing.T) {
	t.Parallel()
	undisturbed := newAccount(t)
	if _, err := undisturbed.client(t).Create(t.Context(), full(t), deploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	for k := range undisturbed.requests {
		a := newAccount(t)
		other := a.bystander(t)
		var theirs error
		a.before = func(n int, _ string, _ *http.Request) (*http.Response, error) {
			if n == k+1 {
				_, theirs = other.Create(t.Context(), full(t), deploy.CreateOptions{})
			}
			return nil, nil //nolint:nilnil // go on
		}
		_, mine := a.client(t).Create(t.Context(), full(t), deploy.CreateOptions{})
		if (mine == nil) == (theirs == nil) || mine != nil && !errors.Is(mine, deploy.ErrExists) || theirs != nil && !errors.Is(theirs, deploy.ErrExists) {
			t.Errorf("at %s: mine %v, theirs %v", undisturbed.requests[k], mine, theirs)
		}
		if got := leftovers(t, a); got != "function role log group" {
			t.Errorf("at %s: there are: %s", undisturbed.requests[k], got)
		}
	}
}
