package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/backend/awslambda"
	"github.com/lambdapool/lambdapool/deploy"
	"github.com/lambdapool/lambdapool/internal/schedule"
)

// sharded is an account with the function demo on three shards, whose agents do not answer.
func sharded(t testing.TB) *account {
	t.Helper()
	a := newAccount(t)
	s := deploy.Spec{Name: "demo", Shards: 3, Artifact: script(t, "first"), Settings: deploy.Settings{Memory: 512, Env: map[string]string{"LOG": "debug"}}}
	if _, err := a.bystander(t).Create(t.Context(), s, deploy.CreateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
	return a
}

// sums are the hashes of the code of all shards, "" for one that is missing.
func sums(t testing.TB, a *account) (all []string) {
	t.Helper()
	for i := range 3 {
		name := "demo"
		if i > 0 {
			name = fmt.Sprintf("demo-%d", i)
		}
		f, err := a.bystander(t).Function(t.Context(), name, "")
		if err != nil && !errors.Is(err, deploy.ErrNotFound) {
			t.Fatal(err)
		}
		all = append(all, f.CodeSHA256)
	}
	return all
}

// remove deletes one function behind the back of everybody.
func remove(t testing.TB, a *account, name string) {
	t.Helper()
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	if _, err := lambda.NewFromConfig(cfg).DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
}

func listed(t testing.TB, c *deploy.Client) (all []deploy.Function) {
	t.Helper()
	for f, err := range c.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// Made, called, listed, shown and deleted as one.
func TestShardsAreOne(t *testing.T) {
	a := newAccount(t)
	c := a.client(t)
	s := deploy.Spec{Name: "demo", Shards: 3, Artifact: artifact(t), Settings: deploy.Settings{LogRetention: 14}}
	ten := 10
	s.ReservedConcurrency = &ten
	plan, err := c.Create(t.Context(), s, deploy.CreateOptions{DryRun: true})
	if err != nil || !strings.Contains(strings.Join(plan.Plan, "\n"), "shards demo-1 to demo-2 of the same archive: 3 functions") {
		t.Fatal(plan, err)
	}
	created, err := c.Create(t.Context(), s, deploy.CreateOptions{})
	if err != nil || created.Function.Name != "demo" || created.Function.Shards != 3 || created.Registry == nil {
		t.Fatalf("%+v, %v", created, err)
	}
	all := listed(t, c)
	if len(all) != 1 || all[0].Name != "demo" || all[0].Shards != 3 || all[0].Uneven != "" {
		t.Errorf("listed: %+v", all)
	}
	shown, err := c.Show(t.Context(), "demo")
	if err != nil || shown.Function.Shards != 3 || shown.Function.Uneven != "" || *shown.Function.Reserved != 10 || shown.Function.Tags["lambdapool-shard"] != "0/3" {
		t.Errorf("shown: %+v, %v", shown, err)
	}
	for i, want := range []int{4, 3, 3} {
		f, err := c.Function(t.Context(), []string{"demo", "demo-1", "demo-2"}[i], "")
		if err != nil || *f.Reserved != want {
			t.Errorf("shard %d has %v reserved, want %d: %v", i, f.Reserved, want, err)
		}
	}
	if _, err := c.Update(t.Context(), deploy.Spec{Name: "demo-1"}, deploy.UpdateOptions{}); !errors.Is(err, deploy.ErrInvalid) || !strings.Contains(err.Error(), "shard of demo") {
		t.Errorf("update of one of them: %v", err)
	}
	if _, err := c.Delete(t.Context(), "demo-1", deploy.DeleteOptions{}); !errors.Is(err, deploy.ErrInvalid) {
		t.Errorf("delete of one of them: %v", err)
	}
	if _, err := c.Create(t.Context(), deploy.Spec{Name: "demo-2", Artifact: artifact(t)}, deploy.CreateOptions{}); !errors.Is(err, deploy.ErrExists) || !strings.Contains(err.Error(), "demo's shards") {
		t.Errorf("create of one of them: %v", err)
	}

	// A client finds out, and its calls run on them.
	b, err := awslambda.New(t.Context(), "demo", awslambda.WithConfig(c.Config()), awslambda.WithWorkers(3))
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan struct{})
	stop := b.WatchLimits(func(l lambdapool.Limits) {
		if l.Burst == 3*schedule.LambdaBurst {
			close(found)
		}
	})
	select {
	case <-found:
	case <-t.Context().Done():
	case <-time.After(time.Minute):
		t.Errorf("burst %d", b.Limits().Burst)
	}
	stop()
	registry := lambdapool.NewRegistry()
	lambdapool.RegisterFuncIn(registry, "fibonacci", func(n int) int { return n })
	e, err := lambdapool.New(b, lambdapool.WithOwnedBackend(), lambdapool.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	var futures []*lambdapool.Future[any]
	for range 30 {
		futures = append(futures, e.Submit(t.Context(), "fibonacci", 20))
	}
	if _, err := lambdapool.Collect(t.Context(), futures...); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	var streams []string
	last := time.Time{}
	for line, err := range c.Logs(t.Context(), "demo", deploy.LogQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Time.Before(last) {
			t.Errorf("%v after %v", line.Time, last)
		}
		last = line.Time
		streams = append(streams, line.Stream)
	}
	if text := strings.Join(streams, "\n"); !strings.Contains(text, "demo-1/") || !strings.Contains(text, "demo-2/") {
		t.Errorf("streams: %q", streams)
	}

	gone, err := c.Delete(t.Context(), "demo", deploy.DeleteOptions{Logs: true})
	want := []string{"function demo-2", "function demo-1", "function demo", "role lambdapool-demo",
		"log group /aws/lambda/demo-2", "log group /aws/lambda/demo-1", "log group /aws/lambda/demo"}
	if diff := cmp.Diff(want, gone); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got := leftovers(t, a); got != "" || len(listed(t, c)) > 0 {
		t.Errorf("left: %s, %v", got, listed(t, c))
	}
}

// Create takes everything back when one of them cannot be made.
func TestShardsAreMadeOrNone(t *testing.T) {
	a := newAccount(t)
	made := 0
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		if operation == "POST /2015-03-31/functions" {
			if made++; made == 3 {
				return answer(r, http.StatusBadRequest, "CodeStorageExceededException", "no room"), nil
			}
		}
		return nil, nil //nolint:nilnil // go on
	}
	_, err := a.client(t).Create(t.Context(), deploy.Spec{Name: "demo", Shards: 3, Artifact: script(t, "first")}, deploy.CreateOptions{NoSmoke: true})
	if err == nil || made != 3 {
		t.Fatal(made, err)
	}
	if got := sums(t, a); strings.Join(got, "") != "" || leftovers(t, a) != "" {
		t.Errorf("left: %v, %s", got, leftovers(t, a))
	}
}

// An update is of all of them.
func TestShardsAreUpdated(t *testing.T) {
	a := sharded(t)
	c := a.client(t)
	before := sums(t, a)
	second := script(t, "second")
	spec := deploy.Spec{Name: "demo", Shards: 3, Artifact: second, Settings: deploy.Settings{Memory: 256}}
	dry, err := c.Update(t.Context(), spec, deploy.UpdateOptions{DryRun: true})
	if err != nil || !dry.Changed || !strings.Contains(strings.Join(dry.Plan, "\n"), "on all 3 shards, or none") {
		t.Fatal(dry, err)
	}
	if diff := cmp.Diff(before, sums(t, a)); diff != "" {
		t.Fatal("a dry run changed something", diff)
	}
	updated, err := c.Update(t.Context(), spec, deploy.UpdateOptions{NoSmoke: true})
	if err != nil || !updated.Changed || updated.Function.Memory != 256 || updated.Function.Uneven != "" {
		t.Fatalf("%+v, %v", updated, err)
	}
	if got := sums(t, a); got[0] != second.Sum || got[1] != second.Sum || got[2] != second.Sum {
		t.Errorf("code %v", got)
	}
	if again, err := c.Update(t.Context(), spec, deploy.UpdateOptions{NoSmoke: true}); err != nil || again.Changed {
		t.Errorf("once more: %+v, %v", again, err)
	}
	if _, err := c.Update(t.Context(), deploy.Spec{Name: "demo", Shards: 5}, deploy.UpdateOptions{}); !errors.Is(err, deploy.ErrInvalid) {
		t.Errorf("another number: %v", err)
	}
	published, err := c.Update(t.Context(), deploy.Spec{Name: "demo"}, deploy.UpdateOptions{NoSmoke: true, Publish: true, Alias: "live"})
	if err != nil || published.Version != "1" {
		t.Fatalf("%+v, %v", published, err)
	}
	for _, name := range []string{"demo", "demo-1", "demo-2"} {
		if f, err := c.Function(t.Context(), name, "live"); err != nil || f.CodeSHA256 != second.Sum {
			t.Errorf("%s:live: %+v, %v", name, f, err)
		}
	}
}

// When one of them cannot be changed, those before it are as they were.
func TestShardsAreUpdatedOrNone(t *testing.T) {
	for _, tc := range []struct {
		name      string
		operation string // of which the last fails
		options   deploy.UpdateOptions
	}{
		{"code", "PUT /2015-03-31/functions/demo/code", deploy.UpdateOptions{NoSmoke: true}},
		{"configuration", "PUT /2015-03-31/functions/demo/configuration", deploy.UpdateOptions{NoSmoke: true}},
		{"version", "POST /2015-03-31/functions/demo/versions", deploy.UpdateOptions{NoSmoke: true, Publish: true}},
		{"alias", "POST /2015-03-31/functions/demo/aliases", deploy.UpdateOptions{NoSmoke: true, Publish: true, Alias: "live"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := sharded(t)
			before := sums(t, a)
			a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
				if operation == tc.operation && !dryRun(t, r) {
					return answer(r, http.StatusPreconditionFailed, "PreconditionFailedException", "changed"), nil
				}
				return nil, nil //nolint:nilnil // go on
			}
			_, err := a.client(t).Update(t.Context(), deploy.Spec{Name: "demo", Artifact: script(t, "second"), Settings: deploy.Settings{Memory: 256}}, tc.options)
			var e *deploy.Error
			if !errors.Is(err, deploy.ErrChanged) || !errors.As(err, &e) || len(e.Left) > 0 {
				t.Fatalf("%v, left %+v", err, e)
			}
			if diff := cmp.Diff(before, sums(t, a)); diff != "" {
				t.Error("the code is not what it was", diff)
			}
			for _, name := range []string{"demo", "demo-1", "demo-2"} {
				if f, err := a.bystander(t).Function(t.Context(), name, ""); err != nil || f.Memory != 512 || f.Env["LOG"] != "debug" {
					t.Errorf("%s: %+v, %v", name, f, err)
				}
				if _, err := a.bystander(t).Function(t.Context(), name, "live"); !errors.Is(err, deploy.ErrNotFound) {
					t.Errorf("%s has the alias: %v", name, err)
				}
			}
		})
	}
}

// rest is what has no revision: of each shard its tags, what is reserved for it and how long its log is kept.
func rest(t testing.TB, a *account) (all []string) {
	t.Helper()
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	for _, name := range []string{"demo", "demo-1", "demo-2"} {
		f, err := a.bystander(t).Function(t.Context(), name, "")
		if err != nil {
			t.Fatal(err)
		}
		reserved := "none"
		if f.Reserved != nil {
			reserved = fmt.Sprint(*f.Reserved)
		}
		groups, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/aws/lambda/" + name)})
		if err != nil {
			t.Fatal(err)
		}
		days := int32(0)
		for _, g := range groups.LogGroups {
			if aws.ToString(g.LogGroupName) == "/aws/lambda/"+name {
				days = aws.ToInt32(g.RetentionInDays)
			}
		}
		delete(f.Tags, "lambdapool-created")
		all = append(all, fmt.Sprintf("%s: tags %v, %s reserved, %d days", name, f.Tags, reserved, days))
	}
	return all
}

// setRest gives the three shards something that has no revision.
func setRest(t testing.TB, a *account) {
	t.Helper()
	six := 6
	s := deploy.Spec{Name: "demo", Settings: deploy.Settings{Tags: map[string]string{"team": "old"}, ReservedConcurrency: &six, LogRetention: 14}}
	if _, err := a.bystander(t).Update(t.Context(), s, deploy.UpdateOptions{NoSmoke: true}); err != nil {
		t.Fatal(err)
	}
}

// newRest changes all of it.
func newRest() deploy.Spec {
	twelve := 12
	return deploy.Spec{Name: "demo", Settings: deploy.Settings{
		Tags: map[string]string{"team": "new", "cost": "it's 1"}, ReservedConcurrency: &twelve, LogRetention: 30,
	}}
}

// What has no revision is taken back as well, where there was something before and where there was nothing.
func TestRestOfShardsIsUpdatedOrNone(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(testing.TB, *account)
		fail   func(t testing.TB, operation string, r *http.Request) bool // of the last shard
	}{
		{"reserved", setRest, func(_ testing.TB, operation string, _ *http.Request) bool {
			return operation == "PUT /2017-10-31/functions/demo/concurrency"
		}},
		{"tags", setRest, func(_ testing.TB, operation string, _ *http.Request) bool {
			return strings.HasPrefix(operation, "POST /2017-03-31/tags/") && strings.HasSuffix(operation, "function:demo")
		}},
		{"retention", setRest, func(t testing.TB, operation string, r *http.Request) bool {
			return operation == "Logs_20140328.PutRetentionPolicy" && strings.Contains(bodyOf(t, r), `lambda/demo"`)
		}},
		{"from nothing", func(testing.TB, *account) {}, func(t testing.TB, operation string, r *http.Request) bool {
			return operation == "Logs_20140328.PutRetentionPolicy" && strings.Contains(bodyOf(t, r), `lambda/demo"`)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := sharded(t)
			tc.before(t, a)
			before := rest(t, a)
			refused := false
			a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
				if !refused && tc.fail(t, operation, r) {
					refused = true // what is taken back may ask for the same
					return answer(r, http.StatusPreconditionFailed, "PreconditionFailedException", "changed"), nil
				}
				return nil, nil //nolint:nilnil // go on
			}
			_, err := a.client(t).Update(t.Context(), newRest(), deploy.UpdateOptions{NoSmoke: true})
			var e *deploy.Error
			if !refused || !errors.As(err, &e) || len(e.Left) > 0 {
				t.Fatalf("refused %v: %v, left %+v", refused, err, e)
			}
			if diff := cmp.Diff(before, rest(t, a)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What could not be taken back is named, with a command for it, and the others are taken back.
func TestRestOfShardsThatIsLeft(t *testing.T) {
	a := sharded(t)
	setRest(t, a)
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		switch {
		case operation == "PUT /2017-10-31/functions/demo/concurrency",
			strings.HasPrefix(operation, "DELETE /2017-03-31/tags/") && strings.HasSuffix(operation, "function:demo-2"):
			return answer(r, http.StatusForbidden, "AccessDeniedException", "no"), nil
		}
		return nil, nil //nolint:nilnil // go on
	}
	_, err := a.client(t).Update(t.Context(), newRest(), deploy.UpdateOptions{NoSmoke: true})
	var e *deploy.Error
	if !errors.As(err, &e) || len(e.Left) != 1 || e.Left[0].What != "the change of the tags of shard demo-2" {
		t.Fatalf("%v, left %+v", err, e)
	}
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:demo-2"
	want := `aws lambda tag-resource --resource ` + arn + ` --tags '{"team":"old"}'; aws lambda untag-resource --resource ` + arn + ` --tag-keys 'cost'`
	if diff := cmp.Diff(want, e.Left[0].Remove); diff != "" {
		t.Error(diff)
	}
	if got := rest(t, a)[1]; !strings.Contains(got, "team:old") || strings.Contains(got, "cost") || !strings.Contains(got, "2 reserved, 14 days") {
		t.Error(got)
	}
}

// Lambda tells nothing of tags to who may not list them. Then none is taken for new, and removed.
func TestTagsOfShardsThatNobodyTells(t *testing.T) {
	a := sharded(t)
	setRest(t, a)
	_, transport := a.plain()
	defer transport.CloseIdleConnections()
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		switch {
		case operation == "PUT /2017-10-31/functions/demo/concurrency":
			return answer(r, http.StatusForbidden, "AccessDeniedException", "no"), nil
		case !strings.HasPrefix(operation, "GET /2015-03-31/functions/demo"):
			return nil, nil //nolint:nilnil // go on
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		var f map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil {
			return nil, err
		}
		delete(f, "Tags")
		data, err := json.Marshal(f)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		return resp, err
	}
	_, err := a.client(t).Update(t.Context(), newRest(), deploy.UpdateOptions{NoSmoke: true})
	var e *deploy.Error
	if !errors.As(err, &e) || len(e.Left) != 3 || !strings.Contains(e.Left[0].Remove, "list-tags") {
		t.Fatalf("%v, left %+v", err, e)
	}
	if got := rest(t, a)[1]; !strings.Contains(got, "team:new") || !strings.Contains(got, "2 reserved, 14 days") {
		t.Error(got)
	}
}

// What somebody else has changed meanwhile is left alone.
func TestRestOfShardsOfAnother(t *testing.T) {
	a := sharded(t)
	setRest(t, a)
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	a.before = func(_ int, operation string, r *http.Request) (*http.Response, error) {
		if operation != "PUT /2017-10-31/functions/demo/concurrency" {
			return nil, nil //nolint:nilnil // go on
		}
		arn := "arn:aws:lambda:us-east-1:000000000000:function:demo-2"
		if _, err := lambda.NewFromConfig(cfg).TagResource(t.Context(), &lambda.TagResourceInput{Resource: &arn, Tags: map[string]string{"team": "another"}}); err != nil {
			t.Error(err)
		}
		return answer(r, http.StatusForbidden, "AccessDeniedException", "no"), nil
	}
	var e *deploy.Error
	if _, err := a.client(t).Update(t.Context(), newRest(), deploy.UpdateOptions{NoSmoke: true}); !errors.As(err, &e) || len(e.Left) > 0 {
		t.Fatalf("%v, left %+v", err, e)
	}
	if got := rest(t, a)[2]; !strings.Contains(got, "team:another") || strings.Contains(got, "cost") {
		t.Error(got)
	}
}

// dryRun looks into a request that changes code.
func dryRun(t testing.TB, r *http.Request) bool {
	t.Helper()
	if !strings.HasSuffix(r.URL.Path, "/code") {
		return false
	}
	return strings.Contains(bodyOf(t, r), `"DryRun":true`)
}

// bodyOf reads a request, and leaves it as it was.
func bodyOf(t testing.TB, r *http.Request) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return string(data)
}

// Shards that differ, or are missing, are seen by everything that looks, and an update mends them.
func TestUnevenShards(t *testing.T) {
	a := sharded(t)
	c := a.client(t)
	remove(t, a, "demo-2")
	cfg, transport := a.plain()
	defer transport.CloseIdleConnections()
	other := script(t, "half of an update")
	if _, err := lambda.NewFromConfig(cfg).UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("demo-1"), ZipFile: other.Zip}); err != nil {
		t.Fatal(err)
	}
	const want = "demo-1 has another code; demo-2 is missing"
	if all := listed(t, c); len(all) != 1 || all[0].Uneven != want {
		t.Errorf("listed: %+v", all)
	}
	if shown, err := c.Show(t.Context(), "demo"); err != nil || shown.Function.Uneven != want {
		t.Errorf("shown: %+v, %v", shown, err)
	}
	zero := 0
	if _, err := c.Update(t.Context(), deploy.Spec{Name: "demo", Artifact: script(t, "x"), Settings: deploy.Settings{ReservedConcurrency: &zero}}, deploy.UpdateOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	findings, err := c.Doctor(t.Context(), "demo", deploy.DoctorOptions{})
	if err != nil || !found(findings, "shards", deploy.Problem, want) || !found(findings, "code storage", deploy.OK, "MB of code") {
		t.Errorf("%+v, %v", findings, err)
	}
	if _, err := c.Update(t.Context(), deploy.Spec{Name: "demo", Settings: deploy.Settings{Memory: 256}}, deploy.UpdateOptions{}); !errors.Is(err, deploy.ErrNotFound) || !strings.Contains(err.Error(), "PACKAGE") {
		t.Errorf("without the package: %v", err)
	}
	updated, err := c.Update(t.Context(), deploy.Spec{Name: "demo", Artifact: script(t, "first")}, deploy.UpdateOptions{NoSmoke: true})
	if err != nil || updated.Function.Uneven != "" {
		t.Fatalf("%+v, %v", updated, err)
	}
	if got := sums(t, a); got[0] != got[1] || got[1] != got[2] {
		t.Errorf("code %v", got)
	}
	if f, err := c.Function(t.Context(), "demo-2", ""); err != nil || f.Memory != 512 || f.Env["LOG"] != "debug" {
		t.Errorf("made again: %+v, %v", f, err)
	}
	findings, err = c.Doctor(t.Context(), "demo", deploy.DoctorOptions{})
	if err != nil || !found(findings, "shards", deploy.OK, "3000 environments may start at once, and 300 more a second") {
		t.Errorf("%+v, %v", findings, err)
	}

	// Without the one that they are known by, they are listed as what they are.
	remove(t, a, "demo")
	if all := listed(t, c); len(all) != 2 || !strings.Contains(all[0].Uneven, "demo is missing") {
		t.Errorf("listed: %+v", all)
	}
}

func found(findings []deploy.Finding, check string, level deploy.Level, text string) bool {
	for _, f := range findings {
		if f.Check == check && f.Level == level && strings.Contains(f.Text, text) {
			return true
		}
	}
	return false
}

func TestShardSpecs(t *testing.T) {
	three := 3
	for _, tc := range []struct {
		spec deploy.Spec
		want string
	}{
		{deploy.Spec{Name: "demo", Shards: -1}, "-1 shards: must be 1 to 20"},
		{deploy.Spec{Name: "demo", Shards: 21}, "21 shards: must be 1 to 20"},
		{deploy.Spec{Name: strings.Repeat("n", 62), Shards: 11}, "would be called"},
		{deploy.Spec{Name: "demo", Shards: 4, Settings: deploy.Settings{ReservedConcurrency: &three}}, "each needs one"},
		{deploy.Spec{Name: "demo", Settings: deploy.Settings{Env: map[string]string{"LAMBDAPOOL_SHARD": "0/3"}}}, "reserved"},
		{deploy.Spec{Name: "demo", Settings: deploy.Settings{Tags: map[string]string{"lambdapool-shard": "0/3"}}}, "lambdapool uses it itself"},
	} {
		if err := tc.spec.Check(); !errors.Is(err, deploy.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

// Rights are for each of them by name, and for nothing else.
func TestShardPolicies(t *testing.T) {
	in := deploy.PolicyInput{Region: "eu-west-1", Account: "123456789012", Function: "demo", Shards: 3}
	for name, policy := range map[string]func(deploy.PolicyInput) (string, error){
		"client": deploy.ClientPolicy, "agent": deploy.AgentPolicy, "deployer": deploy.DeployerPolicy,
	} {
		doc, err := policy(in)
		if err != nil || !strings.Contains(doc, `demo-1"`) || !strings.Contains(doc, `demo-2:*"`) || strings.Contains(doc, "demo-3") || strings.Contains(doc, `demo-*`) {
			t.Errorf("%s: %v\n%s", name, err, doc)
		}
	}
	in.Shards = 21
	if _, err := deploy.ClientPolicy(in); !errors.Is(err, deploy.ErrInvalid) {
		t.Error(err)
	}
	a := sharded(t)
	if in, err := a.client(t).PolicyInput(context.Background(), deploy.PolicyInput{Function: "demo"}); err != nil || in.Shards != 3 {
		t.Errorf("%+v, %v", in, err)
	}
}
