package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool/deploy"
)

// deployed is an account with the function demo.
func deployed(t testing.TB) *account {
	t.Helper()
	a := newAccount(t)
	s := full(t)
	s.Artifact = script(t, "first")
	if _, err := a.bystander(t).Create(t.Context(), s, deploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestUpdateChangesOnlyWhatDiffers(t *testing.T) {
	none := -1
	for _, tc := range []struct {
		name string
		spec deploy.Spec
		plan []string
		sent []string
	}{
		{"nothing", deploy.Spec{}, []string{}, nil},
		{"same code", deploy.Spec{Artifact: script(t, "first")}, []string{"code unchanged"}, nil},
		{
			"memory", deploy.Spec{Artifact: script(t, "first"), Settings: deploy.Settings{Memory: 256, Env: map[string]string{"LOG": "debug"}}},
			[]string{"code unchanged", "memory 512 → 256 MB"},
			[]string{"PUT /2015-03-31/functions/demo/configuration"},
		},
		{
			"code and environment", deploy.Spec{Artifact: script(t, "second"), Settings: deploy.Settings{Env: map[string]string{"NEW": "1"}, UnsetEnv: []string{"LOG"}}},
			[]string{"code …", "environment: LOG removed", "environment: NEW added"},
			[]string{"PUT /2015-03-31/functions/demo/configuration", "PUT /2015-03-31/functions/demo/code"},
		},
		{
			"the rest", deploy.Spec{Settings: deploy.Settings{ReservedConcurrency: &none, LogRetention: 30, Tags: map[string]string{"team": "y"}}},
			[]string{"reserved concurrency 10 → none", `tag team "x" → "y"`, "log retention 14 days → 30 days"},
			[]string{"DELETE /2017-10-31/functions/demo/concurrency", "POST /2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:demo", "Logs_20140328.CreateLogGroup", "Logs_20140328.PutRetentionPolicy"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := deployed(t)
			tc.spec.Name = "demo"
			updated, err := a.client(t).Update(t.Context(), tc.spec, deploy.UpdateOptions{NoSmoke: true})
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range updated.Plan {
				if strings.HasPrefix(step, "code ") && step != "code unchanged" {
					updated.Plan[i] = "code …"
				}
			}
			if diff := cmp.Diff(tc.plan, updated.Plan); diff != "" {
				t.Error("plan (-want +got)\n" + diff)
			}
			var sent []string
			for _, operation := range a.requests {
				if !strings.HasPrefix(operation, "GET ") && !strings.Contains(operation, "Describe") {
					sent = append(sent, operation)
				}
			}
			if diff := cmp.Diff(tc.sent, sent); diff != "" {
				t.Error("changes sent (-want +got)\n" + diff)
			}
		})
	}
}

func TestPublishedAliasMovesAfterTheSmokeCall(t *testing.T) {
	a := newAccount(t)
	c := a.client(t)
	if _, err := c.Create(t.Context(), full(t), deploy.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	live := deploy.UpdateOptions{Publish: true, Alias: "live"}
	updated, err := c.Update(t.Context(), deploy.Spec{Name: "demo"}, live)
	if err != nil || updated.Version != "1" || updated.Registry.Version != "1" {
		t.Fatalf("%+v, %v", updated, err)
	}
	// The same again publishes nothing new.
	if updated, err = c.Update(t.Context(), deploy.Spec{Name: "demo"}, live); err != nil || updated.Version != "1" {
		t.Fatalf("%+v, %v", updated, err)
	}
	// A version that does not answer does not become live.
	_, err = c.Update(t.Context(), deploy.Spec{Name: "demo", Artifact: script(t, "broken")}, live)
	if !errors.Is(err, deploy.ErrSmoke) {
		t.Fatal(err)
	}
	shown, err := c.Show(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"live": "1"}, shown.Aliases); diff != "" {
		t.Error(diff)
	}
	r, err := c.Call(t.Context(), "demo", deploy.Call{Function: "fibonacci", Args: []string{"30"}, Qualifier: "live"})
	if err != nil || string(r.Value) != "832040" {
		t.Errorf("%+v, %v", r, err)
	}
}

// Two people update at the same time, and the second does so at every step of the first.
// Whatever comes of it, nobody's change is lost without a word.
func TestRacingUpdatesDoNotOverwriteEachOther(t *testing.T) {
	mine := deploy.Spec{Name: "demo", Artifact: script(t, "mine"), Settings: deploy.Settings{Env: map[string]string{"MINE": "1"}}}
	theirs := deploy.Spec{Name: "demo", Artifact: script(t, "theirs"), Settings: deploy.Settings{Env: map[string]string{"THEIRS": "1"}}}
	quiet := deploy.UpdateOptions{NoSmoke: true}
	undisturbed := deployed(t)
	if _, err := undisturbed.client(t).Update(t.Context(), mine, quiet); err != nil {
		t.Fatal(err)
	}
	lost, won := 0, 0
	for k := 1; k <= len(undisturbed.requests); k++ {
		a := deployed(t)
		other := a.bystander(t)
		a.before = func(n int, _ string, _ *http.Request) (*http.Response, error) {
			if n == k {
				if _, err := other.Update(t.Context(), theirs, quiet); err != nil {
					t.Errorf("at %d the other update: %v", k, err)
				}
			}
			return nil, nil //nolint:nilnil // go on
		}
		_, err := a.client(t).Update(t.Context(), mine, quiet)
		shown, showErr := other.Show(t.Context(), "demo")
		if showErr != nil {
			t.Fatal(showErr)
		}
		f := shown.Function
		switch {
		case err == nil:
			won++
			if f.CodeSHA256 != mine.Artifact.Sum || f.Env["MINE"] != "1" || f.Env["THEIRS"] != "1" {
				t.Errorf("at %d (%s) both said they were done, but there is %v with %v", k, undisturbed.requests[k-1], f.CodeSHA256, f.Env)
			}
		case errors.Is(err, deploy.ErrChanged):
			lost++
			if f.Env["THEIRS"] != "1" {
				t.Errorf("at %d (%s) the other's change is lost: %v", k, undisturbed.requests[k-1], f.Env)
			}
			if !strings.Contains(err.Error(), "changed by someone else meanwhile") {
				t.Errorf("at %d: %v", k, err)
			}
		default:
			t.Errorf("at %d: %v", k, err)
		}
	}
	if lost == 0 || won == 0 {
		t.Errorf("%d lost, %d won of %d: the race was none", lost, won, len(undisturbed.requests))
	}
}

func TestInterruptedUpdateSaysWhatItDid(t *testing.T) {
	a := deployed(t)
	ctx, cancel := context.WithCancel(t.Context())
	a.after = func(_ int, operation string) {
		if operation == "PUT /2015-03-31/functions/demo/code" {
			cancel()
		}
	}
	_, err := a.client(t).Update(ctx, deploy.Spec{Name: "demo", Artifact: script(t, "second"), Settings: deploy.Settings{Memory: 256}}, deploy.UpdateOptions{NoSmoke: true})
	e, ok := errors.AsType[*deploy.Error](err)
	if !ok || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"configuration", "code"}, e.Done); diff != "" {
		t.Error(diff)
	}
}

func TestListIsPagedAndAsksForNoFunctionAlone(t *testing.T) {
	a := deployed(t)
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	sdk := lambda.NewFromConfig(cfg)
	first, err := sdk.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("demo")})
	if err != nil {
		t.Fatal(err)
	}
	const more = 119
	for i := range more {
		_, err := sdk.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
			FunctionName: aws.String(fmt.Sprintf("demo%03d", i)), Runtime: first.Configuration.Runtime, Handler: first.Configuration.Handler,
			Role: first.Configuration.Role, Architectures: first.Configuration.Architectures,
			Code: lambdaCode(script(t, "first")), Environment: lambdaEnv(map[string]string{deploy.Marker: "devel"}),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	makeForeign(t, a, "foreign")
	n := 0
	for f, err := range a.client(t).List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "foreign" {
			t.Error("a foreign function is listed")
		}
		n++
	}
	if n != more+1 || len(a.requests) != 3 {
		t.Errorf("%d functions in %d requests", n, len(a.requests))
	}
}
